"""Small TTMR models: checkpoints under the authors' names, random weights, tokenizers of single letters.

The names are those of seungheondoh/music-text-representation at 5e54e0df, all below mtr/:
contrastive/model.py, triplet/model.py, classification/model.py: audio_encoder, audio_projector, text_encoder,
text_projector, logit_scale, head; modules/encoder.py: MusicTransformer; modules/tokenizer.py: ResFrontEnd;
modules/ops.py: Res2DMaxPoolModule, Transformer; modules/head.py: ClsHead, CLIPHead; modules/audio_rep.py: TFRep,
whose torchaudio modules keep window and fb. "module." is from DistributedDataParallel in */train.py, which saves
{epoch, state_dict, optimizer}. BERT's names are those of transformers 4, of its time.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from schemas.encoders import EncoderSpec
from tests.conformance.seeded import random_weights, write_source
from workers.encoders.ttmr.encoder import BERT_TOKENIZER, GLOVE, HEADS, MODELS
from workers.weights.sources import UrlSource

FRAME, BANDS, CHANNELS, DIM, LAYERS, POSITIONS, JOINT = 1024, 32, 8, 32, 2, 80, 16
TEXT_DIM, TEXT_LAYERS, TEXT_POSITIONS = 2 * HEADS, 2, 512
LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)] + list("0123456789,.'-&")
GLOVE_TAGS = ("rock", "hip hop", "hip", "banjo", "slow", "80s")

Shapes = dict[str, tuple[int, ...]]


def music_shapes() -> Shapes:
    """Return the shapes of audio_encoder and audio_projector, without buffers that are not random."""
    shapes = {"pos_embedding": (1, POSITIONS, DIM), "cls_token": (DIM,)}
    shapes |= norm_shapes("frontend.input_bn", 1, batch=True)
    for layer in (1, 2, 3, 4):
        channels_in = 1 if layer == 1 else CHANNELS
        for number, channels in ((1, channels_in), (2, CHANNELS), *([(3, channels_in)] if layer == 1 else [])):
            name = f"frontend.layer{layer}"
            shapes |= {f"{name}.conv_{number}.weight": (CHANNELS, channels, 3, 3)}
            shapes |= {f"{name}.conv_{number}.bias": (CHANNELS,)}
            shapes |= norm_shapes(f"{name}.bn_{number}", CHANNELS, batch=True)
    shapes |= linear_shapes("frontend.fc", CHANNELS * BANDS // 16, DIM)
    for layer in range(LAYERS):
        attention, inner = (f"transformer.layers.{layer}.{half}.fn" for half in (0, 1))
        shapes |= norm_shapes(f"{attention}.norm", DIM) | norm_shapes(f"{inner}.norm", DIM)
        shapes |= {f"{attention}.fn.to_qkv.weight": (3 * DIM, DIM)}
        shapes |= linear_shapes(f"{attention}.fn.to_out.0", DIM, DIM)
        shapes |= linear_shapes(f"{inner}.fn.net.0", DIM, 4 * DIM) | linear_shapes(f"{inner}.fn.net.3", 4 * DIM, DIM)
    shapes = {f"audio_encoder.{name}": shape for name, shape in shapes.items()}
    return shapes | projector_shapes("audio_projector", DIM, JOINT)


def bert_shapes(prefix: str, words: int, positions: int, dim: int, kinds: int, layers: int = TEXT_LAYERS) -> Shapes:
    """Return the shapes of transformers' BertModel or RobertaModel."""
    shapes = {f"{name}_embeddings.weight": (size, dim) for name, size in (("word", words), ("position", positions))}
    shapes |= {"token_type_embeddings.weight": (kinds, dim)} | norm_shapes("LayerNorm", dim)
    shapes = {f"embeddings.{name}": shape for name, shape in shapes.items()}
    for number in range(layers):
        layer = f"encoder.layer.{number}"
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            shapes |= linear_shapes(f"{layer}.attention.{name}", dim, dim)
        shapes |= norm_shapes(f"{layer}.attention.output.LayerNorm", dim)
        shapes |= norm_shapes(f"{layer}.output.LayerNorm", dim)
        shapes |= linear_shapes(f"{layer}.intermediate.dense", dim, 4 * dim)
        shapes |= linear_shapes(f"{layer}.output.dense", 4 * dim, dim)
    return {f"{prefix}{name}": shape for name, shape in shapes.items()}


def linear_shapes(name: str, dim_in: int, dim_out: int) -> Shapes:
    return {f"{name}.weight": (dim_out, dim_in), f"{name}.bias": (dim_out,)}


def norm_shapes(name: str, size: int, batch: bool = False) -> Shapes:
    kinds = ("weight", "bias", *(("running_mean", "running_var") if batch else ()))
    return {f"{name}.{kind}": (size,) for kind in kinds}


def projector_shapes(name: str, dim: int, joint: int) -> Shapes:
    return norm_shapes(f"{name}.0", dim) | {f"{name}.1.weight": (joint, dim)}


def build_state(name: str) -> dict[str, torch.Tensor]:
    """Build the state dict of a model as its authors saved it, except for the sizes."""
    model = MODELS[name]
    shapes = music_shapes()
    if model.text == "bert":
        shapes |= bert_shapes("text_encoder.", len(word_pieces()), TEXT_POSITIONS, TEXT_DIM, kinds=2)
        shapes |= linear_shapes("text_encoder.pooler.dense", TEXT_DIM, TEXT_DIM)
    if model.text:
        shapes |= projector_shapes("text_projector", {"bert": TEXT_DIM, "glove": 300}[model.text], JOINT)
    if model.framework == "contrastive":
        shapes |= {"logit_scale": (1,), "head.logit_scale": (1,)}
    if model.framework == "classification":
        shapes |= {"head.fc_cls.weight": (1054, JOINT)}
    state = {key: torch.from_numpy(value) for key, value in random_weights(shapes, list(MODELS).index(name)).items()}
    # Decibels of music are around -30: trained weights are normalised to that.
    state["audio_encoder.frontend.input_bn.running_mean"] = torch.tensor([-30.0])
    state["audio_encoder.frontend.input_bn.running_var"] = torch.tensor([400.0])
    for key in [key for key in state if key.endswith(("to_out.0.weight", "frontend.fc.weight"))]:
        state[key] *= 4  # random layers blur the differences between sounds
    state["audio_encoder.audio_representation.spec_fn.window"] = torch.hann_window(FRAME)
    state["audio_encoder.audio_representation.mel_scale.fb"] = mel_triangles()
    for key in [key for key in state if key.endswith("running_var")]:
        state[key.replace("running_var", "num_batches_tracked")] = torch.tensor(7)
    if model.text == "bert":
        state["text_encoder.embeddings.position_ids"] = torch.arange(TEXT_POSITIONS)[None]
    return state


def mel_triangles() -> torch.Tensor:
    """Return mel filters [513, BANDS], independent of ours: HTK's scale, each triangle interpolated."""
    hz = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), BANDS + 2) / 2595) - 1)
    bins = np.linspace(0, 8000, FRAME // 2 + 1)
    rows = [np.interp(bins, hz[band : band + 3], [0, 1, 0]) for band in range(BANDS)]
    return torch.from_numpy(np.stack(rows, axis=1).astype(np.float32))


def serialise_checkpoint(state: Mapping[str, torch.Tensor], prefix: str = "") -> bytes:
    """Return the bytes of a checkpoint that also holds the state of an optimiser."""
    file = io.BytesIO()
    moments = {0: {"step": 7, "exp_avg": torch.zeros(3)}}
    optimizer = {"state": moments, "param_groups": [{"lr": 5e-5, "betas": (0.9, 0.999), "params": [0]}]}
    state = {f"{prefix}{name}": tensor for name, tensor in state.items()}
    torch.save({"epoch": 41, "state_dict": state, "optimizer": optimizer}, file)
    return file.getvalue()


def word_pieces() -> list[str]:
    """Return BERT's vocabulary, reduced to letters."""
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]


def build_bert_tokenizer() -> Tokenizer:
    """Build bert-base-uncased's tokenizer.json, except for its vocabulary."""
    vocabulary = {piece: number for number, piece in enumerate(word_pieces())}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def build_glove_table() -> bytes:
    """Build a table of arrays like the authors': `np.array(table[tag])` in mtr/utils/eval_utils.py."""
    rng = np.random.default_rng(5)
    file = io.BytesIO()
    torch.save({tag: rng.standard_normal(300).astype(np.float32) for tag in GLOVE_TAGS}, file)
    return file.getvalue()


def write_member(source: UrlSource, folder: Path, content: bytes) -> None:
    write_source(source, folder, {source.members[0].replace("/", "--"): content})


def _builder(name: str) -> Callable[[Path], EncoderSpec]:
    def build(folder: Path) -> EncoderSpec:
        model = MODELS[name]
        write_member(model.source, folder, serialise_checkpoint(build_state(name), prefix="module."))
        if model.text == "bert":
            write_source(BERT_TOKENIZER, folder, {"tokenizer.json": build_bert_tokenizer().to_str().encode()})
        if model.text == "glove":
            write_member(GLOVE, folder, build_glove_table())
        spec = model.spec
        return replace(spec, backbone=replace(spec.backbone, dim=JOINT), head=replace(spec.head, dim=JOINT))

    return build


SMALL = {name: _builder(name) for name in MODELS}
