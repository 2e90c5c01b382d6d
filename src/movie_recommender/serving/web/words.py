"""The service's terms in words that a newcomer understands."""

from dataclasses import dataclass
from datetime import timedelta

from movie_recommender.serving.recommender import NEW_USER, PERSONAL, POPULAR


@dataclass(frozen=True)
class Why:
    """Why a list is this one: a headline, a sentence, and what the list lacks."""

    headline: str
    sentence: str
    notes: list[str]


_WHY = {
    PERSONAL: ("Picked for you", "Ranked by what you liked, your last click included."),
    NEW_USER: (
        "Picked for you, who are new",
        "Ranked by what you liked since you came; the model hasn't been trained on it yet.",
    ),
    POPULAR: (
        "Popular with everybody",
        "You haven't liked anything yet. Like or rate a few movies, and the list becomes yours.",
    ),
}


def why(reason: str) -> Why:
    """A list's `reason` in words; its first part is one that `recommender` gives."""
    kind, *notes = reason.split("; ")
    if kind in _WHY:
        headline, sentence = _WHY[kind]
        return Why(headline, sentence, notes)
    group = kind.removeprefix(f"{POPULAR} in ")
    headline = kind.capitalize() if group == kind else f"Popular in your {group}"
    return Why(headline, _WHY[POPULAR][1], notes)


def because(titles: list[str]) -> str:
    """Titles as a list in a sentence."""
    if len(titles) < 2:
        return "".join(titles)
    return f"{', '.join(titles[:-1])} and {titles[-1]}"


def how_long(span: timedelta) -> str:
    """A span in its largest unit, rounded down; less than a minute is no time to speak of."""
    seconds = span.total_seconds()
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            n = int(seconds // size)
            return f"{n} {name}{'' if n == 1 else 's'}"
    return "less than a minute"
