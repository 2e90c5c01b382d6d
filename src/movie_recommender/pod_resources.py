"""What the pod of a task asks a Kubernetes cluster for: the form of `TASK_RESOURCES`."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

_QUANTITY = re.compile(r"\d+(?:\.\d+)?(?:m|[KMGT]i?)?")


@dataclass(frozen=True)
class PodResources:
    """One task's pod. Quantities are Kubernetes' own: `500m` or `4` cores, `16Gi` of memory."""

    cpu: str | None = None
    """Cores that are kept for it; it may use more where there are."""
    memory: str | None = None
    """Memory that is kept for it, and that it may not exceed."""
    gpu: int = 0
    """NVIDIA GPUs."""


def parse(text: str) -> Mapping[str, PodResources]:
    """The resources by task id, from a JSON object.

    >>> parse('{"train_model": {"cpu": "4", "memory": "16Gi", "gpu": 1}}')
    {'train_model': PodResources(cpu='4', memory='16Gi', gpu=1)}

    Raises:
        ValueError: it has another form; the message shows the allowed one.
    """
    try:
        return {str(task): _resources(given) for task, given in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        message = (
            "expected a JSON object of resources by task, as in "
            '{"train_model": {"cpu": "4", "memory": "16Gi", "gpu": 1}}'
        )
        raise ValueError(message) from None


def _resources(given: Mapping[str, object]) -> PodResources:
    found = PodResources(**given)  # type: ignore[arg-type]  # whatever it is, it is looked at now
    for quantity in (found.cpu, found.memory):
        if quantity is not None and not _QUANTITY.fullmatch(quantity):
            raise ValueError
    if type(found.gpu) is not int or not 0 <= found.gpu <= 64:
        raise ValueError
    return found
