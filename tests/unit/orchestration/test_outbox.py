import os
import subprocess
import sys
import textwrap
from datetime import timedelta

import pytest

from movie_recommender.orchestration.outbox import KEPT, Outbox
from tests.unit.orchestration.letters import NOON, letter


def test_what_is_put_waits_whole_and_the_oldest_is_first(outbox):
    new, old = letter("a"), letter("b", "mail", "slack", written=NOON - timedelta(hours=1))
    outbox.put(new)
    outbox.put(old)
    assert outbox.waiting() == [old, new]


def test_an_empty_outbox_needs_no_folder(outbox):
    assert outbox.waiting() == []
    assert not outbox.waits(letter())


def test_the_same_key_is_one_letter(outbox):
    first = letter("a")
    outbox.put(first)
    outbox.put(letter("a", written=NOON + timedelta(hours=1)))
    assert outbox.waiting() == [first]


def test_what_was_sent_waits_no_more_and_is_not_taken_again(outbox):
    outbox.put(letter())
    assert outbox.waits(letter())
    with outbox.alone(letter()) as ours:
        assert ours
        outbox.sent(letter())
    outbox.put(letter())
    assert outbox.waiting() == []
    assert outbox.was_sent(letter())
    assert not outbox.waits(letter())


def test_one_at_a_time_is_alone_with_a_letter_and_the_others_are_free(outbox, tmp_path):
    other_process = Outbox(tmp_path / "outbox")
    for key in "ab":
        outbox.put(letter(key))
    with outbox.alone(letter("a")) as first, other_process.alone(letter("a")) as second:
        with other_process.alone(letter("b")) as another:
            assert (first, second, another) == (True, False, True)
    with other_process.alone(letter("a")) as ours:
        assert ours


@pytest.mark.parametrize("content", ["{", "[]", '{"key": "a"}'])
def test_a_file_that_is_no_letter_is_put_aside_and_holds_nothing_up(outbox, tmp_path, content):
    outbox.put(letter())
    (tmp_path / "outbox" / "edited.json").write_text(content)
    assert outbox.waiting() == [letter()]
    assert (tmp_path / "outbox" / "edited.bad").read_text() == content


def test_what_was_sent_is_remembered_for_its_time_and_then_forgotten(outbox, tmp_path):
    outbox.put(letter())
    outbox.sent(letter())
    mark = tmp_path / "outbox" / "sent" / f"{letter().id}.json"
    os.utime(mark, (NOON.timestamp(), NOON.timestamp()))
    outbox.tidy(NOON + KEPT)
    assert outbox.was_sent(letter())
    outbox.tidy(NOON + KEPT + timedelta(seconds=1))
    assert not outbox.was_sent(letter())


def test_a_letter_that_waits_is_never_tidied_away(outbox, tmp_path):
    outbox.put(letter())
    path = tmp_path / "outbox" / f"{letter().id}.json"
    os.utime(path, (0, 0))
    outbox.tidy(NOON)
    assert outbox.waiting() == [letter()]


def test_a_folder_that_cant_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Outbox(tmp_path / "file" / "outbox").put(letter())


PROGRAM = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from movie_recommender.orchestration.outbox import Outbox
    from tests.unit.orchestration.letters import letter

    def die(event, arguments):
        if event == sys.argv[2] and ".new" in str(arguments):
            os.kill(os.getpid(), signal.SIGKILL)

    outbox = Outbox(Path(sys.argv[1]))
    outbox.put(letter("before"))
    sys.addaudithook(die)
    outbox.put(letter("now"))
    """
)


@pytest.mark.parametrize("moment", ["open", "os.rename"])
def test_killed_while_it_is_put_a_letter_is_there_whole_or_not_at_all(outbox, tmp_path, moment):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "outbox"), moment], check=False
    )
    assert done.returncode == -9
    assert outbox.waiting() == [letter("before")]
    outbox.put(letter("now"))
    assert len(outbox.waiting()) == 2
