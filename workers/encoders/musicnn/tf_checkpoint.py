"""Reads TensorFlow V2 checkpoints without TensorFlow: an index (an SSTable of protobuf entries) and one data shard.

tensors = read_checkpoint(index_bytes, data_bytes)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_CRC_BYTES = 4
_FLOAT32 = 1


class DamagedCheckpoint(Exception):
    """A checksum fails, or the bytes are not a checkpoint that this reader knows."""


@dataclass(frozen=True, slots=True)
class _Entry:
    dtype: int
    shape: tuple[int, ...]
    offset: int
    size: int
    crc: int


def read_checkpoint(index: bytes, data: bytes, skip: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """float32 tensors by name, without those whose name contains one of `skip`; every checksum is verified.

    Raises DamagedCheckpoint. Format: TensorFlow's tensor_bundle.proto and LevelDB's table_format.md.
    """
    entries = {name: _entry(value) for name, value in _table(index) if name}
    wanted = {name: entry for name, entry in entries.items() if not any(part in name for part in skip)}
    return {name: _tensor(name, entry, data) for name, entry in wanted.items() if entry.dtype == _FLOAT32}


def _tensor(name: str, entry: _Entry, data: bytes) -> np.ndarray:
    raw = data[entry.offset : entry.offset + entry.size]
    if len(raw) != entry.size or _masked_crc(raw) != entry.crc:
        raise DamagedCheckpoint(f"tensor {name} does not match its checksum")
    return np.frombuffer(raw, "<f4").reshape(entry.shape)


def _table(index: bytes) -> Iterator[tuple[str, bytes]]:
    """All keys and values of an SSTable: the footer points to a block of pointers to blocks."""
    footer = index[-_FOOTER_BYTES:]
    if int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise DamagedCheckpoint("no SSTable: its magic number is missing")
    _, at = _handle(footer, 0)
    pointers, _ = _handle(footer, at)
    for _, pointer in _block(index, *pointers):
        for key, value in _block(index, *_handle(pointer, 0)[0]):
            yield key.decode(), value


def _block(index: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys share a prefix with the key before; a table of restart points ends the block."""
    block, crc = index[offset : offset + size + 1], index[offset + size + 1 : offset + size + 1 + _CRC_BYTES]
    if len(block) != size + 1 or _masked_crc(block) != int.from_bytes(crc, "little"):
        raise DamagedCheckpoint(f"index block at {offset} does not match its checksum")
    if block[-1]:
        raise DamagedCheckpoint("index blocks are compressed")
    end = size - 4 * (1 + int.from_bytes(block[size - 4 : size], "little"))
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        at += fresh + length
        yield key, block[at - length : at]


def _entry(message: bytes) -> _Entry:
    fields = dict(_fields(message))
    dimensions = [dict(_fields(value)) for number, value in _fields(fields.get(2, b"")) if number == 2]
    shape = tuple(dimension.get(1, 0) for dimension in dimensions)
    return _Entry(fields.get(1, 0), shape, fields.get(4, 0), fields.get(5, 0), fields.get(6, 0))


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of a protobuf message: varints, bytes and fixed32."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(message, at)
        elif wire == 2:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        elif wire == 5:
            value, at = int.from_bytes(message[at : at + 4], "little"), at + 4
        else:
            raise DamagedCheckpoint(f"protobuf wire type {wire}")
        yield number, value


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return (offset, size), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _masked_crc(data: bytes) -> int:
    """CRC-32C (Castagnoli), rotated and offset as LevelDB stores it."""
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
