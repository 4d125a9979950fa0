"""TTMR++ against a second implementation from the authors' state dict, and against transformers' RoBERTa."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from schemas.errors import UserError
from schemas.settings import Settings
from tests.conformance.golden import signal
from tests.conformance.seeded import write_source
from tests.conformance.small_ttmr import TEXT_DIM, TEXT_LAYERS, TEXT_POSITIONS
from tests.conformance.small_ttmr_pp import BLOCKS, SETTINGS, build, build_roberta_tokenizer, build_state
from workers.encoders.base.mel_filters import slaney_filters
from workers.encoders.ttmr.encoder import HEADS
from workers.encoders.ttmr.plus_plus import MAX_TOKENS, ROBERTA_TOKENIZER, SPEC, TTMR_PP, TtmrPlus, TtmrPlusTextTower
from workers.encoders.ttmr.plus_plus_net import SAMPLE_RATE, WINDOW, PlusShape, PlusTower

TEXTS = ["banjo", "Slow jazz, with a muted trumpet; recorded live!", "é 音楽", "", "oboe."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def test_equals_a_second_implementation(folder):
    sound = signal(WINDOW, SAMPLE_RATE)
    windows = np.stack([sound, sound * 0.01, np.random.default_rng(0).normal(0.1, 0.1, WINDOW)]).astype(np.float32)
    actual = TtmrPlus(build(folder), folder).embed_windows(windows)
    expected = np.stack([by_hand(build_state(), window[None])[0] for window in windows])
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())
    assert np.linalg.norm(actual, axis=1).min() > 1.5, "not normalised"


def by_hand(w, track):
    """Compute get_latent.py and mtrpp/modules/{mel,resnet,pooling_layer}.py for windows [n, 220500], in float32."""
    x = torch.from_numpy(mel_by_hand(round_to_16_bits(track)).astype(np.float32))[:, None]
    for number in (1, 2, 3):
        x = torch.relu(
            batch_norm(w, f"audio_encoder.bn{number}", conv(w, f"audio_encoder.conv{number}", x, number == 1))
        )
    x = functional.avg_pool2d(x, 2)
    for stage, blocks in enumerate(BLOCKS):
        for block in range(blocks):
            x = block_by_hand(w, f"audio_encoder.layer{stage + 1}.{block}", x, 2 if stage and not block else 1)
    x = pool_by_hand(w, "audio_encoder.attn_pool", x)
    return project(w, "audio_projector", x).numpy()


def round_to_16_bits(track):
    """Round to 16 bits as mtrpp/utils/audio_utils.py: float32_to_int16, int16_to_float32."""
    scaled = (track - track.min()) / (track.max() - track.min()) * 2 - 1
    return (scaled * 32767).astype(np.int16) / 32767


def mel_by_hand(windows):
    padded = np.pad(windows.astype(float), ((0, 0), (512, 512)), mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    frames = np.stack([padded[:, 220 * i : 220 * i + 1024] * hann for i in range(1002)], axis=1)
    mel = np.log10(np.maximum(np.abs(np.fft.rfft(frames)) ** 2 @ slaney_filters(22050, 1024, 128).T, 1e-10))
    return (np.maximum(mel, mel.max() - 8).transpose(0, 2, 1) + 4) / 4


def block_by_hand(w, name, x, stride):
    out = torch.relu(batch_norm(w, f"{name}.bn1", conv(w, f"{name}.conv1", x)))
    out = torch.relu(batch_norm(w, f"{name}.bn2", conv(w, f"{name}.conv2", out)))
    out = functional.avg_pool2d(out, stride) if stride > 1 else out
    out = batch_norm(w, f"{name}.bn3", conv(w, f"{name}.conv3", out))
    if f"{name}.downsample.0.weight" in w:
        x = functional.avg_pool2d(x, stride) if stride > 1 else x
        x = batch_norm(w, f"{name}.downsample.1", conv(w, f"{name}.downsample.0", x))
    return torch.relu(out + x)


def pool_by_hand(w, name, x):
    cells = x.flatten(2).permute(2, 0, 1)
    cells = torch.cat([cells.mean(0, keepdim=True), cells]) + w[f"{name}.positional_embedding"][:, None]
    projections = [f"{name}.{letter}_proj" for letter in "qkv"]
    pooled, _ = functional.multi_head_attention_forward(
        cells[:1],
        cells,
        cells,
        cells.shape[2],
        8,
        in_proj_weight=None,
        in_proj_bias=torch.cat([w[f"{projection}.bias"] for projection in projections]),
        bias_k=None,
        bias_v=None,
        add_zero_attn=False,
        dropout_p=0,
        out_proj_weight=w[f"{name}.c_proj.weight"],
        out_proj_bias=w[f"{name}.c_proj.bias"],
        use_separate_proj_weight=True,
        training=False,
        **{f"{projection[-6:]}_weight": w[f"{projection}.weight"] for projection in projections},
    )
    return pooled[0]


def conv(w, name, x, halve=False):
    weight = w[f"{name}.weight"]
    return functional.conv2d(x, weight, stride=2 if halve else 1, padding=weight.shape[2] // 2)


def batch_norm(w, name, x):
    kinds = [w[f"{name}.{kind}"] for kind in ("running_mean", "running_var", "weight", "bias")]
    return functional.batch_norm(x, *kinds)


def project(w, name, x):
    normal = functional.layer_norm(x, x.shape[1:], w[f"{name}.0.weight"], w[f"{name}.0.bias"])
    return normal @ w[f"{name}.1.weight"].T


def test_only_a_quiet_window_of_a_loud_track_differs(folder):
    """The authors scale the whole track: windows as loud as the track get the same vector, quieter ones another."""
    loud = signal(WINDOW, SAMPLE_RATE)
    track = np.stack([loud, loud * 0.05])
    actual = TtmrPlus(build(folder), folder).embed_windows(track)
    expected = by_hand(build_state(), track)
    distances = 1 - (actual * expected).sum(1) / np.linalg.norm(actual, axis=1) / np.linalg.norm(expected, axis=1)
    assert distances[0] < 1e-5 < 1e-4 < distances[1]


def test_loudness_does_not_matter(folder):
    encoder = TtmrPlus(build(folder), folder)
    sound = signal(WINDOW, SAMPLE_RATE)
    quiet, loud = encoder.project(encoder.embed_windows(np.stack([sound / 64, sound])))
    assert 1 - quiet @ loud < 1e-5


def test_the_sizes_of_the_training_script():
    """1002 frames -> 4 x 31 cells of 2048 numbers, as the comments in mtrpp/modules/resnet.py say."""
    tower = PlusTower(PlusShape()).eval()
    with torch.inference_mode():
        mel = tower.mel(torch.randn(1, WINDOW))
        cells = tower.stages(torch.zeros(1, 64, 128 // 4, mel.shape[2] // 4))
    assert mel.shape == (1, 128, 1002)
    assert cells.shape == (1, 2048, 4, 31)
    assert tower.pool.positions.shape == (1, 2048)
    assert SPEC.backbone.windows.window == WINDOW == 10 * SAMPLE_RATE


def test_text_equals_transformers(folder, tmp_path):
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

    w = build_state()
    config = RobertaConfig(
        vocab_size=260,
        hidden_size=TEXT_DIM,
        num_hidden_layers=TEXT_LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * TEXT_DIM,
        max_position_embeddings=TEXT_POSITIONS + 2,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
    roberta = RobertaModel(config, add_pooling_layer=False).eval()
    weights = {key.removeprefix("text_encoder."): value for key, value in w.items() if key.startswith("text_encoder.")}
    assert not roberta.load_state_dict(weights, strict=False).missing_keys
    build_roberta_tokenizer().save(str(tmp_path / "tokenizer.json"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(tmp_path / "tokenizer.json"), pad_token="<pad>", model_max_length=MAX_TOKENS
    )
    texts = [*TEXTS, "long " * 100]
    tokens = tokenizer(texts, padding="longest", truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
    with torch.inference_mode():  # padded and masked, as text_forward in mtrpp/model/dual_encoder.py
        hidden = roberta(tokens["input_ids"], tokens["attention_mask"])["last_hidden_state"][:, 0]
    expected = functional.normalize(project(w, "text_projector", hidden))
    np.testing.assert_allclose(TtmrPlusTextTower(build(folder), folder).embed_text(texts), expected, atol=2e-6)


def test_other_settings_are_refused(tmp_path):
    spec = build(tmp_path)
    settings = {TTMR_PP.files[1]: SETTINGS.replace("n_heads: 8", "n_heads: 16").encode()}
    write_source(TTMR_PP, tmp_path, settings)
    with pytest.raises(UserError, match="n_heads 16"):
        TtmrPlus(spec, tmp_path)


def test_the_vector_of_the_readme():
    """README.md at 4bc7aa78 prints the 128 numbers of one text; here are the first eight."""
    models = Settings().models
    if not all((models / source.folder).is_dir() for source in (TTMR_PP, ROBERTA_TOKENIZER)):
        pytest.skip(f"the weights are not in {models}")
    text = (
        "Solo acoustic performance with a mix of easy listening, suspenseful, and quirky tones, "
        "using percussion, piano, drums, guitar, and acoustic guitar in the key of D"
    )
    actual = TtmrPlusTextTower(SPEC, models).embed_text([text])[0, :8]
    expected = np.array([0.6764, 1.4445, 1.6331, -0.3785, -1.6008, -1.8907, -0.5335, -2.4279])
    np.testing.assert_allclose(actual / np.linalg.norm(actual), expected / np.linalg.norm(expected), atol=2e-3)
