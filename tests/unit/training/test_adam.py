"""Adam: digit for digit what torch.optim does, kept and gone on from."""

import subprocess
import sys

import torch
from torch import nn
from torch.nn import functional

from movie_recommender.training.adam import Adam, Group

ROWS = torch.tensor([[0, 2, 2], [1, 2, 0], [3, 3, 3]])


def parameters() -> list[nn.Parameter]:
    """A table whose gradient is sparse, and two tensors whose gradients aren't."""
    generator = torch.Generator().manual_seed(1)
    shapes = [(5, 2), (2, 2), (2,)]
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def backward(values: list[nn.Parameter], step: int) -> None:
    """Of the last one in the third step only, as of a tower that is switched on late."""
    table, weight, bias = values
    out = functional.embedding(ROWS[step], table, sparse=True) @ weight
    (out + bias if step == 2 else out).square().sum().backward()


def ours(values: list[nn.Parameter]) -> Adam:
    table, weight, bias = values
    return Adam(
        [Group([weight], weight_decay=0.1), Group([bias], rate=2.0), Group([table], sparse=True)]
    )


def test_moves_as_torch_does() -> None:
    values, expected = parameters(), parameters()
    optimiser = ours(values)
    table, weight, bias = expected
    dense = torch.optim.Adam(
        [{"params": [weight], "weight_decay": 0.1}, {"params": [bias]}], fused=True
    )
    sparse = torch.optim.SparseAdam([table])
    for step, rate in enumerate((0.1, 0.2, 0.05)):
        for group, factor in zip(dense.param_groups, (1.0, 2.0), strict=True):
            group["lr"] = rate * factor
        sparse.param_groups[0]["lr"] = rate
        backward(expected, step)
        for each in (dense, sparse):
            each.step()
            each.zero_grad()
        backward(values, step)
        optimiser.step(rate)
    assert all(torch.equal(one, other) for one, other in zip(values, expected, strict=True))
    assert all(value.grad is None for value in values)


def test_goes_on_from_its_state() -> None:
    values, resumed = parameters(), parameters()
    optimiser = ours(values)
    backward(values, 0)
    optimiser.step(0.1)
    other = ours(resumed)
    other.load_state({key: value.clone() for key, value in optimiser.state().items()})
    with torch.no_grad():
        for one, value in zip(resumed, values, strict=True):
            one.copy_(value)
    for each, of in ((optimiser, values), (other, resumed)):
        backward(of, 2)
        each.step(0.1)
    assert all(torch.equal(one, value) for one, value in zip(resumed, values, strict=True))


def test_does_not_load_the_compiler() -> None:
    code = (
        "import sys, torch\n"
        "from movie_recommender.training.adam import Adam, Group\n"
        "p = torch.nn.Parameter(torch.ones(2))\n"
        "p.sum().backward()\n"
        "Adam([Group([p])]).step(0.1)\n"
        "assert p[0] < 1\n"
        "print('torch._dynamo' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
