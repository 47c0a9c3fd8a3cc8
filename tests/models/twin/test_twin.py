"""A twin is the network that it is made of, with neurons in place of ReLUs."""

import copy
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import plain_networks
from spikedistill.errors import InputError
from spikedistill.models import MLP, VGG, WRN, CifarResNet, ConvNet, Model, Network, PyramidNet, ResNet, SEWResNet, Twin
from spikedistill.models.layers import Conv2d, Dropout, Linear, NormAct
from spikedistill.models.size import size
from spikedistill.models.taps import attach
from spikedistill.models.trace import trace
from spikedistill.models.twin import TwinNetwork
from spikedistill.neurons import IF, LIF, PLIF, GradedReLU, Norm, ReLU, backward_pass

SHAPE = (2, 8, 8)
OWN = [
    CifarResNet(8, width=4),
    ConvNet((4, 4), (8,)),
    MLP((6,), "neuron"),
    PyramidNet((1, 2), stem=4, widen=6),
    ResNet(18, width=2),
    SEWResNet(18, width=2),
    VGG(11, "avg", hidden=(6,), width=2),
    WRN(10, 1),
]
TO_OURS = {
    "conv1.": "stem.",
    "bn1.": "stem_act.norm.",
    "layer": "stage",
    ".bn1.": ".act1.norm.",
    ".bn2.": ".act2.norm.",
    "downsample": "shortcut",
    "fc.": "head.",
}
Build = Callable[..., TwinNetwork]


def backward(network: nn.Module, logits: Tensor) -> dict[str, Tensor]:
    """Gradients of something that every time step has a part in."""
    network.zero_grad()
    (logits.square() * torch.arange(1, 1 + len(logits))[:, None, None]).sum().backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.usefixtures("unchecked")
class TestOfOurOwn:
    """The twin of a network of this library, built with ReLU, is the one that is built with the neuron."""

    @pytest.mark.parametrize("model", OWN, ids=str)
    @pytest.mark.parametrize("way", ["time", "rate"])
    def test_spike_for_spike(self, model: Model, way: Any, twin: Build) -> None:
        ours = model.build(SHAPE, 5, LIF())
        ann = model.build(SHAPE, 5, ReLU())
        ann.load_state_dict(ours.state_dict())
        theirs = twin(lambda: ann, LIF())
        images, results = torch.randn(6, *SHAPE), []
        for network, stages in ((ours, ours.stages), (theirs, [f"module.{path}" for path in ours.stages])):
            taps = attach(network, [path for stage in stages for path in (stage, f"{stage}.current")])
            with taps.recording(), backward_pass(way):
                logits = network(images, 4)
            judged = logits if way == "time" else logits.mean(0, keepdim=True)  # rates know the mean alone
            results.append((logits, list(taps.take().values()), backward(network, judged)))
        (logits, spikes, grads), (same_logits, same_spikes, same_grads) = results
        assert torch.equal(logits, same_logits)
        assert all(map(torch.equal, spikes, same_spikes))
        assert grads.keys() == {name.removeprefix("module.") for name in same_grads} != set()
        for name, grad in grads.items():
            torch.testing.assert_close(grad, same_grads[f"module.{name}"], rtol=1e-5, atol=1e-6, msg=name)

    def test_bits_are_kept_where_ours_are(self, twin: Build) -> None:
        """And not of sums of spikes, although the ANN's layers know nothing of either."""
        for model in OWN:
            ours = [m for m in model.build(SHAPE, 5, IF()).modules() if isinstance(m, Conv2d | Linear)]
            theirs = twin(lambda model=model: model.build(SHAPE, 5, ReLU()), IF())
            same = [m for m in theirs.modules() if isinstance(m, Conv2d | Linear)]
            assert [m.reads_bits for m in same] == [m.reads_bits for m in ours], model

    def test_stages_are_those_that_end_at_a_size(self, twin: Build) -> None:
        for model in (ConvNet((4, 4), (8,)), ResNet(18, width=2), WRN(10, 1), MLP((6, 7))):
            ours = model.build(SHAPE, 5, IF())
            theirs = twin(lambda model=model: model.build(SHAPE, 5, ReLU()), IF())
            assert theirs.stages == tuple(f"module.{path}" for path in ours.stages)

    def test_neurons_that_spike_are_no_relus(self, twin: Build) -> None:
        with pytest.raises(InputError, match=r"NormAct 'conv_acts.0'.*: it has spiking neurons already"):
            twin(lambda: ConvNet((4,), (8,)).build(SHAPE, 5, IF()), IF())


class TestOfPlainTorch:
    def test_a_residual_network_is_our_resnet_spike_for_spike(self, twin: Build) -> None:
        """Sums before neurons, and so the fused kernel with a residual that is kept as bits."""
        torch.manual_seed(0)
        ours = ResNet(18, width=2).build(SHAPE, 5, LIF())
        theirs = twin(plain_networks.Residual, LIF())
        names: dict[str, str] = {}
        for name in plain_networks.Residual().state_dict():
            our_name = name
            for old, new in TO_OURS.items():
                if old.startswith((".", "down")) or our_name.startswith(old):
                    our_name = our_name.replace(old, new)
            names[name] = our_name
        weights = ours.state_dict()
        theirs.load_own_state_dict({n: weights.get(ours, torch.tensor(0)) for n, ours in names.items()})
        images = 3 * torch.randn(6, *SHAPE)
        logits, same = ours(images, 4), theirs(images, 4)
        assert logits.std() > 0
        assert torch.equal(logits, same)
        grads, same_grads = backward(ours, logits), backward(theirs, same)
        given_back = {name: value for name, value in theirs.own_state_dict().items() if "num_batches" not in name}
        for name, value in given_back.items():
            assert torch.equal(ours.state_dict()[names[name]], value), name  # norms have counted the same pass
        assert len(grads) == len(same_grads) == len(list(ours.parameters()))
        assert sum(isinstance(m, NormAct) for m in theirs.modules()) == 17
        assert sum(isinstance(m, Norm) for m in theirs.modules()) == 20

    @pytest.mark.parametrize("make", [plain_networks.Residual, plain_networks.Functional])
    def test_with_relu_it_is_the_network_itself(
        self, make: Callable[[], nn.Module], twin: Build, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Bit for bit by the definitions; the kernels' sums have another order."""
        module, images = make(), torch.randn(6, *SHAPE)
        network = twin(lambda: copy.deepcopy(module), ReLU())
        for mode in ("eval", "train") if make is plain_networks.Residual else ("eval",):  # the other one drops
            getattr(module, mode)(), getattr(network, mode)()
            expected = module(images)
            torch.testing.assert_close(network(images, 4), expected[None], rtol=1e-4, atol=1e-5)
        network.load_own_state_dict(module.state_dict())
        monkeypatch.setenv("SPIKEDISTILL_KERNELS", "reference")
        module.eval(), network.eval()
        assert torch.equal(network(images, 4)[0], module(images))
        if make is plain_networks.Residual:
            module.train(), network.train()
            expected, logits = module(images), network(images)
            assert torch.equal(logits[0], expected)
            grads, same = backward(module, expected[None]), backward(network, logits)
            for name, ours in network._names.items():
                if name in grads:
                    torch.testing.assert_close(grads[name], same[f"module.{ours}"], msg=name)
            for name, value in network.own_state_dict().items():
                if "num_batches" not in name:
                    assert torch.equal(value, module.state_dict()[name]), name

    def test_a_relu_that_is_called_twice_has_two_states(self, twin: Build) -> None:
        """Against IF with soft reset written in NumPy, step by step."""

        class Twice(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.flatten = nn.Flatten()
                self.first = nn.Linear(128, 12)
                self.second = nn.Linear(12, 12)
                self.head = nn.Linear(12, 5)
                self.relu = nn.ReLU()

            def forward(self, x: Tensor) -> Tensor:
                x = self.relu(self.first(self.flatten(x)))
                return self.head(self.relu(self.second(x)))

        torch.manual_seed(0)
        network = twin(Twice, PLIF(reset=None, threshold=0.2))
        learned = [name for name, _ in network.named_parameters() if name.endswith("act.w")]
        assert learned == ["module.relu.act.w", "module.relu_1.act.w"]

        network = twin(Twice, IF(reset=None, threshold=0.2)).eval()
        assert network.stages == ("module.relu", "module.relu_1")
        w = {name: value.double().numpy() for name, value in network.own_state_dict().items()}
        images = torch.randn(3, *SHAPE)
        v1 = v2 = np.zeros((3, 12))
        for logits in network(images, 6):
            v1 = v1 + images.double().flatten(1).numpy() @ w["first.weight"].T + w["first.bias"]
            s1 = (v1 >= 0.2) * 1.0
            v2 = v2 + s1 @ w["second.weight"].T + w["second.bias"]
            s2 = (v2 >= 0.2) * 1.0
            v1, v2 = v1 - 0.2 * s1, v2 - 0.2 * s2
            np.testing.assert_allclose(
                logits.detach().numpy(), s2 @ w["head.weight"].T + w["head.bias"], rtol=1e-4, atol=1e-5
            )

    def test_a_still_image_is_looked_at_once(self, twin: Build) -> None:
        network = twin(plain_networks.Functional, LIF())
        layers = {layer.path: layer for layer in trace(network, torch.randn(3, *SHAPE), 4)}
        assert layers["module.stem"].inputs == ((1, 3, *SHAPE),)
        assert layers["module.conv1"].inputs == ((4, 3, 4, 8, 8),)
        assert layers["module.add"].inputs == ((1, 3, 4, 8, 8), (4, 3, 4, 8, 8))  # a still branch is held
        assert [path for path, layer in layers.items() if layer.gives == "spikes"][:2] == [
            "module.norm1.act",
            "module.norm2.act",
        ]
        reads = {path: layer.reads for path, layer in layers.items() if isinstance(layer.module, Conv2d | Linear)}
        assert reads == {
            "module.stem": "dense",
            "module.conv1": "spikes",
            "module.conv2": "spikes",
            "module.wide": "spikes",
            "module.narrow": "spikes",
            "module.hidden": "graded",
            "module.head": "spikes",
        }
        bits = [m.reads_bits for m in network.modules() if isinstance(m, Conv2d | Linear)]
        assert bits == [False, True, True, True, True, False, True]

    def test_neurons_that_are_not_binary(self, twin: Build) -> None:
        network = twin(plain_networks.Functional, GradedReLU())
        backward(network, network(torch.randn(4, *SHAPE), 3))

    def test_sizes_are_counted_on_shapes(self) -> None:
        counted, ours = (size(model, SHAPE, 5) for model in (Twin("plain_networks:Residual"), ResNet(18, width=2)))
        assert counted == ours

    def test_stages_of_a_network_without_pixels_are_all_neurons(self, twin: Build) -> None:
        network = twin(lambda: nn.Sequential(nn.Flatten(), *linear(128, 7), *linear(7, 6), nn.Linear(6, 5)), IF())
        assert network.stages == ("module.2", "module.5")


def linear(inputs: int, outputs: int) -> Sequence[nn.Module]:
    return nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()


class Changed(nn.Module):
    """A ReLU in place, whose input is the shortcut: the shortcut is rectified too."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(144, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.conv(F.relu(x, inplace=True)) + x
        x.relu_()
        return self.head(x.flatten(1))


class Odd(nn.Module):
    """What has no counterpart among this library's layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 8, 3, padding=1, padding_mode="circular", bias=False)
        self.grouped = nn.Conv2d(8, 8, 3, padding="same", dilation=2, groups=4)
        self.counted = nn.BatchNorm2d(8, momentum=None)
        self.bare = nn.BatchNorm2d(8, affine=False)
        self.up = nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.shared = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.mix = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(32, 32, 1), nn.PixelShuffle(2), nn.Upsample(None, 2))
        self.line = nn.Conv1d(2, 3, 3)
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(3 * 14 + 1, 5))
        self.scale = nn.Parameter(torch.ones(8, 1, 1))
        self.register_buffer("shift", torch.full((1, 8, 1, 1), 0.1), persistent=False)
        self.unused = nn.Linear(3, 3)
        self.act = nn.ReLU()

    def forward(self, x: Tensor, mask: Tensor | None = None, times: float = 0.5) -> Tensor:
        if mask is not None:
            x = x * mask
        batch, _, height, width = x.shape
        x = self.act(self.counted(self.grouped(self.act(self.stem(x)))))
        x = self.act(self.bare(x) * self.scale.view(1, x.size(1), 1, 1) + self.shift)
        x = F.pad(self.pool(self.up(x)), (0, 0, 0, 0))
        left, right = self.shared(x).chunk(2, dim=1)
        x = torch.cat(x.chunk(2, dim=1), 1) - self.shared(torch.cat([right, left], 1))
        x = self.act(x)
        x = F.interpolate(self.mix(x), size=(height, width), mode="bilinear")
        x = x.view(batch, 2, 4, height, width).transpose(1, 2).mean(dim=[2, 3]).neg().permute(0, 2, 1)
        x = torch.stack([x, x * times], dim=1).sum(1).reshape(-1, 8, 4)[:, :2]
        x = F.pad(x, (0, 12))
        x = self.act(self.line(x)).reshape(batch, -1)
        return self.normed(torch.cat([x, x[:, :1]], 1))


@pytest.mark.parametrize("make", [Changed, Odd])
class TestOfTheUnusual:
    def test_with_relu_it_is_the_network_itself(self, make: type[nn.Module], twin: Build) -> None:
        module = make()
        network = twin(lambda: copy.deepcopy(module), ReLU())
        for mode in ("eval", "train"):
            images = torch.randn(6, *SHAPE)
            getattr(module, mode)(), getattr(network, mode)()
            torch.testing.assert_close(network(images, 4)[0], module(images), rtol=1e-4, atol=1e-5)

    def test_a_static_image_equals_its_copies_in_time(self, make: type[nn.Module], twin: Build) -> None:
        network, images = twin(make, LIF(threshold=0.1)).eval(), torch.randn(3, *SHAPE)
        logits = network(images, 4)
        assert logits.shape == (4, 3, 5)
        assert not torch.equal(logits[0], logits[3])
        torch.testing.assert_close(logits, network(images.expand(4, *images.shape)))
        torch.testing.assert_close(logits[:2], network(images, 2))

    def test_the_modules_weights_go_in_and_come_back(self, make: type[nn.Module], twin: Build) -> None:
        module, other = make(), make()
        network = twin(lambda: copy.deepcopy(module), LIF(threshold=0.1))
        for name, value in module.state_dict().items():
            assert torch.equal(network.own_state_dict()[name], value), name
        network.load_own_state_dict(other.state_dict())
        images = torch.randn(3, *SHAPE)
        assert torch.equal(
            network.eval()(images, 3), twin(lambda: copy.deepcopy(other), LIF(threshold=0.1)).eval()(images, 3)
        )
        module.load_state_dict(network.own_state_dict())
        assert torch.equal(module.eval()(images), other.eval()(images))

    def test_it_learns(self, make: type[nn.Module], twin: Build) -> None:
        network = copy.deepcopy(twin(make, LIF(threshold=0.1)))
        grads = backward(network, network(torch.randn(6, *SHAPE), 3))
        assert grads.keys() == dict(network.named_parameters()).keys()
        assert all(grad.isfinite().all() for grad in grads.values())
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            assert network(torch.randn(6, *SHAPE), 3).isfinite().all()


def test_weights_of_another_module_are_refused(twin: Build) -> None:
    network = twin(Changed, IF())
    state = Changed().state_dict()
    for wrong in (state | {"more": torch.zeros(1)}, state | {"head.bias": torch.zeros(4)}, {}):
        with pytest.raises(InputError, match=r"not the weights of the twin's module: [16] differ"):
            network.load_own_state_dict(wrong)
    assert torch.equal(network.own_state_dict()["head.bias"], network.module.head.bias)


class TestDropout:
    def test_one_mask_for_all_steps(self) -> None:
        layer, x = Dropout(0.5, "here"), torch.ones(4, 3, 100)
        y = layer(x)
        assert set(y.unique().tolist()) == {0.0, 2.0}
        assert torch.equal(y, y[:1].expand_as(y))
        assert torch.equal(layer.eval()(x), x)
        channels = Dropout(0.5, "here", 2)(torch.ones(2, 3, 50, 4, 4))
        assert torch.equal(channels, channels[:1, :, :, :1, :1].expand_as(channels))

    def test_it_follows_the_mode(self, twin: Build) -> None:
        network, images = twin(plain_networks.Functional, LIF(threshold=0.1)), 3 * torch.randn(6, *SHAPE)
        dropouts = [m for m in network.modules() if isinstance(m, Dropout)]
        assert [m.p for m in dropouts] == [0.2]
        taps = attach(network, ("module.dropout", "module.view"))
        for mode, share in (("eval", 0.0), ("train", 0.2)):
            getattr(network, mode)()
            with taps.recording():
                network(images, 4)
            dropped, full = taps.take().values()
            assert ((dropped == 0) & (full > 0)).sum() / (full > 0).sum() == pytest.approx(
                share, abs=0.15 * (share > 0)
            )


def test_it_leaves_no_trace_of_itself(twin: Build) -> None:
    """Random numbers go on as if it had not been built, and other modules of the same classes are as they were."""
    torch.manual_seed(0)
    Odd()
    expected = torch.rand(1)
    torch.manual_seed(0)
    twin(Odd, IF())
    assert torch.equal(torch.rand(1), expected)
    assert type(Odd().up) is nn.ConvTranspose2d
    assert "zoo_of_twins" in sys.modules


def test_is_a_network(twin: Build) -> None:
    assert isinstance(twin(Changed, IF()), Network)
