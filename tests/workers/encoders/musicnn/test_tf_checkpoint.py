"""The checkpoint reader, on the musicnn wheel itself."""

import pytest

from workers.encoders.musicnn.weights.tf_checkpoint import CorruptCheckpointError, read_checkpoint


@pytest.fixture(scope="module")
def checkpoint(wheel_members):
    """The index and data of the MagnaTagATune network."""
    return wheel_members["musicnn/MTT_musicnn/.index"], wheel_members["musicnn/MTT_musicnn/.data-00000-of-00001"]


def flip_bit(data, position):
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def test_names_and_shapes(checkpoint):
    tensors = read_checkpoint(*checkpoint, skip=("/Adam", "_power"))
    assert len(tensors) == 64
    assert sum(tensor.size for tensor in tensors.values()) == 792_079
    assert tensors["conv2d/kernel"].shape == (7, 38, 1, 204)
    assert tensors["batch_normalization/gamma"].shape == (1,)
    assert all(tensor.dtype == "float32" for tensor in tensors.values())


def test_training_state_is_read_when_asked_for(checkpoint):
    names = read_checkpoint(*checkpoint)
    assert "conv2d/kernel/Adam" in names
    assert "beta1_power" in names


@pytest.mark.parametrize("position", [10, 4000])
def test_a_flipped_bit_of_the_index_is_noticed(checkpoint, position):
    index, data = checkpoint
    with pytest.raises(CorruptCheckpointError, match="index block"):
        read_checkpoint(flip_bit(index, position), data)


def test_a_flipped_bit_of_a_tensor_is_noticed(checkpoint):
    index, data = checkpoint
    with pytest.raises(CorruptCheckpointError, match=r"tensor .* does not match"):
        read_checkpoint(index, flip_bit(data, len(data) // 2))


def test_missing_data_is_noticed(checkpoint):
    index, data = checkpoint
    with pytest.raises(CorruptCheckpointError, match="tensor"):
        read_checkpoint(index, data[:-1])


def test_other_files_are_no_checkpoints():
    with pytest.raises(CorruptCheckpointError, match="magic"):
        read_checkpoint(b"not an index" * 10, b"")
