"""A day's rows in the order in which they are to lie in its file."""

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

_PIECE_ROWS = 50_000
_PIECE_BYTES = 64 << 20


def in_order(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, order_by: Sequence[str]
) -> pa.RecordBatchReader:
    """The same rows, ordered piece by piece, so that a day of any size takes little memory.

    Each batch of the result is one piece.

    Within a piece, what belongs together lies together, which makes the file small. To order a
    large day as a whole would take memory, or a disk, of its size.

    Args:
        batches: rows, read one batch at a time.
        schema: of the result; the columns of `batches` are cast to it.
        order_by: columns, ascending.
    """
    ordered = (
        batch
        for piece in _pieces(batches)
        for batch in pa.Table.from_batches(piece)
        .cast(schema)
        .sort_by([(column, "ascending") for column in order_by])
        .combine_chunks()
        .to_batches()
    )
    return pa.RecordBatchReader.from_batches(schema, ordered)


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    piece: list[pa.RecordBatch] = []
    n_rows = n_bytes = 0
    for batch in batches:
        piece.append(batch)
        n_rows, n_bytes = n_rows + batch.num_rows, n_bytes + batch.nbytes
        if n_rows >= _PIECE_ROWS or n_bytes >= _PIECE_BYTES:
            yield piece
            piece, n_rows, n_bytes = [], 0, 0
    if piece:
        yield piece
