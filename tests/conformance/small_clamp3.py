"""A small CLaMP 3: a checkpoint under the authors' names, and the small MERT and tokenizer of other families.
The names are those of CLaMP3Model in code/utils.py of sanderwood/clamp3 at 02be2e3f: text_model (AutoModel of
XLM-RoBERTa), symbolic_model (M3PatchEncoder), audio_model (BertModel of MERT's vectors) and their projections;
code/extract_clamp3.py reads `model`, `epoch` and `min_eval_loss`.
"""

import io
from dataclasses import replace
from pathlib import Path

import torch

from schemas.encoders import EncoderSpec
from tests.conformance import small_muq, small_ssl
from tests.conformance.seeded import random_weights, write_source
from tests.conformance.small_ttmr import bert_shapes, linear_shapes
from workers.encoders.clamp3.encoder import CLAMP3, MERT_95M, SPEC
from workers.encoders.muq.mulan import XLM_R_TOKENIZER

TEXT_DIM, JOINT, ROWS, LAYERS = 24, 20, 128, 2


def build_state() -> dict[str, torch.Tensor]:
    """Build the weights as the authors saved them, except for the sizes."""
    words = small_muq.build_tokenizer().get_vocab_size()
    shapes = bert_shapes("text_model.", words, 128 + 2, TEXT_DIM, kinds=1, layers=LAYERS)
    shapes |= linear_shapes("text_model.pooler.dense", TEXT_DIM, TEXT_DIM)
    shapes |= linear_shapes("text_proj", TEXT_DIM, JOINT)
    shapes |= bert_shapes("audio_model.", 1, ROWS, small_ssl.DIM, kinds=2, layers=LAYERS)
    shapes |= linear_shapes("audio_model.pooler.dense", small_ssl.DIM, small_ssl.DIM)
    shapes |= linear_shapes("audio_proj", small_ssl.DIM, JOINT) | linear_shapes("symbolic_proj", 8, JOINT)
    shapes |= linear_shapes("symbolic_model.patch_embedding", 16, 8)
    return {name: torch.from_numpy(numbers) for name, numbers in random_weights(shapes, 34).items()}


def build(folder: Path) -> EncoderSpec:
    """Write the small encoder's files and return its spec."""
    saved = io.BytesIO()
    torch.save({"model": build_state(), "epoch": 41, "min_eval_loss": 0.5}, saved)
    write_source(CLAMP3, folder, {CLAMP3.files[0]: saved.getvalue()})
    write_source(MERT_95M, folder, small_ssl.build_files("mert-95m"))
    write_source(XLM_R_TOKENIZER, folder, {"tokenizer.json": small_muq.build_tokenizer().to_str().encode()})
    return replace(SPEC, backbone=replace(SPEC.backbone, dim=JOINT), head=replace(SPEC.head, dim=JOINT))


SMALL = {SPEC.name: build}
