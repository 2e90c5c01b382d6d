"""Letters for the tests of what carries them."""

from datetime import UTC, datetime

from movie_recommender.orchestration.alerts import Alert
from movie_recommender.orchestration.outbox import Letter

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


def letter(key: str = "k", *channels: str, written: datetime = NOON) -> Letter:
    """The alert `text of KEY` for these channels, for Slack alone if none is named."""
    alert = Alert(text=f"text of {key}", subject=f"subject of {key}", html=f"<p>{key}</p>")
    return Letter(key, channels or ("slack",), alert, written)
