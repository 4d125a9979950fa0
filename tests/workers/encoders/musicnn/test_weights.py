"""The stored weights: what the wheel holds, bit by bit, and loaded without a network."""

import hashlib
import socket

import numpy as np
import pytest
from safetensors.numpy import load, save

from schemas.errors import UserError
from tests.conformance.models import fetch_models
from workers.encoders.musicnn.conse import add_prompt
from workers.encoders.musicnn.net import NETS
from workers.encoders.musicnn.tags import VOCABULARY
from workers.encoders.musicnn.weights.convert import (
    TAG_TOLERANCE,
    compare_files,
    convert_nets,
    holds_the_same,
)
from workers.encoders.musicnn.weights.files import (
    FOLDER,
    LICENCE_FILE,
    LICENCE_MEMBER,
    MUSICNN,
    NETS_FILE,
    SHA256_OF_FILES,
    TAGS_FILE,
    read_nets,
    read_tag_vectors,
)
from workers.encoders.musicnn.weights.tf_checkpoint import read_checkpoint
from workers.encoders.registry import ENCODERS, load_encoder
from workers.text.minilm import MiniLM
from workers.text.minilm_weights import MINILM


def test_they_are_the_tensors_of_the_wheel(wheel_members):
    nets = read_nets()
    assert len(nets) == 2 * 64
    for net in NETS:
        index, data = (wheel_members[f"musicnn/{net}/{name}"] for name in (".index", ".data-00000-of-00001"))
        tensors = read_checkpoint(index, data, skip=("/Adam", "_power"))
        assert {f"{net}/{name}" for name in tensors} == {name for name in nets if name.startswith(net)}
        for name, tensor in tensors.items():
            stored = nets[f"{net}/{name}"].numpy()
            assert (stored.dtype, stored.shape) == (tensor.dtype, tensor.shape)
            assert stored.tobytes() == tensor.tobytes()
    assert holds_the_same(NETS_FILE, (FOLDER / NETS_FILE).read_bytes(), convert_nets(wheel_members))


def test_the_tag_vectors_are_those_of_minilm():
    fresh = MiniLM(fetch_models(MINILM)).embed_text(add_prompt(list(VOCABULARY)))
    stored = read_tag_vectors()
    assert stored.dtype == np.float32
    np.testing.assert_allclose(stored, fresh, atol=TAG_TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", ["musicnn", "musicnn-conse"])
def test_encoders_load_without_network_or_models_folder(name, tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "socket", lambda *_, **__: pytest.fail("the network was used"))
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("pip was called"))
    encoder = load_encoder(ENCODERS[name].spec, tmp_path / "models")
    features = encoder.embed_windows(np.zeros((1, 48_128), np.float32))
    assert encoder.project(features).shape == (1, encoder.spec.head.dim)
    assert encoder.tag(features).shape == (1, len(VOCABULARY))
    assert list(tmp_path.iterdir()) == []


def test_only_the_text_tower_is_fetched():
    assert ENCODERS["musicnn"].weights == ENCODERS["musicnn-conse"].weights == (MINILM,)


@pytest.mark.parametrize(("file", "read"), [(NETS_FILE, read_nets), (TAGS_FILE, read_tag_vectors)])
def test_a_changed_or_missing_file_is_refused(tmp_path, file, read):
    content = bytearray((FOLDER / file).read_bytes())
    content[-1] ^= 1
    (tmp_path / file).write_bytes(content)
    with pytest.raises(UserError, match=f"{file} is not the file that belongs to this tonelake"):
        read(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(UserError, match="install tonelake again"):
        read(tmp_path)


def test_licence_and_card_stand_beside_them():
    licence = (FOLDER / LICENCE_FILE).read_bytes()
    assert hashlib.sha256(licence).hexdigest() == MUSICNN.members[LICENCE_MEMBER]
    card = (FOLDER / "README.md").read_text()
    assert all(f"| `{digest}` |" in card for digest in SHA256_OF_FILES.values())


def test_other_tensors_are_noticed():
    """The networks may not differ in one bit, the tag vectors not by more than another order of sums."""
    tensors = {"tag_vectors": np.array([0.5, 0.0], np.float32)}
    near = save({"tag_vectors": np.array([0.5, 1e-7], np.float32)})
    assert holds_the_same(TAGS_FILE, save(tensors), near)
    assert not holds_the_same(NETS_FILE, save(tensors), near)
    assert not holds_the_same(TAGS_FILE, save(tensors), save({"tag_vectors": np.array([0.5, 1e-4], np.float32)}))
    assert not holds_the_same(TAGS_FILE, save(tensors), save({"tag_vectors": np.array([0.5], np.float32)}))
    assert not holds_the_same(NETS_FILE, save(tensors), save({"others": tensors["tag_vectors"]}))
    assert not holds_the_same(NETS_FILE, save(tensors), save({"tag_vectors": np.array([0.5, -0.0], np.float32)}))
    assert not holds_the_same(NETS_FILE, b"no safetensors", save(tensors))
    with_another_header = save(tensors, {"made": "by another safetensors"})
    assert load(with_another_header).keys() == tensors.keys()
    assert holds_the_same(NETS_FILE, with_another_header, save(tensors))


def test_the_tool_writes_only_what_differs(tmp_path, capsys):
    nets, tags = (save({"tag_vectors": np.array([value], np.float32)}) for value in (1.0, 2.0))
    fresh_files = {NETS_FILE: nets, TAGS_FILE: tags, LICENCE_FILE: b"licence"}
    (tmp_path / LICENCE_FILE).write_bytes(b"licence")
    assert not compare_files(fresh_files, tmp_path, write=False)
    assert [path.name for path in tmp_path.iterdir()] == [LICENCE_FILE]
    assert not compare_files(fresh_files, tmp_path, write=True)
    assert f"{NETS_FILE}: written, sha256 {hashlib.sha256(nets).hexdigest()}" in capsys.readouterr().out
    assert compare_files(fresh_files, tmp_path, write=False)
    assert capsys.readouterr().out.splitlines() == [f"{file}: equal" for file in fresh_files]
