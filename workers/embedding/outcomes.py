"""What workers answer: rows as a table of one encoder's columns, and several encoders' tables as one block."""

from collections.abc import Iterator

import pyarrow as pa

from schemas.embeddings import outcome_schema
from schemas.encoders import EncoderSpec
from workers.embedding.track import Row

Specs = tuple[EncoderSpec, ...]
Outcomes = tuple[EncoderSpec, pa.Table]


def outcomes(rows: list[Row], spec: EncoderSpec) -> pa.Table:
    """Rows -> a table; columns that a row lacks are null."""
    return pa.Table.from_pylist(rows, schema=outcome_schema(spec))


def packed(tables: list[pa.Table]) -> pa.Table:
    """Outcomes of several encoders as one block: their columns differ, so each travels as an Arrow stream."""
    streams = []
    for table in tables:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        streams.append(sink.getvalue().to_pybytes())
    return pa.table(
        {"place": pa.array(range(len(tables)), pa.int8()), "outcomes": pa.array(streams, pa.large_binary())}
    )


def unpacked(block: pa.Table, specs: Specs) -> Iterator[Outcomes]:
    """What `packed` put together, with the encoder of each."""
    for row in block.to_pylist():
        yield specs[row["place"]], pa.ipc.open_stream(row["outcomes"]).read_all()
