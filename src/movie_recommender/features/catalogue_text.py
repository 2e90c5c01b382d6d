"""What a person wrote of `docs/features.md`; the rest comes from the SQL files' headers."""

from dataclasses import dataclass

from movie_recommender.features.groups import ENTITY, FRAME, STATE, STEP, VIEW


@dataclass(frozen=True)
class Part:
    """A part of the page: the groups of some kinds, and what is said of them together."""

    title: str
    kinds: frozenset[str]
    text: str


INTRODUCTION = """
# Features

This page is generated from the headers of `src/movie_recommender/features/sql/*.sql`:
`movie-recommender features catalogue > docs/features.md`.

The feature store is one DuckDB file. A feature group is one SQL file, which makes one table or one
step on the way to it. `movie-recommender features list` shows the groups, `features describe NAME`
one of them, `features show --user 42` a user's row.

## Point in time

A training row may use only what could have been known when it happened. So each event has, beside
the time at which it happened, a `known_from`:

- the midnight (UTC) after the day on which it happened, or
- the instant at which it arrived in the lake, if that is later.

A row of `training_frame` sees what has `known_from <= event_time`: nothing of its own day, nothing
of its future, and nothing that had happened before but came after it. An event that comes three
days late counts from then on and changes the features of no earlier row. What can change later is
which row a pair has: it gives way when the pair's first positive comes. `user_features` and
`movie_features` hold everything that their snapshot knows: all events before its `as_of`.

### History that was loaded at once

When a lake is new, years of history arrive on one day. Taken by arrival, all of it would be known
from that day only, and every earlier row would see nothing. Therefore what arrived up to the end of
the lake's first UTC day counts as arrived in time, and has its `known_from` by the day on which it
happened. Everything after counts by its arrival.

`HISTORY_LOADED_UNTIL` sets another bound: the end of the loading where it took longer than a day,
or an instant before the first arrival, such as `1970-01-01T00:00:00Z`, to take everything by its
arrival. The bound belongs to a snapshot's identity. With another one, the next build is a whole
one.

## Decay

What was liked lately counts more. Popularity halves every 7 days, taste every 28, at whole periods
counted since 1970-01-01: a positive counts 1 in the period in which it became known, 1/2 in the
next, 1/4 in the one after. What is older than 16 to 32 periods counts nothing. Halving by whole
periods keeps all sums exact, so that a store that was added to day by day equals one that was built
at once, bit for bit.
"""

PARTS = (
    Part(
        "Tables that the reader hands out",
        frozenset({FRAME, ENTITY}),
        "Types are Arrow's, as `FeatureStore` returns them. Columns with a type in capitals stay "
        "in the file.\nIn the file a genre is its number in `genres`; the reader gives the name.",
    ),
    Part(
        "States",
        frozenset({STATE}),
        "Kept in the file from build to build, which only adds rows: running sums of everything "
        "known at a\n`known_from`. A training row finds its values in the state with the greatest "
        "`known_from` that isn't\nafter its `event_time`.",
    ),
    Part(
        "Steps of a build",
        frozenset({VIEW, STEP}),
        "Made from what is new in the lake, and gone when the build ends.",
    ),
)
