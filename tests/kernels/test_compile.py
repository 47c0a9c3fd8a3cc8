"""The operators as PyTorch's compiler sees them."""

import os
import subprocess
import sys
from copy import deepcopy

import jaxtyping
import pytest
import torch
from torch import Tensor, nn

from spikedistill import kernels
from spikedistill.kernels import codes
from spikedistill.models import WRN
from spikedistill.neurons import IF, PLIF, Backward, Neuron, Norm, backward_pass

pytestmark = pytest.mark.usefixtures("cpu_kernels", "unchecked")


@pytest.fixture
def unchecked():
    """Shape checks off: the compiler cannot see through them, and users do not have them."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


class Net(nn.Module):
    """Everything the kernels have, in one small network; its first norm sees a static image."""

    def __init__(self, neuron: Neuron) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([Norm(8), Norm(8)])
        self.acts = nn.ModuleList([neuron.build(), neuron.build()])
        self.head = nn.Linear(8 * 16, 10)

    def forward(self, images: Tensor, steps: int = 3) -> Tensor:
        x = self.first(images).unsqueeze(0)
        x = kernels.norm_act(x, self.norms[0], self.acts[0], steps=steps)
        pooled = kernels.max_pool2d(x.flatten(0, 1))
        x = kernels.spiking_conv2d(pooled, self.second)
        shape = (steps, images.shape[0])
        x = kernels.norm_act(
            x.unflatten(0, shape), self.norms[1], self.acts[1], pooled.unflatten(0, shape), residual_is_spikes=True
        )
        return kernels.spiking_linear(x.flatten(2), self.head).mean(0)


def trained(net: nn.Module, forward) -> dict[str, Tensor]:
    """Output, gradients and running statistics after one step."""
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    output = forward(images.contiguous(memory_format=torch.channels_last))
    output.square().sum().backward()
    return {
        "output": output.detach(),
        **{name: parameter.grad for name, parameter in net.named_parameters()},
        **dict(net.named_buffers()),
    }


def compare(neuron: Neuron, backend: str) -> None:
    torch.manual_seed(0)
    net = Net(neuron)
    expected = trained(net, net)
    assert expected["first.weight"].abs().max() > 0
    twin = deepcopy(net)
    for parameter in twin.parameters():
        parameter.grad = None
    for norm in twin.norms:
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0)
    got = trained(twin, torch.compile(twin, backend=backend, fullgraph=True))
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("neuron", [IF(), PLIF()], ids=str)
def test_a_network_compiles_into_one_graph(neuron: Neuron) -> None:
    compare(neuron, "aot_eager")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
def test_a_network_compiles_with_inductor() -> None:
    compare(IF(), "inductor")


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # Dynamo's own doing
@pytest.mark.parametrize("way", ["time", "rate"])
def test_a_student_compiles_into_one_graph(way: Backward) -> None:
    torch.manual_seed(0)
    student = WRN(10, 1).build((3, 16, 16), 10, IF())
    images, labels, grads = torch.randn(4, 3, 16, 16), torch.randint(10, (4,)), []
    for compiled in (False, True):
        copied = deepcopy(student)
        function = torch.compile(copied, backend="aot_eager", fullgraph=True) if compiled else copied
        with backward_pass(way):
            logits = function(images, 4)
        torch.nn.functional.cross_entropy(logits.mean(0), labels).backward()
        grads.append([parameter.grad for parameter in copied.parameters()])
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


PASS_WITHIN = """
import torch
from spikedistill.models import MLP
from spikedistill.neurons import IF, averages, backward_pass

class Step(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images, way):
        with backward_pass(way):
            return self.network(images, 4)

torch.manual_seed(0)
step, images = Step(MLP((6,), "neuron").build((1, 4, 4), 5, IF())).eval(), torch.randn(7, 1, 4, 4)
compiled = torch.compile(step, backend="aot_eager", fullgraph=True)
for way in ("time", "rate", "time"):
    grads = []
    for function in (step, compiled):
        function(images, way)[-1].square().sum().backward()
        grads.append(torch.cat([p.grad.flatten() for p in step.parameters()]))
        step.zero_grad()
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-6)
    assert grads[0].abs().max() > 0
    assert not averages(IF())
"""


def test_a_pass_that_is_entered_within_compiles_into_one_graph() -> None:
    """In a process of its own: the checks of types around every function here cannot be traced through."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PASS_WITHIN], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def layer_arguments(x: Tensor, residual: Tensor | None, training: bool) -> tuple:
    norm = Norm(x.shape[2])
    numbers = codes.encode(PLIF())
    w = torch.tensor(0.2, requires_grad=True)
    return (
        *(x, norm.weight, norm.bias, norm.running_mean, norm.running_var, residual, w, 3, training, 1e-5),
        *(*numbers, False),
    )


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("shape", [(1, 2, 5), (3, 2, 5, 3, 4)], ids=str)
def test_norm_act_is_a_well_formed_operator(shape: tuple[int, ...], training: bool) -> None:
    x = torch.randn(shape, requires_grad=True)
    residual = torch.randn((3, *shape[1:]), requires_grad=True)
    torch.library.opcheck(torch.ops.spikedistill.norm_act.default, layer_arguments(x, residual, training))


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_norm_act_rate_is_a_well_formed_operator(steps: int, training: bool) -> None:
    x = torch.randn((steps, 2, 5, 3, 4), requires_grad=True)
    residual = torch.randn((3, 2, 5, 3, 4), requires_grad=True)
    norm = Norm(5)
    torch.library.opcheck(
        torch.ops.spikedistill.norm_act_rate.default,
        (
            *(x, norm.weight, norm.bias, norm.running_mean, norm.running_var, residual, 3, training, 1e-5),
            *codes.encode(IF()),
        ),
    )
    one = torch.randn(1, 2, 5, 3, 4)
    torch.library.opcheck(
        torch.ops.spikedistill.norm_act_rate_backward.default,
        (one, one * 2, one * 3, norm.weight.detach(), torch.ones(3, 5), 3, training),
    )
    torch.library.opcheck(torch.ops.spikedistill.mean_over_time.default, (x.detach(),))


def test_the_others_are_well_formed_operators() -> None:
    operators = torch.ops.spikedistill
    x = (torch.rand(2, 5, 6, 6) > 0.5).float().contiguous(memory_format=torch.channels_last)
    weight = torch.randn(4, 5, 3, 3, requires_grad=True)
    for convolution in (operators.spiking_conv2d, operators.conv2d):
        torch.library.opcheck(
            convolution.default, (x.clone().requires_grad_(), weight, None, [1, 1], [1, 1], [1, 1], 1)
        )
    rows, matrix = (torch.rand(3, 5) > 0.5).float(), torch.randn(4, 5, requires_grad=True)
    torch.library.opcheck(operators.spiking_linear.default, (rows, matrix, torch.zeros(4, requires_grad=True)))
    torch.library.opcheck(operators.max_pool2d.default, (x.clone().requires_grad_(), 2))
    bits = operators.pack_spikes(x)
    torch.library.opcheck(operators.pack_spikes.default, (x,))
    torch.library.opcheck(operators.unpack_spikes.default, (bits, [2, 5, 6, 6], torch.bfloat16))
    y, places = operators.max_pool2d(x, 2)
    torch.library.opcheck(operators.max_pool2d_backward.default, (y, places, [2, 5, 6, 6], 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("kernel", [1, 3])
def test_the_backward_pass_of_convolutions_is_a_well_formed_operator(kernel: int, dtype: torch.dtype) -> None:
    x, weight = torch.randn(2, 256, 4, 4, dtype=dtype), torch.randn(256, 256, kernel, kernel, dtype=dtype)
    grad = torch.nn.functional.conv2d(x, weight, stride=2)
    for wanted in ([True, True, True], [False, True, False], [True, False, False]):
        torch.library.opcheck(
            torch.ops.spikedistill.conv2d_backward.default, (grad, x, weight, [2, 2], [0, 0], [1, 1], 1, wanted)
        )
