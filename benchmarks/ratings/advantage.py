"""A model beside a baseline on the same users, and how sure the difference is."""

import json
import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from claims import machine

from movie_recommender.evaluation import bootstrap
from movie_recommender.evaluation.run import SEED


@dataclass(frozen=True)
class Advantage:
    """By how much a model's mean over users is above a peer's; it holds if surely above zero.

    Attributes:
        claim: what is compared, on what.
        metric: name of the metric, more is better.
        model: (J,) its values by user, the mean over its seeds.
        peer: the peer's name.
        peer_values: (J,) its values by user.
        conditions: what else one should know.
    """

    claim: str
    metric: str
    model: npt.NDArray[np.float64]
    peer: str
    peer_values: npt.NDArray[np.float64]
    conditions: str = ""

    def difference(self) -> bootstrap.Estimate:
        """Mean of the users' differences, with its paired 95 % bootstrap interval."""
        by_user = self.model - self.peer_values
        draws = bootstrap.resample({"difference": by_user[:, None]}, seed=SEED)["difference"]
        return bootstrap.estimate(float(by_user.mean()), draws[:, 0])

    def say(self) -> None:
        """Print the comparison as a JSON line."""
        value, peer_value = float(self.model.mean()), float(self.peer_values.mean())
        found = self.difference()
        line = {
            "claim": f"{self.claim}: {self.metric}",
            "value": round(value, 4),
            "unit": "",
            "peer": self.peer,
            "peer_value": round(peer_value, 4),
            "goal": "95 % interval of the difference above 0",
            "conditions": "; ".join(filter(None, [self.conditions, machine()])),
            "ratio": round(value / peer_value, 3) if peer_value else None,
            "difference": round(found.value, 4),
            "interval": [round(end, 4) for end in found.interval()],
            "holds": found.low > 0,
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
