"""The kernels become machine code for GPUs, which needs none. Run by `test_triton.py`, not in the interpreter.

Every launch goes through Triton's own path, with the arguments that it would have, up to where a GPU is needed.
"""

from types import SimpleNamespace

import pytest
import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from spikedistill.kernels import codes
from spikedistill.kernels.triton import launch, plan
from spikedistill.neurons import IF, LIF, PLIF, ATan, Erf, GradedReLU, ReLU, SoftSign, SuperSpike, Triangle


@pytest.fixture(params=[90], ids=["sm_90"])
def compiled(request, monkeypatch, tmp_path):
    """What the launches have compiled, by kernel."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(
        driver,
        "_active",
        SimpleNamespace(
            get_current_device=lambda: request.param,
            get_current_stream=lambda _: 0,
            get_current_target=lambda: GPUTarget("cuda", request.param, 32),
        ),
    )
    kernels, run = {}, JITFunction.run

    def compile_only(self, *args, grid, warmup, **options):
        assert all(0 < size < 2**31 for size in grid)
        kernels[self.__name__] = run(self, *args, grid=grid, warmup=True, **options)

    monkeypatch.setattr(JITFunction, "run", compile_only)
    return kernels


def launch_all(neuron, T, x_steps, residual_steps, channels, dtype=torch.bfloat16, training=True, norm=True):
    learned = isinstance(neuron, PLIF)
    x = torch.zeros(x_steps, 3, channels, 4, 4, dtype=dtype)
    p = plan.make_plan(x, T, residual_steps, norm, learned, *codes.encode(neuron))
    residual = launch.empty_rows(x, residual_steps) if residual_steps else None
    statistics = launch.batch_statistics(x, 1e-5, p) if norm else torch.empty(3, 0)
    weight, bias = (torch.ones(channels), torch.zeros(channels)) if norm else (None, None)
    factor = torch.tensor(0.5) if learned else None
    y = launch.forward(x, residual, statistics, weight, bias, factor, p)
    launch.backward(y, x, residual, statistics, weight, bias, factor, residual_steps > 0, training, p)


CASES = {
    "resnet": (LIF(), 4, 4, 4, 64),
    "first layer": (IF(reset=None), 4, 1, 0, 64),
    "ann": (ReLU(), 1, 1, 1, 64),
    "learned leak": (PLIF(decay_input=False, surrogate=ATan()), 8, 8, 0, 128),
    "segments": (PLIF(surrogate=SuperSpike()), 20, 20, 1, 10),
    "graded": (GradedReLU(), 18, 18, 0, 1200),
    "float32": (LIF(tau=3.0, surrogate=Erf()), 4, 4, 4, 64, torch.float32),
    "float16, evaluation": (LIF(tau=3.0, decay_input=False, surrogate=SoftSign()), 4, 4, 4, 64, torch.float16, False),
    "no norm": (LIF(surrogate=Triangle()), 4, 1, 0, 5, torch.bfloat16, False, False),
}


@pytest.mark.parametrize("case", CASES)
def test_compiles(compiled, case):
    launch_all(*CASES[case])
    assert {"forward", "backward"} <= compiled.keys()
    for name, kernel in compiled.items():
        assert len(kernel.asm["cubin"]) > 0, name
        # A fused multiply-add could make the spikes of the backward pass differ from those of the forward pass.
        assert "fma.rn.f32" not in kernel.asm["ptx"], name


@pytest.mark.parametrize("compiled", [80, 90], ids=["sm_80", "sm_90"], indirect=True)
def test_reads_and_writes_sixteen_bytes_at_once(compiled):
    launch_all(*CASES["first layer"])
    assert compiled.keys() == {"forward", "backward", "partial_statistics", "statistics", "norm_backward"}
    for name in ("forward", "backward", "norm_backward", "partial_statistics"):
        assembly = compiled[name].asm["ptx"]
        assert ".global.v4.b32" in assembly, name
        assert "global.b16" not in assembly, name


def test_a_new_batch_size_compiles_nothing(compiled):
    launch_all(*CASES["resnet"])
    before = {name: kernel.hash for name, kernel in compiled.items()}
    x = torch.zeros(4, 1, 64, 1, 1, dtype=torch.bfloat16)
    p = plan.make_plan(x, 4, 4, True, False, *codes.encode(LIF()))
    launch.forward(x, x, launch.batch_statistics(x, 1e-5, p), torch.ones(64), torch.zeros(64), None, p)
    assert {name: kernel.hash for name, kernel in compiled.items()} == before
