"""CLaMP 3 built small: a checkpoint under the authors' names, MERT and the tokenizer as others have them small.

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
from tests.conformance.seeded import put, seeded
from tests.conformance.small_ttmr import bert_shapes, linear
from workers.encoders.clamp3.encoder import CLAMP3, MERT_95M, SPEC
from workers.encoders.muq.mulan import XLM_R_TOKENIZER

TEXT_DIM, JOINT, ROWS, LAYERS = 24, 20, 128, 2


def state() -> dict[str, torch.Tensor]:
    """The weights, as their authors saved them but for their sizes."""
    words = small_muq.tokenizer().get_vocab_size()
    found = bert_shapes("text_model.", words, 128 + 2, TEXT_DIM, kinds=1, layers=LAYERS)
    found |= linear("text_model.pooler.dense", TEXT_DIM, TEXT_DIM) | linear("text_proj", TEXT_DIM, JOINT)
    found |= bert_shapes("audio_model.", 1, ROWS, small_ssl.DIM, kinds=2, layers=LAYERS)
    found |= linear("audio_model.pooler.dense", small_ssl.DIM, small_ssl.DIM)
    found |= linear("audio_proj", small_ssl.DIM, JOINT) | linear("symbolic_proj", 8, JOINT)
    found |= linear("symbolic_model.patch_embedding", 16, 8)
    return {name: torch.from_numpy(numbers) for name, numbers in seeded(found, 34).items()}


def build(folder: Path) -> EncoderSpec:
    """Writes what the encoder looks for."""
    saved = io.BytesIO()
    torch.save({"model": state(), "epoch": 41, "min_eval_loss": 0.5}, saved)
    put(CLAMP3, folder, {CLAMP3.files[0]: saved.getvalue()})
    put(MERT_95M, folder, small_ssl.files_of("mert-95m"))
    put(XLM_R_TOKENIZER, folder, {"tokenizer.json": small_muq.tokenizer().to_str().encode()})
    return replace(SPEC, backbone=replace(SPEC.backbone, dim=JOINT), head=replace(SPEC.head, dim=JOINT))


SMALL = {SPEC.name: build}
