"""A broker that a test may kill, and how much of the whole proof a run has time for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from movie_recommender.local.single_broker import SingleBroker
from tests.conftest import JARS, own_settings
from tests.stream import Stream


@pytest.fixture(scope="package")
def mortal_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SingleBroker]:
    """A running broker that a test may kill and start again."""
    with SingleBroker(JARS, tmp_path_factory.mktemp("mortal")) as mortal:
        yield mortal


@pytest.fixture
def mortal(mortal_broker: SingleBroker, tmp_path: Path) -> Stream:
    """A stream on that broker."""
    return Stream(own_settings(mortal_broker.servers, tmp_path))


@pytest.fixture(scope="session")
def fault_s() -> float | None:
    """How long a server is flooded, and sent nonsense; FAULT_SECONDS=30 for the whole proof."""
    seconds = os.environ.get("FAULT_SECONDS")
    return None if seconds is None else float(seconds)


@pytest.fixture(scope="session")
def n_kills() -> tuple[int, int]:
    """How often extraction and the broker are killed: FAULT_KILLS=200,20 for the whole proof."""
    extraction, broker = os.environ.get("FAULT_KILLS", "8,1").split(",")
    return int(extraction), int(broker)
