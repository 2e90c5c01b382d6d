"""Adam by PyTorch's own kernels, without its optimiser classes.

Their constructor loads PyTorch's compiler, which isn't used here: 1.7 s of each training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim._functional import sparse_adam
from torch.optim.adam import adam


@dataclass(frozen=True)
class Group:
    """Parameters that move alike.

    Attributes:
        parameters: at least one.
        rate: factor of the learning rate.
        weight_decay: times the parameter is added to its gradient (L2).
        sparse: their gradients are; only the rows in them move, and decay isn't known to them.
    """

    parameters: Sequence[nn.Parameter]
    rate: float = 1.0
    weight_decay: float = 0.0
    sparse: bool = False


class Adam:
    """Adam (Kingma, Ba 2015, algorithm 1)."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = groups
        self._moments: dict[nn.Parameter, dict[str, Tensor]] = {}

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move every parameter that has a gradient, and forget the gradients."""
        for group in self._groups:
            moved = [each for each in group.parameters if each.grad is not None]
            if moved:
                self._move(moved, group, learning_rate * group.rate)
            for parameter in moved:
                parameter.grad = None

    def state(self) -> dict[str, Tensor]:
        """Moments and counted steps, named by the parameter's place."""
        return {
            f"{place}/{name}": value
            for place, parameter in enumerate(self._parameters())
            for name, value in self._moments.get(parameter, {}).items()
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` returned for the same parameters."""
        parameters = self._parameters()
        self._moments = {}
        for key, value in state.items():
            place, name = key.split("/")
            parameter = parameters[int(place)]
            self._moments.setdefault(parameter, {})[name] = value.to(parameter.device)

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self._groups for parameter in group.parameters]

    def _move(self, parameters: list[nn.Parameter], group: Group, rate: float) -> None:
        for each in parameters:
            if each not in self._moments:
                self._moments[each] = _at_rest(each)
        moments = [self._moments[each] for each in parameters]
        steps = [each["step"] for each in moments]
        call: dict[str, Any] = {
            "params": parameters,
            "grads": [each.grad for each in parameters],
            "exp_avgs": [each["mean"] for each in moments],
            "exp_avg_sqs": [each["square"] for each in moments],
            "lr": rate,
            "beta1": 0.9,
            "beta2": 0.999,
            "eps": 1e-8,
            "maximize": False,
        }
        if group.sparse:
            for step in steps:
                step += 1
            sparse_adam(state_steps=[int(step) for step in steps], **call)
        else:
            call |= {"weight_decay": group.weight_decay, "fused": True, "amsgrad": False}
            adam(state_steps=steps, max_exp_avg_sqs=[], **call)


def _at_rest(parameter: nn.Parameter) -> dict[str, Tensor]:
    zeros = torch.zeros_like(parameter)
    return {
        "mean": zeros,
        "square": zeros.clone(),
        "step": torch.zeros((), device=parameter.device),
    }
