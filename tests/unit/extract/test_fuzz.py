"""The parser against an oracle of pure Python, over messages that nobody should send.

By default the same few thousand each time; `FUZZ_MESSAGES=100000` judges as many others, that no
run before it has seen. The test prints what they were (`-s`).
"""

import os
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from movie_recommender import events
from movie_recommender.events import Contract
from movie_recommender.extract.quick import quick
from movie_recommender.extract.thorough import judge
from movie_recommender.extract.validate import MESSAGES, validate
from tests.unit.extract import mutants, oracle

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
LATEST = NOW + events.MAX_FUTURE
BATCH = 500
KEYS = [b"k", None, b"\xff\0"]
N_MESSAGES = int(os.environ.get("FUZZ_MESSAGES", "6000"))


def table(values: list[bytes | None]) -> pa.Table:
    n = len(values)
    places = [[i % 3 for i in range(n)], list(range(n))]
    return pa.table([*places, [KEYS[i % 3] for i in range(n)], values], schema=MESSAGES)


def fields(rows: pa.Table, contract: Contract) -> dict[int, oracle.Parsed | str]:
    """Typed fields and canonical `extra` by offset."""
    names = [field.name for field in contract.fields]
    found: dict[int, oracle.Parsed | str] = {}
    for row in rows.select([*names, "extra", "kafka_offset"]).to_pylist():
        row["extra"] = row["extra"] and oracle.canonical(row["extra"])
        found[row.pop("kafka_offset")] = row
    return found


@pytest.fixture(scope="module")
def counts() -> Iterator[Counter[str]]:
    counted: Counter[str] = Counter()
    yield counted
    print(f"\nfuzz: {dict(counted)}")  # noqa: T201 - the counts are the result
    # Neither all good nor all bad, or nothing was tried.
    assert min(counted["valid"], counted["invalid"]) > counted["messages"] / 5
    assert counted["read the quick way"] > counted["valid"] / 5


@pytest.mark.parametrize("topic", events.CONTRACTS)
def test_they_agree_on_one_odd_thing_each(topic: str) -> None:
    contract = events.CONTRACTS[topic]
    _agree(mutants.singles(contract), contract)


@pytest.mark.parametrize("topic", events.CONTRACTS)
@settings(
    # What is new each time would stop a change that has nothing to do with it.
    derandomize="FUZZ_MESSAGES" not in os.environ,
    max_examples=max(1, N_MESSAGES // BATCH // len(events.CONTRACTS)),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # the message itself is shown
)
@given(seed=st.integers(min_value=0, max_value=2**64))
def test_they_agree_on_mutants(counts: Counter[str], topic: str, seed: int) -> None:
    contract = events.CONTRACTS[topic]
    values = mutants.messages(contract, random.Random(seed), BATCH, now=NOW)
    counts.update(_agree(values, contract))


def _agree(values: list[bytes | None], contract: Contract) -> dict[str, int]:
    """What was seen, when parser and oracle say the same of each message."""
    validated = validate(table(values), contract, kafka_topic=contract.topic, now=NOW)
    letters = validated.rejected.to_pylist()
    offsets = validated.rows["kafka_offset"].to_pylist()
    offsets += [letter["kafka_offset"] for letter in letters]
    assert sorted(offsets) == list(range(len(values))), "each is one row or one dead letter"
    for letter in letters:
        i = letter["kafka_offset"]
        whole = (letter["kafka_partition"], letter["key"], letter["value"])
        assert whole == (i % 3, KEYS[i % 3], values[i])
        assert 0 < len(letter["detail"]) < 1000
    found = fields(validated.rows, contract)
    found |= {letter["kafka_offset"]: letter["reason"] for letter in letters}
    for i, value in enumerate(values):
        assert found[i] == oracle.truth(value, contract, LATEST), f"message {i}: {value!r}"
    return {
        "messages": len(values),
        "valid": validated.rows.num_rows,
        "invalid": len(letters),
        "read the quick way": _quick_and_thorough_agree(table(values), contract),
    }


def _quick_and_thorough_agree(messages: pa.Table, contract: Contract) -> int:
    """How many messages the quick way dared to read: of those, both say the same."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        proved, others = quick(connection, messages, contract, LATEST)
        places = proved["kafka_offset"]
        assert proved.num_rows + others.num_rows == messages.num_rows
        same = messages.filter(pc.is_in(messages["kafka_offset"], places))
        judged = judge(connection, same, contract, LATEST)
    assert judged["reason"].null_count == proved.num_rows
    assert judged["extra"].null_count == proved.num_rows
    names = ["kafka_partition", "kafka_offset", *(field.name for field in contract.fields)]
    order = [("kafka_offset", "ascending")]
    ways = (found.select(names).sort_by(order).to_pylist() for found in (proved, judged))
    assert next(ways) == next(ways)
    return int(proved.num_rows)
