"""All contenders do the same work: sizes, logits, and every row in small."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from benchmarks.architectures import Parts
from benchmarks.contenders import CONTENDERS, KERNELS
from benchmarks.looped import Looped
from benchmarks.measure import bytes_saved
from benchmarks.rows import ALL, GROUPS, MLP, MNIST_2CONV, NETS, ROWS, find
from benchmarks.tasks import Inference, Net, Training
from torch import nn

from benchmarks import ours, yardsticks
from spikedistill.kernels.choice import implementation
from spikedistill.neurons import IF, Norm

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def jelly():
    return pytest.importorskip("benchmarks.peers_spikingjelly")


@pytest.fixture(scope="module")
def snn():
    return pytest.importorskip("benchmarks.peers_snntorch")


@pytest.fixture
def reference(monkeypatch):
    """The readable definitions, which round as the peers do."""
    monkeypatch.setenv(KERNELS, "reference")


def torch_parts(node) -> Parts:
    return Parts(nn.Conv2d, nn.BatchNorm2d, nn.BatchNorm1d, nn.Linear, nn.MaxPool2d, node)


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """The k-th convolution, linear layer and norm of one becomes that of the other; all must be used up."""
    for kinds in ((nn.Conv2d,), (nn.Linear,), (Norm, nn.BatchNorm1d, nn.BatchNorm2d)):
        a, b = ([m for m in net.modules() if isinstance(m, kinds)] for net in (source, target))
        for one, other in zip(a, b, strict=True):
            state = other.state_dict()
            other.load_state_dict(state | one.state_dict())


@pytest.mark.parametrize("name", NETS)
def test_as_many_parameters_as_ours(name, jelly):
    net = NETS[name]
    with torch.device("meta"):
        mine = ours.build(net, ours.neuron(net))
        theirs = [
            jelly.Repeated(net, jelly.parts(jelly.node_of(net, False)), 4),
            Looped(net, torch_parts(nn.Identity), 4),
        ]
    count = sum(p.numel() for p in mine.parameters())
    assert [sum(p.numel() for p in network.parameters()) for network in theirs] == [count, count]


def small(name: str) -> Net:
    """Small, but with every kind of block, and images large enough that neurons fire in the last layer."""
    sizes = {
        "mnist-2conv": (("channels", (6, 8)), ("hidden", (20,))),
        "wrn16-2": (("depth", 16), ("widen", 1)),
        "resnet-18": (("width", 8),),
    }
    return replace(NETS[name], shape=(NETS[name].shape[0], 16, 16), sizes=sizes[name])


def trained(net: Net, **of_neuron: bool) -> nn.Module:
    """Our network with norms that have seen images, so that neurons fire in eval mode too."""
    torch.manual_seed(1)
    mine = ours.build(net, IF(**of_neuron))
    for _ in range(3):
        mine(torch.randn(16, *net.shape), 4)
    return mine


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("spread", ["Repeated", "Once"])
@pytest.mark.parametrize("name", ["mnist-2conv", "wrn16-2", "resnet-18"])
def test_spikingjelly_gives_our_logits_and_gradients(name, spread, train, jelly, reference):
    net = small(name)
    mine = trained(net).train(train)
    theirs = getattr(jelly, spread)(net, jelly.parts(jelly.node_of(net, float32=spread == "Once")), 4).train(train)
    gives_ours(net, mine, theirs, held=spread == "Once")


def test_it_does_where_the_reset_is_detached(jelly, reference):
    """As in `cifar10-minutes-plain`, whose runs stand for it."""
    net = small("wrn16-2")
    mine = trained(net, detach_reset=True).train()
    node = partial(jelly.Float32IFNode, detach_reset=True, step_mode="m")
    gives_ours(net, mine, jelly.Once(net, jelly.parts(node), 4).train(), held=True)


def gives_ours(net: Net, mine: nn.Module, theirs: nn.Module, held: bool) -> None:
    """The other network's logits and the gradient of its first weights are ours, to rounding."""
    copy_weights(mine, theirs)
    images = torch.randn(4, *net.shape)
    frames = images if held else images.expand(4, *images.shape)
    logits, expected = mine(frames, 4), theirs(images)
    assert logits.std() > 0.01
    torch.testing.assert_close(logits, expected, rtol=0.0, atol=1e-4)
    for network, out in ((mine, logits), (theirs, expected)):
        out.square().mean().backward()
        network.first = next(m for m in network.modules() if isinstance(m, nn.Conv2d)).weight.grad
    torch.testing.assert_close(mine.first, theirs.first, rtol=0.0, atol=1e-4 * mine.first.abs().max().item())


@pytest.mark.parametrize("name", ["mnist-2conv", "wrn16-2", "resnet-18"])
def test_snntorch_gives_our_logits_in_eval_mode(name, snn, reference):
    # In training mode its norms see one time step at a time, as in its tutorials: other numbers, as much work.
    net = small(name)
    mine = trained(net).eval()
    theirs = Looped(net, torch_parts(lambda: snn.node(net.kind)), 4).eval()
    copy_weights(mine, theirs)
    images = torch.randn(4, *net.shape)
    with torch.no_grad():
        torch.testing.assert_close(mine(images, 4), theirs(images), rtol=0.0, atol=1e-4)


def test_the_float32_membrane_gives_the_same_spikes(jelly):
    x = (torch.randn(6, 5, 4, 3, 3) + 0.4).bfloat16()
    assert torch.equal(jelly.Float32IFNode(step_mode="m")(x), IF().build()(x))


def test_convolutions_of_the_floor():
    found = yardsticks.shapes(Training(64, 4, MNIST_2CONV))
    assert [(conv.x, conv.weight) for conv in found] == [
        ((64, 1, 28, 28), (128, 1, 3, 3)),
        ((256, 128, 14, 14), (128, 128, 3, 3)),
    ]
    assert [conv.first for conv in found] == [True, False]


@pytest.mark.parametrize("name", ["wrn16-2", "resnet-18"])
def test_the_floor_has_all_convolutions(name):
    task = Inference(2, 4, NETS[name])
    with torch.device("meta"):
        network = ours.build(task.net, IF())
    found = yardsticks.shapes(task)
    weights = [tuple(m.weight.shape) for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert sorted(conv.weight for conv in found) == sorted(weights)
    assert [conv.x[0] for conv in found] == [2, *[8] * (len(found) - 1)]


@pytest.mark.parametrize(("name", "size"), [("ours-bf16", 2), ("ours-fp32", 4)])
def test_norm_and_neuron_keep_the_current_and_the_statistics(name, size):
    task = ROWS["norm-neuron"].task.quick()
    work = CONTENDERS[name].builder()(task, CPU)
    if implementation("cpu") != "cpu":
        pytest.skip("no CPU kernels on this machine")
    assert bytes_saved(work) == size * task.items + 3 * 4 * task.shape[0]


def test_neuron_steps_are_counted():
    per_image = 128 * 28 * 28 + 128 * 14 * 14 + 1152
    assert ours.neuron_steps(Training(64, 4, MNIST_2CONV)) == per_image * 256
    assert ours.neuron_steps(Training(8, 128, MLP)) == 100 * 8 * 128
    assert ours.neuron_steps(ROWS["neuron"].task) == 32 * 4 * 64 * 32 * 32


def test_rows_and_groups():
    assert len(ROWS) == len(ALL)
    assert set(GROUPS).isdisjoint(ROWS)
    assert find("all") == ALL
    assert find("neuron") == (ROWS["neuron"],)
    assert find("training") == GROUPS["training"]
    with pytest.raises(KeyError, match="nothing"):
        find("nothing")
    assert {name for row in ALL for name in row.contenders} <= set(CONTENDERS)


COMPILED_IN = ("norm-neuron", "train-mnist-2conv")  # compiling takes up to half a minute a row
SMALL = {
    (row.task.quick(), name): None
    for row in ALL
    for name in row.contenders
    if not name.endswith("-compile") or row.name in COMPILED_IN
}


@pytest.mark.parametrize(
    ("task", "name"), SMALL, ids=lambda value: value if isinstance(value, str) else type(value).__name__
)
def test_every_contender_of_every_row_takes_two_steps(task, name, monkeypatch):
    contender = CONTENDERS[name]
    if not contender.installed:
        pytest.skip(f"{contender.package} is not installed")
    monkeypatch.setenv(KERNELS, contender.kernels)
    work = contender.builder()(task, CPU)
    work.step()
    work.step()
    assert work.forward is None or work.forward().isfinite().all()
