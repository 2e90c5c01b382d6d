"""A table in two: the rows that are wanted, and the others."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_FEW = 1 / 500


def divide(table: pa.Table, wanted: pa.Array | pa.ChunkedArray) -> tuple[pa.Table, pa.Table]:
    """The rows of `table` that are wanted and the others, in their order; null means not wanted.

    Where the others are few, what is wanted isn't copied, as Arrow's `filter` would all of it
    because of one: it consists of slices of the same memory.
    """
    others = np.flatnonzero(~np.asarray(pc.fill_null(wanted, False)))
    if len(others) > table.num_rows * _FEW:
        return table.filter(wanted), table.take(others)
    ends = [*others, table.num_rows]
    starts = [0, *(others + 1)]
    between = [table.slice(start, end - start) for start, end in zip(starts, ends, strict=True)]
    single = [table.slice(0, 0), *(table.slice(row, 1) for row in others)]
    return pa.concat_tables(between), pa.concat_tables(single).combine_chunks()
