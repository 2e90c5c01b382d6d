import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from movie_recommender.serving.journal import Contact, Journal, JournalReader

ReaderOf = Callable[[Journal], JournalReader]

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def contact(number: int) -> Contact:
    return Contact(number, 10 * number, 100 * number, liked=number % 2 == 0)


def test_every_reader_reads_on_where_it_stopped(tmp_path: Path, reader_of: ReaderOf) -> None:
    journal = Journal(tmp_path)
    early = reader_of(journal)
    assert list(early.new(now=NOON)) == []
    journal.append(contact(1), now=NOON)
    assert list(early.new(now=NOON)) == [contact(1)]
    journal.append(contact(2), now=NOON)
    late = reader_of(Journal(tmp_path))
    assert list(early.new(now=NOON)) == [contact(2)]
    assert list(late.new(now=NOON)) == [contact(1), contact(2)]
    assert list(early.new(now=NOON)) == list(late.new(now=NOON)) == []


def test_ids_of_64_bits_and_all_that_is_said(tmp_path: Path, reader_of: ReaderOf) -> None:
    journal = Journal(tmp_path)
    extreme = [
        Contact(2**63 - 1, 2**63 - 1, -(2**62), liked=True),
        Contact(0, 0, 2**62, liked=False, disliked=True),
    ]
    for one in extreme:
        journal.append(one, now=NOON)
    assert list(reader_of(journal).new(now=NOON)) == extreme


def test_midnight_loses_nothing(tmp_path: Path, reader_of: ReaderOf) -> None:
    journal = Journal(tmp_path)
    reader = reader_of(journal)
    assert list(reader.new(now=NOON)) == []
    journal.append(contact(1), now=NOON)  # by a worker that is a moment behind
    journal.append(contact(2), now=NOON + DAY)
    assert list(reader.new(now=NOON + DAY)) == [contact(1), contact(2)]


def test_days_ago_are_read_once_and_then_forgotten(tmp_path: Path, reader_of: ReaderOf) -> None:
    journal = Journal(tmp_path)
    for age in (5, 3, 0):
        journal.append(contact(age), now=NOON - age * DAY)
    (tmp_path / "other").write_text("no journal")
    reader = reader_of(journal)
    assert list(reader.new(now=NOON)) == [contact(5), contact(3), contact(0)]
    assert list(reader.new(now=NOON)) == []
    journal.forget((NOON - 3 * DAY).date())
    assert list(reader_of(journal).new(now=NOON)) == [contact(3), contact(0)]
    assert (tmp_path / "other").exists()


def test_half_a_record_is_left_for_later(tmp_path: Path, reader_of: ReaderOf) -> None:
    journal = Journal(tmp_path)
    journal.append(contact(1), now=NOON)
    (file,) = tmp_path.glob("*.journal")
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:7])
    reader = reader_of(journal)
    assert list(reader.new(now=NOON)) == [contact(1)]
    with file.open("ab") as end:
        end.write(whole[7:])
    journal.append(contact(2), now=NOON)
    assert list(reader.new(now=NOON)) == [contact(1), contact(2)]


def test_another_process_is_heard(tmp_path: Path, reader_of: ReaderOf) -> None:
    reader = reader_of(Journal(tmp_path))
    assert list(reader.new(now=NOON)) == []
    code = f"""
from datetime import datetime
from pathlib import Path
from movie_recommender.serving.journal import Contact, Journal
now = datetime.fromisoformat({NOON.isoformat()!r})
Journal(Path({str(tmp_path)!r})).append(Contact(1, 10, 100, liked=False), now=now)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert list(reader.new(now=NOON)) == [contact(1)]


def test_a_reader_that_was_broken_off_reads_on(tmp_path: Path, reader_of: ReaderOf) -> None:
    journal = Journal(tmp_path)
    reader = reader_of(journal)
    for number in (1, 2):
        journal.append(contact(number), now=NOON - (2 - number) * DAY)
    first = reader.new(now=NOON)
    assert next(first) == contact(1)
    first.close()  # type: ignore[attr-defined]
    assert list(reader.new(now=NOON)) == [contact(2)]
