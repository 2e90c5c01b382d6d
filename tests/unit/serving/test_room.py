import asyncio
from typing import Any

from movie_recommender.serving.room import Room


def test_of_a_crowd_each_sees_those_who_came_before() -> None:
    room = Room()
    crowd: list[dict[str, Any]] = [{} for _ in range(4)]
    for scope in crowd:
        room.come(scope)
    assert [room.enter(scope) for scope in crowd] == [0, 1, 2, 3]
    for _ in crowd:
        room.leave()
    last: dict[str, Any] = {}
    room.come(last)
    assert room.enter(last) == 0  # whoever has gone is before nobody


def test_who_waited_behind_his_own_request_sees_those_inside() -> None:
    room = Room()
    first: dict[str, Any] = {}
    room.come(first)
    assert (room.enter(first), room.enter({})) == (0, 1)
    for _ in range(2):
        room.leave()
    assert room.enter({}) == 0


def test_who_waits_for_his_client_is_before_nobody() -> None:
    room = Room()
    assert room.enter({}) == 0
    room.leave()
    assert room.enter({}) == 0
    room.come_back()
    assert room.enter({}) == 2


def turns(room: Room, *, n_turns: int, n: int, limit: int) -> list[list[bool]]:
    """For each turn of the loop, whether there was room for each of `n` who came in it."""

    async def all_of_them() -> list[list[bool]]:
        found = []
        for _ in range(n_turns):
            found.append([room.has_for_another(limit) for _ in range(n)])
            await asyncio.sleep(0)
        return found

    return asyncio.run(all_of_them())


def test_of_those_who_are_answered_in_one_turn_each_sees_those_before() -> None:
    room = Room()
    assert turns(room, n_turns=2, n=3, limit=2) == [[True] * 3] * 2
    room.enter({})  # somebody whom the application answers
    assert turns(room, n_turns=1, n=3, limit=2) == [[True, True, False]]


def test_who_is_answered_in_another_way_takes_no_room() -> None:
    async def turn() -> list[bool]:
        room, found = Room(), []
        for _ in range(9):
            found.append(room.has_for_another(0))
            room.take_back()
        return found

    assert asyncio.run(turn()) == [True] * 9
