"""A small TTMR++: a checkpoint under the authors' names, random weights, RoBERTa's tokenizer of single bytes.

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
from tests.conformance.seeded import random_weights, write_source
from tests.conformance.small_ttmr import (
    TEXT_DIM,
    TEXT_POSITIONS,
    Shapes,
    bert_shapes,
    linear_shapes,
    norm_shapes,
    projector_shapes,
    serialise_checkpoint,
)
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
    """Return the shapes of audio_encoder and audio_projector."""
    shapes: Shapes = {}
    for number, (channels_in, channels_out) in enumerate(
        ((1, WIDTH // 2), (WIDTH // 2, WIDTH // 2), (WIDTH // 2, WIDTH)), 1
    ):
        shapes |= {f"conv{number}.weight": (channels_out, channels_in, 3, 3)}
        shapes |= norm_shapes(f"bn{number}", channels_out, batch=True)
    channels_in = WIDTH
    for number, blocks in enumerate(BLOCKS):
        planes = WIDTH * 2**number
        for block in range(blocks):
            name = f"layer{number + 1}.{block}"
            for conv, (inner, channels_out, size) in enumerate(
                ((channels_in, planes, 1), (planes, planes, 3), (planes, 4 * planes, 1)), 1
            ):
                shapes |= {f"{name}.conv{conv}.weight": (channels_out, inner, size, size)}
                shapes |= norm_shapes(f"{name}.bn{conv}", channels_out, batch=True)
            if block == 0:
                shapes |= {f"{name}.downsample.0.weight": (4 * planes, channels_in, 1, 1)}
                shapes |= norm_shapes(f"{name}.downsample.1", 4 * planes, batch=True)
            channels_in = 4 * planes
    shapes |= {"attn_pool.positional_embedding": (1, channels_in)}
    shapes |= linear_shapes("attn_pool.c_proj", channels_in, DIM)
    for name in ("k_proj", "q_proj", "v_proj"):
        shapes |= linear_shapes(f"attn_pool.{name}", channels_in, channels_in)
    shapes = {f"audio_encoder.{name}": shape for name, shape in shapes.items()}
    return shapes | projector_shapes("audio_projector", DIM, JOINT)


def build_state() -> dict[str, torch.Tensor]:
    """Build the state dict as the authors saved it, except for the sizes."""
    shapes = music_shapes() | bert_shapes("text_encoder.", 260, TEXT_POSITIONS + 2, TEXT_DIM, kinds=1)
    shapes |= projector_shapes("text_projector", TEXT_DIM, JOINT)
    shapes |= {"logit_scale": (1,), "loss_fct.logit_scale": (1,)}
    state = {key: torch.from_numpy(value) for key, value in random_weights(shapes, 7).items()}
    for key in [key for key in state if key.endswith("running_var")]:
        state[key.replace("running_var", "num_batches_tracked")] = torch.tensor(7)
    return state


def build_roberta_tokenizer() -> Tokenizer:
    """Build roberta-base's tokenizer.json, except for its vocabulary: bytes, never merged."""
    names = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({name: number for number, name in enumerate(names)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def build(folder: Path) -> EncoderSpec:
    """Write the small encoder's files and return its spec."""
    checkpoint, settings = TTMR_PP.files
    write_source(TTMR_PP, folder, {checkpoint: serialise_checkpoint(build_state()), settings: SETTINGS.encode()})
    write_source(ROBERTA_TOKENIZER, folder, {"tokenizer.json": build_roberta_tokenizer().to_str().encode()})
    return replace(SPEC, backbone=replace(SPEC.backbone, dim=JOINT), head=replace(SPEC.head, dim=JOINT))


SMALL = {SPEC.name: build}
