"""From which offsets to which: pure arithmetic on committed and available offsets."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Watermarks:
    """What the broker holds of one partition: offsets `low` (inclusive) to `high` (exclusive)."""

    low: int
    high: int


@dataclass(frozen=True)
class Plan:
    """Where to begin in each partition, where to stop, and what is lost.

    `gaps` has one sentence for each partition whose committed offset the broker can't go on from.
    """

    starts: Mapping[int, int]
    ends: Mapping[int, int]
    gaps: tuple[str, ...]

    @property
    def has_messages(self) -> bool:
        """Whether there is anything to read."""
        return any(self.starts[p] < self.ends[p] for p in self.starts)


def plan(
    kafka_topic: str,
    committed: Mapping[int, int],
    held: Mapping[int, Watermarks],
    *,
    recreated: bool = False,
) -> Plan:
    """Where the extraction of one topic begins and ends.

    A topic never extracted before begins at the oldest message that the broker holds. In a topic
    that is known, a partition without a committed offset is new and begins at 0.

    Args:
        kafka_topic: the broker's name, for the sentences.
        committed: next offset to read by partition, as the lake has it.
        held: what the broker holds, by partition.
        recreated: the topic isn't the one that `committed` counts in.
    """
    if recreated:
        extracted = ", ".join(f"[{p}] to {offset}" for p, offset in sorted(committed.items()))
        lost = f"{kafka_topic}: was deleted and created again, extracted before were {extracted}"
        starts = {p: marks.low for p, marks in held.items()}
        return Plan(starts, {p: marks.high for p, marks in held.items()}, (lost,))
    starts = {}
    gaps: list[str] = []
    for partition, marks in sorted(held.items()):
        first = 0 if committed else marks.low
        position = committed.get(partition, first)
        gap = _gap(f"{kafka_topic}[{partition}]", position, marks)
        if gap:
            gaps.append(gap)
        starts[partition] = marks.low if gap else position
    return Plan(starts, {p: marks.high for p, marks in held.items()}, tuple(gaps))


def _gap(place: str, position: int, marks: Watermarks) -> str | None:
    if marks.low > position:
        lost = marks.low - position
        return f"{place}: offsets {position} to {marks.low - 1} are gone ({lost} lost)"
    if marks.high < position:
        return (
            f"{place}: ends at offset {marks.high}, before the committed {position} "
            "(topic was recreated or truncated)"
        )
    return None
