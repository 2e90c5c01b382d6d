"""A broker that a test may kill, and how many kills it is allowed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from movie_recommender.local.single_broker import SingleBroker
from tests.conftest import JARS


@pytest.fixture
def mortal_broker(tmp_path: Path) -> Iterator[SingleBroker]:
    """A running broker that the test may kill and start again."""
    with SingleBroker(JARS, tmp_path / "kafka") as mortal:
        yield mortal


@pytest.fixture(scope="session")
def n_kills() -> tuple[int, int]:
    """How often extraction and the broker are killed: FAULT_KILLS=200,20 for the whole proof."""
    extraction, broker = os.environ.get("FAULT_KILLS", "8,1").split(",")
    return int(extraction), int(broker)
