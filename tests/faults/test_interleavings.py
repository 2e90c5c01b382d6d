"""Extractions, replays, rebuilds, care, kills and new partitions in any order: nothing is lost.

`make test` tries a few orders, always the same; FAULT_EXAMPLES=200 as many others.
"""

import itertools
import json
import os
import random
import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as proof
from hypothesis import strategies as st

from movie_recommender import extract
from movie_recommender.errors import ConcurrentWriteError, NotReadyError
from movie_recommender.extract import dead_letters, maintain
from movie_recommender.extract.rebuild import rebuild
from movie_recommender.settings import Settings
from tests.conftest import own_settings
from tests.steps import GAVE_UP, at_moment, small_commits, start
from tests.stream import NOW, PARTITIONS, Stream, most_stars, view

pytestmark = pytest.mark.integration

COMMIT_MESSAGES = 3
MOST_PARTITIONS = 5
FEW_STARS, MANY_STARS = 5.0, 10.0
SEVEN_STARS = "out_of_range"
"""Why they are rejected where the contract says five."""

STEPS: dict[str, Callable[[Settings], object]] = {
    "extract": partial(extract.run, now=NOW),
    "replay": partial(dead_letters.replay, now=NOW),
    "rebuild": partial(rebuild, now=NOW),
    "care": partial(maintain.maintain, budget_s=60),
}
WANT_A_LAKE = {"replay", "rebuild"}
"""They give up before the first extraction."""

INVALID: list[tuple[bytes | None, str]] = [
    (b"{", "invalid_json"),
    (None, "null_value"),
    (b"\xff", "invalid_utf8"),
]

Step = tuple[str, float]
"""Its name, and how many stars the contract allows meanwhile."""

EXTRACT: Step = ("extract", FEW_STARS)
EXTRACT_MORE: Step = ("extract", MANY_STARS)
REPLAY: Step = ("replay", MANY_STARS)
REBUILD: Step = ("rebuild", MANY_STARS)
REBUILD_AS_IT_WAS: Step = ("rebuild", FEW_STARS)
CARE: Step = ("care", FEW_STARS)


@dataclass(frozen=True)
class Round:
    """A step, and what happens to it.

    Attributes:
        step: what is done.
        fate: killed, overtaken by the other step, or run at once with it.
        nth: the moment at which it is killed or overtaken, see `at_moment`; 0: never.
        other: the other step.
        sends: seed of the messages that are sent before, some of them extracted where the step
            isn't an extraction; None: none are.
        adds_partition: whether the topic gets one more.
    """

    step: Step
    fate: str
    nth: int
    other: Step
    sends: int | None = 0
    adds_partition: bool = False


@st.composite
def rounds(draw: st.DrawFn) -> Round:
    """Rounds in which mostly something happens."""
    others = [REPLAY, CARE, REBUILD, REBUILD_AS_IT_WAS]
    step = draw(st.sampled_from([EXTRACT, *others, EXTRACT_MORE, EXTRACT]))
    is_extraction = step[0] == "extract"
    return Round(
        step,
        fate=draw(st.sampled_from(["killed", "overtaken", "at once"])),
        nth=draw(st.sampled_from([3, 4, 5, 6, 7, 8, 2, 1] if is_extraction else [3, 2, 1, 4, 5])),
        other=draw(st.sampled_from([EXTRACT, *others, EXTRACT_MORE])),
        sends=draw(st.integers(0, 999) if is_extraction else st.none() | st.integers(0, 999)),
        adds_partition=draw(st.sampled_from([False, False, False, True])),
    )


def take(step: Step, settings: Settings) -> None:
    """One step under the contract of its own."""
    name, stars = step
    with pytest.MonkeyPatch.context() as patch, most_stars(stars):
        patch.setattr(maintain, "MANY_FILES", 2)
        STEPS[name](settings)


class World:
    """One topic, one lake, and all that happens to them.

    A rating of seven stars is invalid where the contract says five: it may be a dead letter or a
    row, according to what came first, and is a row after the last replay, when it says ten.
    """

    def __init__(self, settings: Settings, fates: Counter[str]) -> None:
        # Care is a step of its own here, and finds something to do.
        self.stream = Stream(settings.model_copy(update={"lake_care_budget_s": 0}))
        self.fates = fates
        self.n_partitions = PARTITIONS
        self.numbers = itertools.count()
        self.sent: list[tuple[bytes | None, str | None]] = []
        self.seven_stars: Counter[bytes] = Counter()

    def live(self, one: Round) -> None:
        """One round."""
        if one.adds_partition and self.n_partitions < MOST_PARTITIONS:
            self.n_partitions += 1
            self.stream.add_partitions(self.n_partitions)
        if one.sends is not None:
            rng = random.Random(one.sends)
            self.send(rng)
            if one.step[0] != "extract":
                self.take(EXTRACT)
                self.send(rng)
        if one.fate == "killed":
            code = self.end(one.step, self.start(one.step, kill_at=one.nth))
            assert code in {0, -signal.SIGKILL} or one.step[0] in WANT_A_LAKE
        elif one.fate == "overtaken":
            self.overtake(one.step, one.nth, one.other)
        else:
            both = [(step, self.start(step)) for step in (one.step, one.other)]
            for step, process in both:
                assert self.end(step, process) in {0, GAVE_UP}

    def send(self, rng: random.Random) -> None:
        """A few messages of all kinds, some again, to any partitions."""
        for _ in range(rng.randint(6, 9)):
            if self.sent and rng.random() < 0.25:
                value, reason = rng.choice(self.sent)
            else:
                value, reason = self.made(rng)
                self.sent.append((value, reason))
            if reason == SEVEN_STARS:
                self.seven_stars[value or b""] += 1
            self.stream.put(value, rng.randrange(self.n_partitions), reason=reason)
        self.stream.flush()

    def made(self, rng: random.Random) -> tuple[bytes | None, str | None]:
        """A message that wasn't sent before, and why it must be rejected."""
        kind = rng.random()
        if kind < 0.3:
            return rng.choice(INVALID)
        number = next(self.numbers)
        event = {
            "event_time": f"2026-01-{rng.choice([30, 31])}T10:00:00Z",
            "user_id": rng.randrange(9),
            "movie_id": number,
        }
        if kind < 0.6:
            return view(str(number), event_type="rating", rating=7, **event), SEVEN_STARS
        return view(str(number), **event), None

    def take(self, step: Step) -> None:
        """One step, here."""
        try:
            with small_commits(COMMIT_MESSAGES):
                take(step, self.stream.settings)
        except NotReadyError:
            assert step[0] in WANT_A_LAKE

    def overtake(self, step: Step, nth: int, other: Step) -> None:
        """The other step, whole, in the middle of a step."""

        def overtaken() -> None:
            self.fates[f"{step[0]} overtaken"] += 1
            self.take(other)

        with at_moment(nth, overtaken):
            try:
                self.take(step)
            except ConcurrentWriteError:
                self.fates[f"{step[0]} gave way"] += 1

    def start(self, step: Step, *, kill_at: int = 0) -> ForkServerProcess:
        """One step, in a process of its own."""
        taken = partial(take, step, self.stream.settings)
        return start(taken, kill_at=kill_at, n_messages=COMMIT_MESSAGES)

    def end(self, step: Step, process: ForkServerProcess) -> int | None:
        """Its exit code."""
        process.join(120)
        fates = {0: "ended", GAVE_UP: "gave way", -signal.SIGKILL: "killed"}
        self.fates[f"{step[0]} {fates.get(process.exitcode or 0)}"] += 1
        return process.exitcode

    def check(self) -> None:
        """What must be so, whatever happened."""
        self.take(EXTRACT)
        self.check_before_the_last_replay()
        self.take(REPLAY)
        for value in self.seven_stars:
            self.stream.expect(value)
        letters = self.stream.letters
        self.stream.letters = Counter({k: n for k, n in letters.items() if k[2] != SEVEN_STARS})
        self.stream.check()

    def check_before_the_last_replay(self) -> None:
        """Of an event of seven stars all messages are dead letters, or it is a row, once."""
        landed = Counter(self.stream.landed())
        columns = ["kafka_partition", "kafka_offset", "reason", "value"]
        letters = self.stream.lake.dataset("dead_letters").to_table(columns=columns).to_pylist()
        values = Counter(letter.pop("value") for letter in letters)
        assert Counter(tuple(letter.values()) for letter in letters) <= self.stream.letters
        ids = {json.loads(value)["event_id"]: value for value in self.seven_stars}
        assert landed <= Counter([*self.stream.events, *ids])
        for event_id, value in ids.items():
            assert event_id in landed or values[value] == self.seven_stars[value]


@pytest.mark.timeout(1200)
def test_in_any_order_nothing_is_lost_or_doubled(kafka: str, tmp_path: Path) -> None:
    asked = os.environ.get("FAULT_EXAMPLES")
    fates: Counter[str] = Counter()

    @proof(
        max_examples=int(asked or 8),
        derandomize=asked is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(rounds(), min_size=2, max_size=4))
    @example([Round(EXTRACT, "overtaken", 4, EXTRACT)])
    @example([Round(REPLAY, "killed", 3, EXTRACT, adds_partition=True)])
    @example([Round(REPLAY, "overtaken", 1, REPLAY)])
    @example([Round(CARE, "overtaken", 2, EXTRACT)])
    @example([Round(REBUILD, "overtaken", 3, EXTRACT)])
    @example([Round(REBUILD, "killed", 5, EXTRACT)])
    @example(
        [Round(EXTRACT, "killed", 0, EXTRACT, 1), Round(EXTRACT_MORE, "overtaken", 3, REPLAY, 2)]
    )
    def live(chosen: list[Round]) -> None:
        world = World(own_settings(kafka, Path(tempfile.mkdtemp(dir=tmp_path))), fates)
        for one in chosen:
            world.live(one)
        world.check()

    live()
    print(f"\n{dict(fates)}: 0 lost, 0 doubled")  # noqa: T201 - the counts are the result
    assert {"extract killed", "replay killed", "care overtaken", "extract gave way"} <= set(fates)
