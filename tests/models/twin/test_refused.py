"""What cannot be made a twin is said in a line: what, where, and what to do."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spikedistill.errors import InputError, UserCodeError
from spikedistill.models import Twin
from spikedistill.neurons import IF

SHAPE = (2, 8, 8)
Build = Callable[..., Any]


class Net(nn.Module):
    """A convolution, a ReLU and a readout; in between what is given, a module or a function of module and x."""

    def __init__(self, between: Any, end: Any = None) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.between = between
        self.head = nn.Linear(256, 5)
        self.end = end

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = self.between(x) if isinstance(self.between, nn.Module) else self.between(self, x)
        x = self.head(x.flatten(1))
        return x if self.end is None else self.end(x)


def branching(_net: nn.Module, x: Tensor) -> Tensor:
    if x.mean() > 0:
        return x + 1
    return x


def looping(_net: nn.Module, x: Tensor) -> Tensor:
    for _ in range(x.shape[0]):
        x = x * 0.5
    return x


def in_training(net: nn.Module, x: Tensor) -> Tensor:
    return x * 2 if net.training else x


def in_training_more(net: nn.Module, x: Tensor) -> Tensor:
    return x + x.mean((2, 3), keepdim=True) if net.training else x + 1


class Gate(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x.mean((2, 3), keepdim=True)


def from_call_to_call(_net: nn.Module, x: Tensor) -> Tensor:
    return x * (float(torch.rand(1)) + 1)


@pytest.mark.parametrize(
    ("between", "says"),
    [
        (nn.GELU(), r"GELU 'between' at test_refused.py, line \d+: an activation that is no ReLU: put nn.ReLU"),
        (nn.ReLU6(), "ReLU6 'between' .*: an activation"),
        (nn.Sigmoid(), "Sigmoid 'between' .*: an activation"),
        (nn.PReLU(), "PReLU 'between' .*: an activation"),
        (nn.Softmax(1), r"Softmax 'between' .*: a softmax weighs"),
        (nn.LayerNorm(8), "LayerNorm 'between' .*: a norm of an image's own features"),
        (nn.GroupNorm(2, 4), "GroupNorm 'between' .*BatchNorm, which stands still"),
        (nn.InstanceNorm2d(4), "InstanceNorm2d 'between'"),
        (nn.AlphaDropout(), "AlphaDropout 'between' .*: it is not known here what it means between spikes"),
        (lambda _, x: F.gelu(x), r"gelu at test_refused.py, line \d+: an activation"),
        (lambda _, x: F.leaky_relu(x), "leaky_relu at .*: an activation"),
        (lambda _, x: x.sigmoid() * x.tanh_(), "sigmoid at .*: an activation .*; tanh at .*: an activation .*; mul at"),
        (lambda _, x: x.clamp(min=0), "clamp at .*: an activation"),
        (lambda _, x: x.softmax(1), "softmax at .*: a softmax"),
        (lambda _, x: F.layer_norm(x, (8,)), "layer_norm at .*: a norm"),
        (lambda _, x: x**2, "pow at .*: it is not known"),
        (Gate(), "mul at .*, line .*: a product of numbers of the images with each other"),
        (lambda _, x: 1 / x, "truediv at .*: a product"),
        (lambda _, x: x @ x.transpose(2, 3), "matmul at .*: a product"),
        (lambda _, x: x - x.mean(), "mean at .*: it puts numbers of several images together"),
        (lambda _, x: x + x[:1], "getitem at .*: it puts numbers of several images together"),
        (lambda _, x: x + x.view(-1, 16).mean() / x.size(0), "view at .*: it puts numbers of several images"),
        (lambda _, x: x * x.size(0), "mul at .*: it is given a number that hangs on the images"),
        (lambda _, x: x + torch.ones(x.size(0), 1, 1, 1), "ones at .*: it is not known"),
        (lambda net, x: x + net.head(net.head.weight).sum(), "Linear 'head' .*: it is a layer of parameters alone"),
        (lambda _, x: F.dropout(x), r"drops numbers in evaluation too: dropout at .*, line \d+\. Say training="),
        (branching, r"torch.fx cannot follow its forward pass at test_refused.py, line \d+ \(if x.mean\(\) > 0:\): "),
        (
            looping,
            r"torch.fx cannot follow .* \(for _ in range\(x.shape\[0\]\):\): .*Write it so that it makes the same",
        ),
        (in_training, "does something else in training than in evaluation: .*only dropout may know the difference"),
        (in_training_more, "does something else in training than in evaluation: "),
        (from_call_to_call, "does something else in training than .* nothing may change from call to call"),
    ],
)
def test_what_has_no_spiking_meaning(between: Any, says: str, twin: Build) -> None:
    with pytest.raises(InputError, match=f"^The model 'zoo_of_twins:net' .*{says}") as caught:
        twin(lambda: Net(between), IF())
    assert not isinstance(caught.value, UserCodeError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("end", [nn.LogSoftmax(1), lambda x: F.log_softmax(x, dim=1), lambda x: x.log_softmax(-1)])
def test_a_log_softmax_at_the_end_may_stay(end: Any, twin: Build) -> None:
    network = twin(lambda: Net(nn.Identity(), end), IF())
    torch.testing.assert_close(network(torch.randn(3, *SHAPE), 4).exp().sum(-1), torch.ones(4, 3))


@pytest.mark.parametrize("end", [nn.Softmax(1), lambda x: F.softmax(x, 1)])
def test_a_softmax_at_the_end_may_not(end: Any, twin: Build) -> None:
    with pytest.raises(InputError, match=r"oftmax .*: a softmax .*at the end, return the logits without it"):
        twin(lambda: Net(nn.Identity(), end), IF())


def test_what_is_not_heard_is_not_asked(twin: Build) -> None:
    """A branch that the answer does not hang on may hold anything."""

    def aside(net: nn.Module, x: Tensor) -> Tensor:
        net.seen = F.gelu(x).softmax(1)
        return x

    twin(lambda: Net(aside), IF())


def test_many_faults_are_three_and_a_number(twin: Build) -> None:
    def many(_net: nn.Module, x: Tensor) -> Tensor:
        return x.exp().sqrt().sin().cos().tan()

    with pytest.raises(InputError, match=r"exp at .*; sqrt at .*; sin at .*; and 2 more"):
        twin(lambda: Net(many), IF())


def test_something_has_to_spike(twin: Build) -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(128, 5)

        def forward(self, x: Tensor) -> Tensor:
            F.relu(x)
            return self.head(x.flatten(1))

    for make in (Aside, lambda: nn.Sequential(nn.Flatten(), nn.Linear(128, 5))):
        with pytest.raises(InputError, match="has no ReLU that its answer hangs on"):
            twin(make, IF())


class Several(Net):
    def forward(self, x: Tensor) -> Any:
        return {"logits": super().forward(x)}


def hooked() -> nn.Module:
    network = Net(nn.ReLU())
    network.between.register_forward_hook(lambda _module, _inputs, output: output * 2)
    return network


HERE = Net(nn.Identity())


@pytest.mark.parametrize(
    ("make", "kind", "says"),
    [
        (lambda: None, InputError, "made as NoneType, not as a torch.nn.Module"),
        (lambda: 1 / 0, UserCodeError, "ZeroDivisionError"),
        (
            lambda: Net(nn.Conv2d(3, 4, 3)),
            UserCodeError,
            r"cannot take images \[B, 2, 8, 8\]: RuntimeError: .*channels",
        ),
        (lambda: nn.LSTM(8, 8), UserCodeError, "cannot take images"),
        (lambda: nn.Sequential(nn.ReLU()), InputError, r"answers 2 images with \(2, 2, 8, 8\)\. It must be logits"),
        (lambda: Several(nn.Identity()), InputError, "answers 2 images with dict"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(128, 7), nn.ReLU()),
            InputError,
            "with 7 classes; the data set has 5",
        ),
        (hooked, InputError, "with ReLU it answers otherwise than the module itself .*hooks on its modules"),
    ],
)
def test_hostile_targets(make: Any, kind: type[Exception], says: str, twin: Build) -> None:
    with pytest.raises(kind, match=says):
        twin(make, IF())


@pytest.mark.parametrize("make", [HERE, lambda: HERE])
def test_one_network_for_several_runs_is_refused(make: Any, twin: Build) -> None:
    """The second run would begin with the weights of the first."""
    with pytest.raises(InputError, match="same network in every call"):
        _ = [twin(make, IF()) for _ in range(2)]


@pytest.mark.parametrize(
    ("model", "kind", "says"),
    [
        (Twin(), InputError, "The model twin needs the name of what makes it: --model.target package.module:callable"),
        (Twin("plain_networks"), InputError, "not of the form package.module:callable"),
        (Twin("no_such_zoo:make"), UserCodeError, "cannot be imported: ModuleNotFoundError"),
        (Twin("plain_networks:Residua"), InputError, "Did you mean 'Residual'"),
        (Twin("plain_networks:Block"), UserCodeError, "cannot be called without arguments"),
    ],
)
def test_targets_that_name_nothing(model: Twin, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        model.build(SHAPE, 5, IF())
