"""What a task's pod asks for under the Kubernetes executor; other executors don't look at it."""

from importlib.util import find_spec
from typing import Any

from movie_recommender.settings import task_resources

_GPU = "nvidia.com/gpu"


def executor_config(task_id: str) -> dict[str, Any]:
    """The operator's `executor_config`: what `TASK_RESOURCES` says of this task, else nothing.

    It is laid over the pod template, which keeps its image, its environment and its volumes.
    """
    wanted = task_resources().get(task_id)
    # Without the client there is no Kubernetes executor either. It isn't imported before: it takes
    # a second, whenever the DAG is read.
    if wanted is None or find_spec("kubernetes") is None:
        return {}
    from kubernetes.client import models as k8s

    requests = {"cpu": wanted.cpu, "memory": wanted.memory}
    limits = {"memory": wanted.memory, _GPU: str(wanted.gpu or "") or None}
    resources = k8s.V1ResourceRequirements(requests=_given(requests), limits=_given(limits))
    container = k8s.V1Container(name="base", resources=resources)
    pod = k8s.V1Pod(metadata=k8s.V1ObjectMeta(), spec=k8s.V1PodSpec(containers=[container]))
    return {"pod_override": pod}


def _given(quantities: dict[str, str | None]) -> dict[str, str]:
    return {name: quantity for name, quantity in quantities.items() if quantity}
