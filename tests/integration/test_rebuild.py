"""The lake made again from a real broker's messages: the same rows, whatever had happened to it."""

import os
import shutil
import signal
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from typer.testing import CliRunner

from movie_recommender import cli, extract
from movie_recommender import kafka as plumbing
from movie_recommender.errors import ConcurrentWriteError, NotReadyError, OffsetGapError
from movie_recommender.extract import dead_letters, topic
from movie_recommender.extract import rebuild as module
from movie_recommender.extract.rebuild import rebuild
from movie_recommender.extract.remade import Remade
from movie_recommender.lake import TABLES, Lake, LakeCare
from movie_recommender.settings import Settings
from movie_recommender.simulation.generate import generate_all
from tests.conftest import own_settings
from tests.steps import start
from tests.stream import Stream, most_stars

pytestmark = pytest.mark.integration

DAY = date(2026, 3, 10)
FIRST = datetime(2026, 3, 11, 2, tzinfo=UTC)
SECOND = FIRST + timedelta(days=1)
LATER = SECOND + timedelta(days=1)

Tables = dict[str, pa.Table]


@pytest.fixture(scope="module")
def extracted(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two days with dirt, extracted on two days; for all of this module's tests to read."""
    world = {
        "simulation_users": 25,
        "simulation_movies": 25,
        "simulation_dirt": "duplicates=0.1,late=0.05,malformed=0.05,future=0.05",
        "max_dead_letter_share": 1,
    }
    settings = own_settings(kafka, tmp_path_factory.mktemp("extracted")).model_copy(update=world)
    for days, moment in enumerate((FIRST, SECOND)):
        generate_all(settings, DAY + timedelta(days=days), history_days=1, on_step=lambda _: None)
        extract.run(settings, now=moment)
    return settings


@pytest.fixture
def history(extracted: Settings, tmp_path: Path) -> Settings:
    """The same messages, and a copy of the lake."""
    return copied(extracted, tmp_path / "lake")


@pytest.fixture
def stream(settings: Settings) -> Stream:
    return Stream(settings.model_copy(update={"max_dead_letter_share": 1}))


def copied(settings: Settings, directory: Path) -> Settings:
    shutil.copytree(settings.data_lake_path, directory)
    return settings.model_copy(update={"data_lake_path": str(directory)})


def tables(settings: Settings) -> Tables:
    lake = Lake(settings.data_lake_path)
    places = ["kafka_topic", "kafka_partition", "kafka_offset", "ingestion_time"]
    return {
        table: lake.dataset(table)
        .to_table()
        .sort_by([(name, "ascending") for name in (*places, last)])
        for table, last in zip(TABLES, ["event_id"] * 3 + ["value"], strict=True)
    }


def test_a_sound_lake_stays_untouched(history: Settings) -> None:
    before, versions = tables(history), Lake(history.data_lake_path).versions()
    result = rebuild(history, now=LATER)
    assert result.changed == {}
    assert result.kept == dict.fromkeys(TABLES, 0)
    assert result.rows == {table: rows.num_rows for table, rows in before.items()}
    assert Lake(history.data_lake_path).versions() == versions
    assert set(before["interactions"]["ingestion_time"].unique().to_pylist()) == {FIRST, SECOND}


def test_rows_lost_doubled_or_changed_are_set_right(history: Settings) -> None:
    before = tables(history)
    lake = Lake(history.data_lake_path)
    lake.append("interactions", before["interactions"].slice(5, 50), {})
    lake.append("interactions", with_user(before["interactions"].slice(100, 10), 1), {})
    lake.delete("interactions", "user_id % 3 = 0")
    lake.delete("dead_letters", "kafka_partition = 1")
    offsets = lake.offsets("interactions", topic(history), range(3))
    result = rebuild(history, now=LATER)
    assert list(result.changed) == ["interactions", "dead_letters"]
    assert tables(history) == before
    assert lake.offsets("interactions", topic(history), range(3)) == offsets
    assert rebuild(history, now=LATER).changed == {}
    assert extract.run(history, now=LATER).messages == 0


def test_only_the_days_that_differ_are_written(history: Settings) -> None:
    before = tables(history)["interactions"]
    lost = before["event_date"][-1].as_py()
    Lake(history.data_lake_path).delete("interactions", f"event_date = '{lost}'")
    assert rebuild(history, now=LATER).changed == {"interactions": [str(lost)]}
    added = set_column(before.slice(0, 1), "event_date", [date(2020, 1, 1)])
    Lake(history.data_lake_path).append("interactions", added, {})
    assert rebuild(history, now=LATER).changed == {"interactions": ["2020-01-01"]}
    assert tables(history)["interactions"] == before


def test_lost_dead_letters_come_again_without_their_table(history: Settings) -> None:
    before = tables(history)
    shutil.rmtree(Path(history.data_lake_path, "dead_letters"))
    assert list(rebuild(history, now=LATER).changed) == ["dead_letters"]
    after = tables(history)
    # Of the first day's last letters no row after them tells any more that they came with it.
    late = pc.not_equal(*(each["dead_letters"]["ingestion_time"] for each in (before, after)))
    assert 0 < pc.sum(late).as_py() < 10
    told = ["ingestion_time", "ingestion_date", "detail"]  # a detail may name the instant
    assert after.pop("dead_letters").drop(told) == before.pop("dead_letters").drop(told)
    assert after == before


def test_another_contract_gives_what_it_would_have_given_then(history: Settings) -> None:
    before = tables(history)
    many = int(pc.sum(pc.greater(before["interactions"]["rating"], 3)).as_py())
    with most_stars(3):
        assert list(rebuild(history, now=LATER).changed) == ["interactions", "dead_letters"]
        narrow = tables(history)
        assert narrow["interactions"].num_rows == before["interactions"].num_rows - many
        assert narrow["dead_letters"].num_rows >= before["dead_letters"].num_rows + many
    assert list(rebuild(history, now=LATER).changed) == ["interactions", "dead_letters"]
    assert tables(history) == before


def test_what_was_replayed_stays_so_and_what_was_not_does_not(history: Settings) -> None:
    with most_stars(3):
        rebuild(history, now=LATER)
    # By now the narrow contract is forgotten, and what came from the future has happened.
    much_later = LATER + timedelta(days=900)
    for moment, reason in ((LATER, "out_of_range"), (much_later, "event_time_in_future")):
        landed = dead_letters.replay(history, now=moment, reason=reason).landed
        assert landed["interactions"] > 0
        before = tables(history)["interactions"]
        assert moment in before["ingestion_time"].to_pylist()
        # Of a letter with both faults the wide contract tells another reason than the narrow one.
        assert rebuild(history, now=much_later).changed.keys() <= {"dead_letters"}
        assert tables(history)["interactions"] == before
        assert rebuild(history, now=much_later).changed == {}


def test_killed_within_any_commit_the_next_one_ends_the_same(
    stream: Stream, tmp_path: Path
) -> None:
    settings = stream.settings
    for day in (27, 28, 29, 30):
        at = {"event_time": f"2026-01-{day}T10:00:00Z"}
        for stars in (2, 4):
            stream.send_events(f"{day}-{stars}", 5, event_type="rating", rating=stars, **at)
        extract.run(settings, now=datetime(2026, 1, day + 1, tzinfo=UTC))
    undisturbed = copied(settings, tmp_path / "undisturbed")
    for stars in (3, 5):
        rebuild_with(undisturbed, stars)
        codes = []
        for nth in (1, 3, 4, 99):
            before = messages(tables(settings))
            process = start(partial(rebuild_until_killed, settings, stars, nth))
            process.join(120)
            codes.append(process.exitcode)
            assert before <= messages(tables(settings))
        assert (codes.count(-signal.SIGKILL) >= 2, codes[-1]) == (True, 0), codes
        assert tables(settings) == tables(undisturbed)
    stream.check()


def test_of_two_at_once_with_two_contracts_one_gives_way(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.send_events("a", 5, event_type="rating", rating=4)
    stream.extract()
    rebuild_with(stream.settings, 3)
    replace = LakeCare.replace

    def overtaken(lake: LakeCare, table: str, *arguments: Any, **options: Any) -> None:
        if table == "dead_letters":  # the rows that they became are there
            monkeypatch.undo()
            rebuild_with(stream.settings, 3)
        replace(lake, table, *arguments, **options)

    monkeypatch.setattr(LakeCare, "replace", overtaken)
    with pytest.raises(ConcurrentWriteError):
        rebuild_with(stream.settings, 5)
    assert len(messages(tables(stream.settings))) == 5
    rebuild_with(stream.settings, 5)
    stream.check()


def rebuild_with(settings: Settings, stars: float) -> None:
    with most_stars(stars):
        rebuild(settings, now=LATER)


def rebuild_until_killed(settings: Settings, stars: float, nth: int) -> None:
    """Killed when the nth day's rows are on their way into the lake, and not committed yet."""
    rows, days = Remade.rows, []

    def deadly(remade: Remade, table: str, day: date) -> pa.RecordBatchReader:
        days.append(day)
        reader = rows(remade, table, day)
        return (
            reader
            if len(days) < nth
            else pa.RecordBatchReader.from_batches(reader.schema, then_die(reader))
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Remade, "rows", deadly)
        rebuild_with(settings, stars)


def then_die(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from batches
    os.kill(os.getpid(), signal.SIGKILL)


def test_an_extraction_meanwhile_makes_it_give_way(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.send_events("a", 30)
    stream.extract()
    stream.lake.delete("interactions", "event_id IN ('a-3', 'a-4')")
    exchange = module._exchange

    def late(*arguments: Any) -> dict[str, list[str]]:
        stream.send_events("b", 30)
        stream.extract()
        return exchange(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_exchange", late)
        with pytest.raises(ConcurrentWriteError):
            rebuild(stream.settings, now=LATER)
    assert rebuild(stream.settings, now=LATER).changed == {"interactions": ["2026-01-31"]}
    stream.check()


@pytest.mark.parametrize(("owner", "name"), [(topic, "drop_duplicates"), (Lake, "_create")])
def test_what_comes_back_while_an_extraction_looks_for_duplicates_is_not_doubled(
    stream: Stream, owner: object, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.send_events("a", 3)
    stream.extract()
    stream.lake.delete("interactions", "event_id LIKE 'a-%'")
    stream.send_events("a", 3)
    step = getattr(owner, name)

    def overtaken(*arguments: Any) -> object:
        done = step(*arguments)
        monkeypatch.undo()
        rebuild(stream.settings, now=LATER)
        return done

    monkeypatch.setattr(owner, name, overtaken)
    with pytest.raises(ConcurrentWriteError):
        stream.extract()
    stream.extract()
    stream.check()


def test_of_an_event_in_several_partitions_the_same_copy_stays(stream: Stream) -> None:
    for name, partitions in (("a", (2, 0)), ("b", (0, 2)), ("c", (1, 1))):
        for partition in partitions:
            stream.send_events(name, 20, partition)
            stream.extract()
    before = tables(stream.settings)
    assert rebuild(stream.settings, now=LATER).changed == {}
    stream.lake.delete("interactions", "event_id IN ('a-3', 'b-7', 'c-1')")
    rebuild(stream.settings, now=LATER)
    stream.check()
    after = tables(stream.settings)["interactions"]["event_id"].to_pylist()
    kept = [event for event in after if event not in {"a-3", "b-7", "c-1"}]
    assert kept == [
        event for event in before["interactions"]["event_id"].to_pylist() if event in kept
    ]


def test_what_kafka_has_deleted_is_taken_over(stream: Stream) -> None:
    stream.send_events("gone", 20)
    stream.send([b"{"] * 3, reason="invalid_json")
    stream.send_events("here", 20)
    stream.extract()
    stream.send_events("gone", 2, 1)  # again, and Kafka still has these
    stream.extract()
    before = tables(stream.settings)
    stream.delete_before(22)
    stream.lake.delete("interactions", "event_id IN ('here-1', 'here-2')")
    stream.lake.append("interactions", before["interactions"].slice(25, 5), {})
    result = rebuild(stream.settings, now=LATER)
    assert result.changed == {"interactions": ["2026-01-31"]}
    assert (result.kept["interactions"], result.kept["dead_letters"]) == (20, 2)
    assert tables(stream.settings) == before
    stream.delete_before(-1)
    assert rebuild(stream.settings, now=LATER).kept["interactions"] == 40
    assert tables(stream.settings) == before


def test_a_partition_that_has_come_since_and_messages_not_extracted_yet(stream: Stream) -> None:
    stream.send_events("a", 20)
    stream.extract()
    before = tables(stream.settings)
    stream.add_partitions(5)
    stream.send_events("b", 10, 4)
    stream.send_events("c", 10)
    assert rebuild(stream.settings, now=LATER).changed == {}
    assert tables(stream.settings) == before
    assert stream.extract().messages == 20
    assert rebuild(stream.settings, now=LATER).changed == {}
    stream.check()


def test_of_another_topic_nothing_is_rebuilt(stream: Stream) -> None:
    stream.send_events("a", 20)
    stream.extract()
    before = tables(stream.settings)
    stream.recreate()
    stream.send_events("b", 30)
    with pytest.raises(OffsetGapError, match=r"interactions.*isn't the one.*created again"):
        rebuild(stream.settings, now=LATER)
    assert tables(stream.settings) == before
    stream.delete()
    result = rebuild(stream.settings, now=LATER)
    assert (result.changed, result.kept["interactions"]) == ({}, 20)


def test_rows_and_letters_of_a_topic_that_had_the_name_before_stay(stream: Stream) -> None:
    stream.send_events("old", 10)
    stream.send([b"{old"] * 10, reason="invalid_json")
    stream.extract()
    stream.recreate()
    # At the places of old rows and of old letters there are both now.
    for name in ("new", "newer"):
        stream.send([f"{{{name}".encode()] * 5, reason="invalid_json")
        stream.send_events(name, 5)
    stream.extract(accept_data_loss=True)
    before = tables(stream.settings)
    result = rebuild(stream.settings, now=LATER)
    assert result.changed == {}
    assert (result.kept["interactions"], result.kept["dead_letters"]) == (10, 10)
    stream.lake.delete("interactions", "event_id IN ('new-1', 'newer-2')")
    rebuild(stream.settings, now=LATER)
    assert tables(stream.settings) == before
    stream.check()


def test_an_event_id_that_came_with_two_dates_is_two_events(stream: Stream) -> None:
    stream.send_events("a", 3)
    stream.send_events("b", 3)
    stream.extract()
    stream.recreate()
    stream.send_events("c", 3)
    stream.send_events("a", 3, event_time="2026-01-30T10:00:00Z")
    stream.extract(accept_data_loss=True)
    before = tables(stream.settings)
    assert before["interactions"].num_rows == 12
    assert rebuild(stream.settings, now=LATER).changed == {}
    assert tables(stream.settings) == before


def test_an_empty_lake_is_told(settings: Settings) -> None:
    with pytest.raises(NotReadyError, match=r"no tables at DATA_LAKE_PATH.*extract"):
        rebuild(settings, now=LATER)
    plumbing.ensure_topics(settings, {"interactions": 3})
    extract.run(settings, now=LATER)
    assert not Path(settings.data_lake_path).exists()


def test_the_command_wants_to_be_told_from_where(
    history: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_LAKE_PATH", history.data_lake_path)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", history.kafka_bootstrap_servers)
    monkeypatch.setenv("KAFKA_TOPIC_PREFIX", history.kafka_topic_prefix)
    refused = CliRunner().invoke(cli.app, ["lake", "rebuild"])
    assert (refused.exit_code, "--from-beginning" in refused.output) == (2, True)
    told = CliRunner().invoke(cli.app, ["lake", "rebuild", "--from-beginning"])
    assert told.exit_code == 0, told.output
    assert '"changed": {}' in told.output


def topic(settings: Settings) -> str:
    return plumbing.topic_name(settings, "interactions")


def with_user(rows: pa.Table, user_id: int) -> pa.Table:
    return set_column(rows, "user_id", [user_id] * rows.num_rows)


def set_column(rows: pa.Table, name: str, values: list[Any]) -> pa.Table:
    field = rows.schema.field(name)
    return rows.set_column(rows.schema.get_field_index(name), field, pa.array(values, field.type))


def messages(found: Tables) -> set[tuple[int, int]]:
    """Places of all of the topic's messages that are a row or a letter."""
    both = [found[table] for table in ("interactions", "dead_letters")]
    columns = ["kafka_partition", "kafka_offset"]
    return {tuple(row.values()) for table in both for row in table.select(columns).to_pylist()}
