import pytest

from movie_recommender.extract.plan import Watermarks, plan


def test_an_unknown_topic_begins_at_its_oldest_message() -> None:
    planned = plan("t", {}, {0: Watermarks(40, 50), 1: Watermarks(0, 3)})
    assert (planned.starts, planned.ends) == ({0: 40, 1: 0}, {0: 50, 1: 3})
    assert planned.gaps == ()


def test_a_known_topic_goes_on_and_its_new_partition_begins_at_zero() -> None:
    planned = plan("t", {0: 10}, {0: Watermarks(5, 50), 1: Watermarks(0, 3)})
    assert planned.starts == {0: 10, 1: 0}
    assert planned.has_messages


@pytest.mark.parametrize("low", [0, 10])
def test_nothing_new_is_no_gap(low: int) -> None:
    planned = plan("t", {0: 10}, {0: Watermarks(low, 10)})
    assert planned.gaps == ()
    assert not planned.has_messages


def test_deleted_messages_are_named_exactly() -> None:
    planned = plan("t", {0: 10, 1: 4}, {0: Watermarks(25, 50), 1: Watermarks(4, 9)})
    assert planned.gaps == ("t[0]: offsets 10 to 24 are gone (15 lost)",)
    assert planned.starts == {0: 25, 1: 4}


def test_deleted_messages_of_a_new_partition_are_a_gap() -> None:
    planned = plan("t", {0: 10}, {0: Watermarks(0, 10), 1: Watermarks(2, 3)})
    assert planned.gaps == ("t[1]: offsets 0 to 1 are gone (2 lost)",)


def test_an_end_before_the_committed_offset_is_a_recreated_topic() -> None:
    planned = plan("t", {0: 10}, {0: Watermarks(0, 3)})
    assert "recreated" in planned.gaps[0]
    assert "committed 10" in planned.gaps[0]
    assert planned.starts == {0: 0}
