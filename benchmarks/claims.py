"""How a benchmark says what it measured: one JSON line a claim, on stdout."""

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Claim:
    """One figure of ours beside a peer's, both measured in this run.

    `ratio` is `value / peer_value`; `holds` compares it with `goal` (at least, or at most where
    `goal` is one of `at_most`).
    """

    claim: str
    value: float
    unit: str
    peer: str
    peer_value: float
    goal: float
    at_most: bool = False
    conditions: str = ""

    def say(self) -> None:
        """Print the claim as a JSON line."""
        ratio = self.value / self.peer_value
        holds = ratio <= self.goal if self.at_most else ratio >= self.goal
        fields = asdict(self)
        at_most = fields.pop("at_most")
        fields["goal"] = f"{'<=' if at_most else '>='} {self.goal:g}"
        fields["conditions"] = "; ".join(filter(None, [self.conditions, machine()]))
        line = {**fields, "ratio": round(ratio, 3), "holds": holds}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def machine() -> str:
    """Cores and Python of the machine that measures."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}"


def note(text: str) -> None:
    """Tell a person how far the benchmark is, on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
