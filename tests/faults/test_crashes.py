"""Extraction and its broker are killed at any moment; the lake must equal the truth, row for row.

`make test` kills a few times, `make test-faults` 200 and 20 times.
"""

import json
import random
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from movie_recommender import extract
from movie_recommender.local.single_broker import SingleBroker
from tests.steps import start
from tests.stream import NOW, PARTITIONS, Stream

pytestmark = pytest.mark.integration

LONGEST_S = 1.2
"""Longer than an extraction of one round takes, so that kills fall into all of it."""

INVALID: list[tuple[bytes | None, str]] = [
    (b"{", "invalid_json"),
    (b"", "invalid_json"),
    (b"\xff\xfe", "invalid_utf8"),
    (None, "null_value"),
    (b"[1, 2]", "not_an_object"),
    (b"[" * 5000, "invalid_json"),
    (b'{"event_id": "x"}', "missing_field"),
    (b"x" * 900_000, "invalid_json"),
]


def _broken(row: bytes, rng: random.Random) -> tuple[bytes | None, str]:
    """A message that is not an event, and the reason that extraction must give."""
    changes: list[tuple[dict[str, object], str]] = [
        ({"user_id": "7"}, "wrong_type"),
        ({"user_id": 2**70}, "wrong_type"),
        ({"user_id": -1}, "out_of_range"),
        ({"event_type": "purchase"}, "unknown_event_type"),
        ({"schema_version": 9}, "unsupported_schema_version"),
        ({"event_time": "2026-03-01T00:00:00Z"}, "event_time_in_future"),
        ({"event_time": "now"}, "wrong_type"),
        ({"rating": float("nan")}, "invalid_json"),
        ({"rating": 1e300}, "out_of_range"),
        ({"query": "q" * 501}, "out_of_range"),
    ]
    if rng.random() < 0.4:
        return rng.choice(INVALID)
    change, reason = rng.choice(changes)
    return json.dumps({**json.loads(row), **change}).encode(), reason


class Sender:
    """Sends events that all differ, a tenth of them again and in any partition, a tenth spoilt."""

    def __init__(self, stream: Stream, rng: random.Random) -> None:
        self._stream = stream
        self._rng = rng
        self._values: list[bytes] = []
        self.n_duplicates = 0

    def send(self, n: int) -> None:
        """Send `n` messages; wait until all are confirmed."""
        for _ in range(n):
            value, reason = self._message()
            self._stream.put(value, self._rng.randrange(PARTITIONS), reason=reason)
        self._stream.flush()

    def _message(self) -> tuple[bytes | None, str | None]:
        chance = self._rng.random()
        if chance < 0.1 and self._values:
            self.n_duplicates += 1
            return self._rng.choice(self._values), None
        value = self._event()
        if chance > 0.9:
            return _broken(value, self._rng)
        self._values.append(value)
        return value, None

    def _event(self) -> bytes:
        number = len(self._values)
        moment = datetime(2026, 1, 30, tzinfo=UTC) + timedelta(seconds=self._rng.randrange(172_800))
        event = {
            "event_id": f"{number}-{self._rng.getrandbits(32):x}",
            "event_type": "rating" if number % 3 == 0 else "view",
            "event_time": f"{moment:%Y-%m-%dT%H:%M:%S}Z",
            "schema_version": 1,
            "user_id": self._rng.randrange(1000),
            "movie_id": self._rng.randrange(1000),
        }
        if number % 3 == 0:
            event["rating"] = self._rng.randrange(1, 11) / 2
        if number % 7 == 0:
            event["query"] = self._rng.choice(["'); DROP TABLE t; --", "<script>", "über 映画", ""])
        # Some go the quick way, some the thorough one.
        return json.dumps(event, ensure_ascii=number % 2 == 0).encode()


@pytest.mark.timeout(1200)
def test_killed_at_any_moment_the_lake_equals_the_truth(
    mortal: Stream, mortal_broker: SingleBroker, n_kills: tuple[int, int]
) -> None:
    extractions, brokers = n_kills
    mortal.settings = mortal.settings.model_copy(update={"max_dead_letter_share": 1})
    rng = random.Random(7)
    sender = Sender(mortal, rng)
    moments: Counter[str] = Counter()
    broker_rounds = rng.sample(range(extractions), brokers)
    for number in range(extractions):
        sender.send(rng.randrange(40, 200))
        at_work = start(partial(extract.run, mortal.settings, now=NOW), n_messages=40)
        if number in broker_rounds:
            time.sleep(rng.uniform(0.05, LONGEST_S))
            mortal_broker.kill()
            moments["broker killed"] += 1
            at_work.join(rng.uniform(0, 3))
            mortal_broker.start()
        at_work.join(rng.uniform(0.05, LONGEST_S))
        at_work.kill()
        at_work.join()
        killed = at_work.exitcode == -signal.SIGKILL
        moments["extraction killed at work" if killed else "had ended"] += 1
    mortal.extract()
    mortal.check()
    assert mortal.extract().messages == 0
    assert moments["extraction killed at work"] >= extractions // 4
    print(  # noqa: T201 - the counts are the result
        f"\n{dict(moments)}; {len(mortal.events)} events, {sender.n_duplicates} duplicates, "
        f"{mortal.letters.total()} invalid: 0 lost, 0 doubled"
    )
