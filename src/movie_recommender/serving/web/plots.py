"""Where the marks of the model room's plots are: numbers for SVG, made without drawing."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 300.0, 150.0
LEFT, BOTTOM, TOP = 36.0, 20.0, 8.0
WHISKER_WIDTH = 200.0

_MARGIN = 0.08
"""Room at both ends of a scale, as a share of it."""


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval; both ends None where it has none."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Mark:
    """One version in a plot: its dot at (x, y), its interval from `low` to `high`."""

    version: int
    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Plot:
    """One metric by version.

    Attributes:
        marks: one for each version that has the metric, in the order of the versions.
        limit: y of the gate's threshold; None: there is none.
        ticks: (y, text) of the scale.
    """

    marks: list[Mark]
    limit: float | None
    ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class Whisker:
    """A rule of the gate on its own scale, from 0 to `WHISKER_WIDTH`: value, interval, limit."""

    value: float
    low: float
    high: float
    limit: float


def plot(estimates: Sequence[tuple[int, Estimate]], threshold: float | None) -> Plot:
    """A metric's plot.

    Args:
        estimates: (version, value), the versions ascending.
        threshold: of the gate.
    """
    low, high = _range([one for _, one in estimates], threshold)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    step = (WIDTH - LEFT) / max(len(estimates), 1)
    marks = [
        Mark(
            version,
            round(LEFT + step * (place + 0.5), 1),
            y(one.value),
            y(one.value if one.low is None else one.low),
            y(one.value if one.high is None else one.high),
        )
        for place, (version, one) in enumerate(estimates)
    ]
    return Plot(marks, None if threshold is None else y(threshold), _ticks(low, high, y))


def whisker(one: Estimate, threshold: float) -> Whisker:
    """A rule's whisker."""
    low, high = _range([one], threshold)

    def x(value: float) -> float:
        return round(WHISKER_WIDTH * (value - low) / (high - low), 1)

    return Whisker(
        x(one.value),
        x(one.value if one.low is None else one.low),
        x(one.value if one.high is None else one.high),
        x(threshold),
    )


def _range(estimates: Sequence[Estimate], threshold: float | None) -> tuple[float, float]:
    """What the scale must hold, never empty."""
    values = [value for one in estimates for value in (one.value, one.low, one.high)]
    held = [value for value in (*values, threshold) if value is not None]
    low, high = min(held, default=0.0), max(held, default=1.0)
    room = _MARGIN * (high - low) or max(abs(high), 1.0) * _MARGIN
    return low - room, high + room


def _ticks(low: float, high: float, y: Callable[[float], float]) -> list[tuple[float, str]]:
    """Some round numbers in between."""
    step = 10 ** math.floor(math.log10(high - low))
    step = next(part for part in (step / 5, step / 2, step, 2 * step) if (high - low) / part < 5)
    digits = max(0, -math.floor(math.log10(step)))
    first = math.ceil(low / step)
    last = math.floor(high / step)
    return [(y(n * step), f"{n * step:.{digits}f}") for n in range(first, last + 1)]
