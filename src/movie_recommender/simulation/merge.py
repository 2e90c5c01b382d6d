"""Tables in order of time as one stream in that order, from a file where memory would end."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from movie_recommender.errors import StorageError
from movie_recommender.simulation.ids import Ints

ROWS_AT_ONCE = 50_000
"""About so many rows has each table of a merged stream."""

_SAMPLE = 64


def merged(runs: Iterable[pa.Table], by: str) -> Iterator[pa.Table]:
    """All rows of `runs`, ascending by the instants of column `by`, `ROWS_AT_ONCE` at a time.

    Each run must be ascending by `by`. They are written to a temporary file, one after the other,
    and merged from there, so memory holds one run and one table, whatever their number.

    Raises:
        StorageError: no room in the temporary directory.
    """
    with tempfile.TemporaryDirectory(prefix="simulation-") as directory:
        path = Path(directory, "runs.arrow")
        try:
            n_runs = _write(runs, path)
        except OSError as error:
            message = (
                f"A day's events don't fit into {directory}: {error}. Free space there, or set "
                "TMPDIR to a directory with more room, then run again."
            )
            raise StorageError(message) from error
        if n_runs:
            with pa.memory_map(str(path)) as mapped:
                yield from _windows(pa.ipc.open_file(mapped), by)


def _write(runs: Iterable[pa.Table], path: Path) -> int:
    """Each run as one record batch; how many they are."""
    writer, n_runs = None, 0
    with pa.OSFile(str(path), "wb") as file:
        for run in runs:
            writer = writer or pa.ipc.new_file(file, run.schema)
            writer.write_table(run.combine_chunks())
            n_runs += bool(run.num_rows)
        if writer is not None:
            writer.close()
    return n_runs


def _windows(reader: pa.RecordBatchFileReader, by: str) -> Iterator[pa.Table]:
    runs = [reader.get_batch(number) for number in range(reader.num_record_batches)]
    times: list[Ints] = [run.column(by).cast(pa.int64()).to_numpy() for run in runs]
    sample = np.sort(np.concatenate([time[::_SAMPLE] for time in times]))
    n_windows = -(-sum(map(len, times)) // ROWS_AT_ONCE)
    inner = sample[np.arange(1, n_windows) * len(sample) // n_windows]
    cuts = [[0, *np.searchsorted(time, inner), len(time)] for time in times]
    for number in range(n_windows):
        parts = [
            run.slice(cut[number], cut[number + 1] - cut[number])
            for run, cut in zip(runs, cuts, strict=True)
        ]
        window = pa.Table.from_batches(parts)
        yield window if len(parts) == 1 else window.sort_by(by)
