"""Reads TensorFlow V2 checkpoints without TensorFlow.

tensors = read_checkpoint(index_bytes, data_bytes)
A checkpoint is an index, which is an SSTable of protobuf entries, and one shard of data.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_CRC_BYTES = 4
_FLOAT32 = 1


class CorruptCheckpointError(Exception):
    """A checksum does not match, or the format is unknown."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """The index entry of a tensor: its type, its shape, and where its bytes are."""

    dtype: int
    shape: tuple[int, ...]
    offset: int
    size: int
    crc: int


def read_checkpoint(index: bytes, data: bytes, skip: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Read the float32 tensors by name, verifying every checksum.

    Names that contain one of `skip` are left out. Raises CorruptCheckpointError if a checksum does not match or the
    format is unknown. Format: TensorFlow's tensor_bundle.proto and LevelDB's table_format.md.
    """
    # The entry without a name is the header.
    entries = {name: _parse_entry(value) for name, value in _read_table(index) if name}
    return {
        name: _read_tensor(name, entry, data)
        for name, entry in entries.items()
        if entry.dtype == _FLOAT32 and not any(part in name for part in skip)
    }


def _read_tensor(name: str, entry: _Entry, data: bytes) -> np.ndarray:
    raw = data[entry.offset : entry.offset + entry.size]
    if len(raw) != entry.size or _masked_crc(raw) != entry.crc:
        raise CorruptCheckpointError(f"tensor {name} does not match its checksum")
    return np.frombuffer(raw, "<f4").reshape(entry.shape)


def _read_table(index: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield all keys and values of an SSTable.

    Its footer points to a block of pointers to the other blocks.
    """
    footer = index[-_FOOTER_BYTES:]
    if int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise CorruptCheckpointError("no SSTable: its magic number is missing")
    _, position = _read_handle(footer, 0)
    pointers, _ = _read_handle(footer, position)
    for _, pointer in _read_block(index, *pointers):
        for key, value in _read_block(index, *_read_handle(pointer, 0)[0]):
            yield key.decode(), value


def _read_block(index: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a block.

    A key is stored without the prefix that it shares with the key before. A table of restart points ends the block.
    """
    block, crc = index[offset : offset + size + 1], index[offset + size + 1 : offset + size + 1 + _CRC_BYTES]
    if len(block) != size + 1 or _masked_crc(block) != int.from_bytes(crc, "little"):
        raise CorruptCheckpointError(f"index block at {offset} does not match its checksum")
    if block[-1]:
        raise CorruptCheckpointError("index blocks are compressed")
    end = size - 4 * (1 + int.from_bytes(block[size - 4 : size], "little"))
    position, key = 0, b""
    while position < end:
        shared_length, position = _read_varint(block, position)
        rest_length, position = _read_varint(block, position)
        value_length, position = _read_varint(block, position)
        key = key[:shared_length] + block[position : position + rest_length]
        position += rest_length + value_length
        yield key, block[position - value_length : position]


def _parse_entry(message: bytes) -> _Entry:
    fields = dict(_read_fields(message))
    dimensions = [dict(_read_fields(value)) for number, value in _read_fields(fields.get(2, b"")) if number == 2]
    shape = tuple(dimension.get(1, 0) for dimension in dimensions)
    return _Entry(fields.get(1, 0), shape, fields.get(4, 0), fields.get(5, 0), fields.get(6, 0))


def _read_fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the field numbers and values of a protobuf message: varints, bytes and fixed32."""
    position = 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, position = _read_varint(message, position)
        elif wire_type == 2:
            length, position = _read_varint(message, position)
            value, position = message[position : position + length], position + length
        elif wire_type == 5:
            value, position = int.from_bytes(message[position : position + 4], "little"), position + 4
        else:
            raise CorruptCheckpointError(f"unknown protobuf wire type {wire_type}")
        yield number, value


def _read_handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    """Read the (offset, size) of a block; return it and the position behind it."""
    offset, position = _read_varint(data, position)
    size, position = _read_varint(data, position)
    return (offset, size), position


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Read a number of variable length; return it and the position behind it."""
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position


def _masked_crc(data: bytes) -> int:
    """Compute the CRC-32C (Castagnoli), rotated and offset as LevelDB stores it."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


@cache
def _crc_table() -> list[int]:
    table = list(range(256))
    for _ in range(8):
        table = [(value >> 1) ^ (0x82F63B78 if value & 1 else 0) for value in table]
    return table
