"""Memory and saved bytes of work whose answer is known."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from benchmarks.measure import bytes_saved, seconds_per_step
from benchmarks.work import Work

CPU = torch.device("cpu")
MIB = 2**20
ROOT = Path(__file__).parents[2]


def nothing() -> None:
    pass


def saved(forward, *resident: torch.Tensor) -> int | None:
    return bytes_saved(Work(nothing, forward, resident))


def test_each_storage_is_saved_once_and_inputs_not_at_all():
    x, w = torch.randn(10, 20, requires_grad=True), torch.randn(20, 30, requires_grad=True)

    def forward() -> torch.Tensor:
        h = x @ w  # keeps x and w
        s = h.sigmoid()  # keeps s
        return (s * s.view(300).view(10, 30)).sum()  # keeps s again, twice

    assert saved(forward, x, w) == 300 * 4
    assert saved(forward, x) == 300 * 4 + 600 * 4
    assert saved(forward) == 300 * 4 + 600 * 4 + 200 * 4


def test_a_view_keeps_its_whole_storage():
    x, big = torch.randn(10, requires_grad=True), torch.randn(1000)
    assert saved(lambda: (x * big[:10]).sum(), x) == 4000


class KeepsByItself(torch.autograd.Function):
    """Keeps a tensor in an attribute, behind the back of autograd's hooks."""

    @staticmethod
    def forward(ctx, x):
        ctx.mask = (x > 0).to(torch.uint8)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.mask


def test_tensors_in_attributes_of_autograd_functions_are_counted():
    x = torch.randn(100, requires_grad=True)
    assert saved(lambda: KeepsByItself.apply(x) + 1.0, x) == 100


def test_no_backward_pass_nothing_to_save():
    assert bytes_saved(Work(nothing)) is None


PEAKS = """
import torch
from benchmarks.measure import first_steps
from benchmarks.work import Work

cpu = torch.device("cpu")
print(first_steps(Work(lambda: torch.ones(64 << 20, dtype=torch.uint8)), cpu, 2))
print(first_steps(Work(lambda: None), cpu, 1))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the high-water mark is Linux's")
def test_peak_is_above_the_level_before_and_is_forgotten_between():
    # In a process of its own: where malloc keeps freed memory, what is allocated again may raise nothing.
    done = subprocess.run([sys.executable, "-c", PEAKS], capture_output=True, text=True, check=True, cwd=ROOT)
    with_memory, without = (int(line) for line in done.stdout.split())
    # The kernel counts pages a little late.
    assert 63 * MIB <= with_memory < 80 * MIB
    assert without < 8 * MIB


def test_steps_of_several_works_alternate():
    calls: list[str] = []
    works = [Work(lambda: calls.append("a")), Work(lambda: calls.append("b"))]
    assert len(seconds_per_step(works, CPU, 0.0, at_least=3)) == 2
    assert "".join(calls) == "ababab"


def test_at_least_so_many_steps_and_seconds():
    calls: list[int] = []
    (took,) = seconds_per_step([Work(lambda: calls.append(0))], CPU, 0.0, at_least=4)
    assert 0 < took < 0.1
    assert len(calls) == 4
    calls.clear()
    seconds_per_step([Work(lambda: calls.append(0))], CPU, 0.01, at_least=1)
    assert len(calls) > 100
