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


def test_of_those_who_are_answered_in_one_turn_each_sees_those_before() -> None:
    async def turns() -> list[int]:
        room = Room()
        first = [room.pass_by() for _ in range(3)]
        await asyncio.sleep(0)
        room.enter({})  # somebody whom the application answers
        return first + [room.pass_by() for _ in range(2)]

    assert asyncio.run(turns()) == [0, 1, 2, 1, 2]
