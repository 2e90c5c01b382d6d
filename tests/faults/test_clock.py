"""The clock of the machine that extracts jumps; what has happened when stays what it is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from movie_recommender import extract, features
from movie_recommender.features import FeatureStore
from movie_recommender.settings import Settings
from tests.stream import NOW, Stream

pytestmark = pytest.mark.integration

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AS_OF = datetime(2026, 2, 1, tzinfo=UTC)


def build(settings: Settings) -> tuple[int, dict[str, str]]:
    """Examples to learn from, and checksums of the published tables."""
    result = features.run(settings, as_of=AS_OF)
    with FeatureStore.open(settings.feature_store_path) as store:
        return result.n_examples, store.snapshot.checksums


def test_when_it_goes_back_nothing_is_skipped_or_doubled(stream: Stream, tmp_path: Path) -> None:
    """An hour back, as a wrong correction does it, then right again, then a day too far."""
    clocks = (NOW, NOW - HOUR, NOW + HOUR, NOW + DAY, NOW + 2 * HOUR)
    for number, now in enumerate(clocks):
        for user_id in range(1, 6):
            stream.send_events(
                f"{number}-{user_id}", 3, number % 3, user_id=user_id, movie_id=10 + number
            )
        stream.send([b"{"], reason="invalid_json")
        assert extract.run(stream.settings, now=now).messages == 16
        built = build(stream.settings)
        assert built[0] == 5 * (number + 1)  # each user has met one more movie
    stream.check()
    elsewhere = stream.settings.model_copy(update={"feature_store_path": tmp_path / "x.duckdb"})
    assert build(elsewhere) == built
