"""TTMR++ built small: a checkpoint under the authors' names, random weights, RoBERTa's tokenizer of single bytes.

The names are those of seungheondoh/music-text-representation-pp at 4bc7aa78, all below mtrpp/: model/dual_encoder.py:
audio_encoder, text_encoder without its pooler's weights, projectors, logit_scale; model/loss.py: loss_fct.logit_scale;
modules/resnet.py: ModifiedResNet, Bottleneck; modules/pooling_layer.py: AttentionPool2d. train.py saves {epoch,
state_dict, optimizer} without a prefix.
"""

from dataclasses import replace
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from schemas.encoders import EncoderSpec
from tests.conformance.seeded import put, seeded
from tests.conformance.small_ttmr import TEXT_DIM, TEXT_PLACES, Shapes, bert_shapes, linear, norm, projector, saved
from workers.encoders.ttmr.plus_plus import ROBERTA_TOKENIZER, SPEC, TTMR_PP

WIDTH, BLOCKS, DIM, JOINT = 8, (1, 2, 1, 1), 24, 16

# The values of mtrpp/train.py; the file on the hub has not been seen.
SETTINGS = """\
n_fft: 1024
hop_size: 0.01
sr: 22050
duration: 10
max_length: 128
text_arch: roberta-base
n_heads: 8
n_mels: 128
"""


def music_shapes() -> Shapes:
    """Weights of audio_encoder and audio_projector."""
    found: Shapes = {}
    for number, (before, after) in enumerate(((1, WIDTH // 2), (WIDTH // 2, WIDTH // 2), (WIDTH // 2, WIDTH)), 1):
        found |= {f"conv{number}.weight": (after, before, 3, 3)} | norm(f"bn{number}", after, batch=True)
    before = WIDTH
    for number, blocks in enumerate(BLOCKS):
        planes = WIDTH * 2**number
        for block in range(blocks):
            name = f"layer{number + 1}.{block}"
            for conv, (inner, after, size) in enumerate(
                ((before, planes, 1), (planes, planes, 3), (planes, 4 * planes, 1)), 1
            ):
                found |= {f"{name}.conv{conv}.weight": (after, inner, size, size)}
                found |= norm(f"{name}.bn{conv}", after, batch=True)
            if block == 0:
                found |= {f"{name}.downsample.0.weight": (4 * planes, before, 1, 1)}
                found |= norm(f"{name}.downsample.1", 4 * planes, batch=True)
            before = 4 * planes
    found |= {"attn_pool.positional_embedding": (1, before)} | linear("attn_pool.c_proj", before, DIM)
    for name in ("k_proj", "q_proj", "v_proj"):
        found |= linear(f"attn_pool.{name}", before, before)
    found = {f"audio_encoder.{name}": shape for name, shape in found.items()}
    return found | projector("audio_projector", DIM, JOINT)


def state() -> dict[str, torch.Tensor]:
    """The state dict, as its authors saved it but for its sizes."""
    shapes = music_shapes() | bert_shapes("text_encoder.", 260, TEXT_PLACES + 2, TEXT_DIM, kinds=1)
    shapes |= projector("text_projector", TEXT_DIM, JOINT)
    shapes |= {"logit_scale": (1,), "loss_fct.logit_scale": (1,)}
    found = {key: torch.from_numpy(value) for key, value in seeded(shapes, 7).items()}
    for key in [key for key in found if key.endswith("running_var")]:
        found[key.replace("running_var", "num_batches_tracked")] = torch.tensor(7)
    return found


def roberta_tokenizer() -> Tokenizer:
    """roberta-base's tokenizer.json but for its vocabulary: bytes, never merged."""
    names = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({name: number for number, name in enumerate(names)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def build(folder: Path) -> EncoderSpec:
    """Writes what the encoder looks for."""
    checkpoint, settings = TTMR_PP.files
    put(TTMR_PP, folder, {checkpoint: saved(state()), settings: SETTINGS.encode()})
    put(ROBERTA_TOKENIZER, folder, {"tokenizer.json": roberta_tokenizer().to_str().encode()})
    return replace(SPEC, backbone=replace(SPEC.backbone, dim=JOINT), head=replace(SPEC.head, dim=JOINT))


SMALL = {SPEC.name: build}
