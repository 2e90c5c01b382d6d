"""A world in files: whole files only, and the same events as anywhere else."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from movie_recommender import events
from movie_recommender.errors import InputDataError, StorageError
from movie_recommender.simulation import interactions_of_day, make_world, user_events
from movie_recommender.simulation.generate import Sent, Step
from movie_recommender.simulation.parquet import write_world

WORLD = make_world(3, 80, 60)
DAY = date(2026, 3, 10)


class Killed(Exception):
    pass


def write(directory: Path, day: date = DAY, **options: object) -> Sent:
    values = {"history_days": 2, "on_step": lambda _: None, **options}
    return write_world(WORLD, directory, day, **values)


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_each_day_is_there_in_the_contracts_columns(tmp_path: Path) -> None:
    sent = write(tmp_path)
    assert sent.first_date == "2026-03-08"
    for topic, n in sent.messages.items():
        tables = [pq.read_table(path) for path in sorted((tmp_path / topic).iterdir())]
        assert len(tables) == 3
        assert all(table.schema == events.CONTRACTS[topic].schema for table in tables)
        assert sum(table.num_rows for table in tables) == n
    day = pq.read_table(tmp_path / "interactions" / f"{DAY}.parquet")
    assert day == pa.concat_tables(interactions_of_day(WORLD, DAY))
    everybody = pq.read_table(tmp_path / "users" / "2026-03-08.parquet")
    assert everybody == user_events(WORLD, date(2026, 3, 8))


def test_a_stopped_call_goes_on_and_a_later_day_adds_to_it(tmp_path: Path) -> None:
    def stop(step: Step) -> None:
        if step.number == 2:
            raise Killed

    with pytest.raises(Killed):
        write(tmp_path / "stopped", on_step=stop)
    (tmp_path / "stopped" / "interactions" / ".2026-03-10.parquet.77").write_bytes(b"half")
    sent = write(tmp_path / "stopped", date(2026, 3, 11), history_days=0)
    assert sent.messages["users"] < 80
    whole = write(tmp_path / "whole", date(2026, 3, 11), history_days=3)
    assert whole.messages["users"] >= 80
    stopped = files(tmp_path / "stopped")
    del stopped["interactions/.2026-03-10.parquet.77"]
    assert stopped == files(tmp_path / "whole")


def test_another_world_and_an_earlier_day_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    before = files(tmp_path)
    with pytest.raises(InputDataError, match=r"'seed': 3.*'seed': 4.*--out"):
        write_world(make_world(4, 80, 60), tmp_path, DAY, history_days=2, on_step=lambda _: None)
    with pytest.raises(InputDataError, match=r"from 2026-03-08 on, not .* up to 2026-03-07"):
        write(tmp_path, date(2026, 3, 7))
    assert files(tmp_path) == before


def test_a_folder_that_cannot_be_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="run again"):
        write(tmp_path / "file" / "world")
