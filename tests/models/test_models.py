"""Sizes against the papers, and what every network of the folder promises."""

import copy
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.models import (
    MLP,
    VGG,
    WRN,
    CifarResNet,
    ConvNet,
    Model,
    Network,
    PreResNet,
    PyramidNet,
    ResNet,
    ResNet19,
    SEWResNet,
    TorchModule,
    Twin,
    models,
)
from spikedistill.models.layers import AvgPool2d, Conv2d, Linear, NormAct
from spikedistill.models.size import size
from spikedistill.models.taps import attach
from spikedistill.models.trace import trace
from spikedistill.neurons import IF, LIF, PLIF, BatchNorm, GradedReLU, Neuron, Norm, ReLU, norm_act
from spikedistill.values.plain import from_json, to_json

SMALL = [
    CifarResNet(8, width=4),
    ConvNet((4, 4), (8,)),
    ConvNet((4,), (8,), dropout=0.5, voters=3),
    MLP((12, 8)),
    MLP((6,), "neuron"),
    PreResNet(8),
    PyramidNet((1, 2), stem=4, widen=6),
    ResNet(18, width=2),
    ResNet19(width=2, hidden=(6,)),
    SEWResNet(18, width=2),
    Twin("plain_networks:Functional"),
    Twin("plain_networks:Residual"),
    VGG(11, hidden=(6,), width=2),
    VGG(16, "avg", hidden=(), width=2),
    WRN(10, 1),
]
SHAPE = (2, 8, 8)


def test_no_model_of_the_folder_is_forgotten_here() -> None:
    """`module` has no network of its own; tests/models/test_module.py has its tests."""
    assert {type(model) for model in SMALL} == set(models().values()) - {TorchModule}


@pytest.mark.parametrize(
    ("model", "shape", "parameters", "operations"),
    [
        (ConvNet(), (1, 28, 28), "7.39", None),
        (ResNet(18), (3, 32, 32), "11.17", "557.88"),
        (ResNet(18), (1, 28, 28), "11.17", "457.72"),
        (WRN(28, 4), (3, 32, 32), "5.85", "849.33"),
        (WRN(16, 2), (3, 32, 32), "0.69", None),
    ],
)
def test_parameters_and_operations_are_the_published_ones(
    model: Model, shape: tuple[int, int, int], parameters: str, operations: str | None
) -> None:
    counted = size(model, shape)
    assert f"{counted.parameters / 1e6:.2f}" == parameters
    if operations:
        assert f"{counted.published_ops / 1e6:.2f}" == operations


def test_the_mnist_network_has_the_papers_synapses() -> None:
    network = ConvNet().build((1, 28, 28), 10, IF())
    synapses = [m.weight.numel() for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert synapses == [1_152, 147_456, 7_225_344, 11_520]


def test_macs_are_counted_by_hand() -> None:
    """Two 3x3 convolutions at 8x8 and 4x4, then 16 -> 8 -> 10."""
    counted = size(ConvNet((4, 4), (8,)), SHAPE)
    assert counted.macs == 4 * 2 * 9 * 64 + 4 * 4 * 9 * 16 + 16 * 8 + 8 * 10
    assert counted.published_ops == counted.macs + 4 * (4 * 64 + 4 * 16 + 8)


def test_preresnet_is_a_wide_resnet_that_is_not_wide() -> None:
    """They count the two shortcuts that change shape, or not."""
    shapes = [
        {name: value.shape for name, value in model.build(SHAPE, 5, IF()).state_dict().items()}
        for model in (PreResNet(20), WRN(22, 1))
    ]
    assert shapes[0] == shapes[1]


def run(model: Model, neuron: Neuron, images: Tensor, steps: int | None) -> tuple[Network, Tensor]:
    torch.manual_seed(0)
    network = model.build(SHAPE, 5, neuron)
    return network, network(images, steps)


@pytest.mark.parametrize("model", SMALL, ids=str)
class TestEveryNetwork:
    def test_an_ann_has_one_step_and_an_snn_has_t(self, model: Model) -> None:
        images = torch.randn(3, *SHAPE)
        assert run(model, ReLU(), images, 6)[1].shape == (1, 3, 5)
        assert run(model, IF(), images, 6)[1].shape == (6, 3, 5)

    def test_frames_enter_as_they_are(self, model: Model) -> None:
        assert run(model, LIF(), torch.randn(4, 3, *SHAPE), None)[1].shape == (4, 3, 5)

    @pytest.mark.parametrize("neuron", [IF(), LIF(), GradedReLU()], ids=str)
    def test_a_static_image_equals_its_copies_in_time(self, model: Model, neuron: Neuron) -> None:
        """Direct coding passes the first synapse and norm once; in eval mode the statistics are the same too."""
        images = torch.randn(3, *SHAPE)
        network, _ = run(model, neuron, images, 4)
        network.eval()
        torch.testing.assert_close(network(images, 4), network(images.expand(4, *images.shape)))

    def test_fewer_steps_are_the_beginning_of_more(self, model: Model) -> None:
        images = torch.randn(3, *SHAPE)
        network, _ = run(model, IF(), images, 4)
        network.eval()
        torch.testing.assert_close(network(images, 2), network(images, 5)[:2])

    def test_nothing_is_left_over_from_a_pass(self, model: Model) -> None:
        images = torch.randn(3, *SHAPE)
        network, _ = run(model, IF(), images, 4)
        network.eval()
        first = network(images, 4)
        network(torch.randn(3, *SHAPE), 3)
        assert torch.equal(first, network(images, 4))

    def test_every_parameter_gets_a_gradient(self, model: Model) -> None:
        network, logits = run(model, LIF(), torch.randn(8, *SHAPE), 4)
        logits.square().sum().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())

    def test_every_norm_is_of_the_kind_that_was_asked_for(self, model: Model) -> None:
        if "norm" not in model.uses:
            pytest.skip("its norms are its own")
        kind = BatchNorm(momentum=0.3, start=0.5)
        norms = [m for m in model.build(SHAPE, 5, IF(), kind).modules() if isinstance(m, Norm)]
        assert norms
        assert all(norm.kind == kind and (norm.weight == 0.5).all() for norm in norms)

    def test_ann_and_snn_have_the_same_state(self, model: Model) -> None:
        """One definition: a teacher's weights fit the student of its shape."""
        ann, snn = model.build(SHAPE, 5, ReLU()), model.build(SHAPE, 5, IF())
        snn.load_state_dict(ann.state_dict())

    def test_its_stages_are_modules(self, model: Model) -> None:
        network = model.build(SHAPE, 5, IF())
        assert network.stages
        assert set(network.stages) <= dict(network.named_modules()).keys()


@pytest.mark.parametrize("model", SMALL, ids=str)
def test_kernels_and_definitions_agree(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    images, logits = torch.randn(8, *SHAPE), {}
    for mode in ("reference", "auto"):
        monkeypatch.setenv("SPIKEDISTILL_KERNELS", mode)
        logits[mode] = run(model, LIF(), images, 4)[1]
    agree = torch.isclose(logits["reference"], logits["auto"], atol=1e-4).all(-1)
    assert agree.float().mean() > 0.9  # a spike at the very threshold may fall to either side


@pytest.mark.parametrize("model", SMALL, ids=str)
def test_networks_keep_as_bits_what_is_bits(model: Model, cpu_kernels: None) -> None:
    """In bfloat16 every layer answers as torch does, forward and backward; sums of spikes are not kept as bits.

    Torch is asked in float32: its bfloat16 reads memory that nobody wrote (`dispatch._geometry`).
    """
    torch.manual_seed(0)
    network = model.build(SHAPE, 5, IF())
    seen: list[tuple[Conv2d | Linear, Tensor, Tensor]] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(module, Conv2d | Linear)
        output.retain_grad()
        seen.append((module, inputs[0].detach(), output))

    for module in network.modules():
        if isinstance(module, Conv2d | Linear):
            module.register_forward_hook(keep)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(3 * torch.randn(6, *SHAPE), 4)
    logits.float().square().sum().backward()
    assert len(seen) > 1
    for layer, x, y in seen:
        assert layer.reads_bits <= bool(((x == 0) | (x == 1)).all())
        weight = layer.weight.detach().bfloat16().float().requires_grad_()
        x, bias = x.bfloat16().float(), None if layer.bias is None else layer.bias.detach().bfloat16().float()
        if isinstance(layer, Conv2d):
            folded = nn.functional.conv2d(x.flatten(0, 1), weight, bias, layer.stride, layer.padding)
            expected = folded.view(*x.shape[:2], *folded.shape[1:])
        else:
            expected = nn.functional.linear(x, weight, bias)
        assert y.grad is not None
        torch.testing.assert_close(y.float(), expected, rtol=2e-2, atol=2e-2)
        expected.backward(y.grad.float())
        assert layer.weight.grad is not None
        assert weight.grad is not None
        scale = weight.grad.abs().max()
        torch.testing.assert_close(layer.weight.grad, weight.grad, rtol=5e-2, atol=float(2e-2 * scale) + 1e-6)


@pytest.mark.parametrize("model", SMALL, ids=str)
@torch.no_grad()
def test_neurons_in_bfloat16_are_the_definitions(model: Model, cpu_kernels: None) -> None:
    """Of what each layer of neurons is given, residuals too; a potential at the threshold may fall to either side."""
    torch.manual_seed(0)
    network = model.build(SHAPE, 5, LIF(threshold=0.3))
    checked = []

    def compare(layer: nn.Module, inputs: tuple[Tensor, ...], options: dict[str, Tensor], spikes: Tensor) -> None:
        assert isinstance(layer, NormAct)
        residual, steps = options.get("residual"), options.get("steps")
        wide = None if residual is None else residual.float()
        if isinstance(layer.norm, Norm):
            expected = norm_act(inputs[0].float(), copy.deepcopy(layer.norm), layer.act, wide, steps)
        else:
            expected = layer.act(inputs[0].float(), steps)
        assert spikes.dtype == torch.bfloat16
        checked.append((spikes == expected).float().mean().item())

    for module in network.modules():
        if isinstance(module, NormAct):
            module.register_forward_hook(compare, with_kwargs=True)
    with torch.autocast("cpu", torch.bfloat16):
        network(3 * torch.randn(6, *SHAPE), 4)
    assert checked
    assert min(checked) > 0.99


def test_the_gesture_network_takes_frames_and_learns_its_time_constants() -> None:
    """5Conv-1FC with few channels, on frames of events."""
    torch.manual_seed(0)
    network = ConvNet((4,) * 5, ()).build((2, 32, 32), 11, PLIF())
    logits = network(torch.randint(0, 5, (6, 3, 2, 32, 32)).float(), None)
    assert logits.shape == (6, 3, 11)
    logits.square().sum().backward()
    learned = [parameter.grad for name, parameter in network.named_parameters() if name.endswith("act.w")]
    assert len(learned) == 5
    assert all(grad is not None and grad.abs() > 0 for grad in learned)


@pytest.mark.parametrize("readout", ["neuron", "inner"])
def test_an_mlp_reads_its_last_neurons_spikes_or_their_inner_state(readout: Literal["neuron", "inner"]) -> None:
    """Distilling Spikes' network in NumPy, norm by norm and step by step."""
    torch.manual_seed(0)
    neuron, images = GradedReLU(), 2 * torch.randn(6, *SHAPE)
    network = MLP((7,), readout).build(SHAPE, 5, neuron)
    logits = network(images, 4)
    x = np.broadcast_to(images.flatten(1).double().numpy(), (4, 6, 128))
    for k, synapse in enumerate(network.synapses):
        x = x @ synapse.weight.detach().double().numpy().T
        x = (x - x.mean((0, 1))) / np.sqrt(x.var((0, 1)) + 1e-5)
        state, read = np.zeros(x.shape[1:]), []
        for current in x:
            state = current + neuron.decay * state
            spikes = np.maximum(state - neuron.threshold, 0.0)
            state = np.where(spikes > 0, (1 - neuron.penalty / neuron.threshold) * state, state)
            read.append(state if readout == "inner" and k == 1 else spikes)
        x = np.stack(read)
    np.testing.assert_allclose(logits.detach().numpy(), x, rtol=1e-3, atol=1e-4)
    if readout == "inner":
        assert (logits < 0).any()
        with pytest.raises(InputError, match="IF has no inner state to read out"):
            MLP((7,), readout).build(SHAPE, 5, IF())


def test_voters_are_averaged_and_spike() -> None:
    """Fang et al.'s last layers: 3 neurons for each of 5 classes, so that a logit is a multiple of 1/3."""
    torch.manual_seed(0)
    network = ConvNet((4,), (), voters=3).build(SHAPE, 5, PLIF(threshold=0.2))
    logits = network(3 * torch.randn(200, *SHAPE), 4)
    assert network.head.out_features == 15
    assert set((3 * logits).round(decimals=4).unique().tolist()) == {0.0, 1.0, 2.0, 3.0}
    assert trace(network, torch.randn(2, *SHAPE), 4)[-1].gives == "graded"


def test_tdbn_starts_lower_where_branches_are_added() -> None:
    """1 / sqrt(2) in the last norm of a block and in that of its shortcut, so that their sum varies like the rest."""
    kind = BatchNorm(start=2.0, branch=0.5**0.5)
    network = ResNet19(width=2, hidden=(6,)).build(SHAPE, 5, IF(), kind)
    starts = {name: module.weight[0].item() for name, module in network.named_modules() if isinstance(module, Norm)}
    added = {name for name in starts if name.endswith("act2.norm") or "shortcut" in name}
    assert {name for name, start in starts.items() if start == pytest.approx(2**0.5)} == added
    assert {start for name, start in starts.items() if name not in added} == {2.0}
    assert sum("shortcut" in name for name in added) == 2
    taps = attach(network, ("stage2.0.act2.current", "stage2.0.act1.current"))
    with taps.recording():
        network(torch.randn(16, *SHAPE), 4)
    for current in taps.take().values():
        assert current.std((0, 1, 3, 4)).mean().item() == pytest.approx(2.0, rel=0.35)


@torch.no_grad()
def test_spikes_of_a_row_of_blocks_add_up() -> None:
    """The k-th block without a shortcut of its own gives up to k + 2 spikes; averaged spikes are quarters."""
    torch.manual_seed(0)
    network = SEWResNet(34, width=8).build((2, 32, 32), 5, IF(threshold=0.1)).eval()
    blocks = [f"stage{k}.{b}" for k, count in enumerate((3, 4, 6, 3), 1) for b in range(count)]
    taps = attach(network, [f"{block}.add" for block in blocks])
    with taps.recording():
        network(torch.randn(8, 2, 32, 32), 4)
    for path, sums in taps.take().items():
        most = int(path.split(".")[1]) + 2
        assert sums.max() > 1
        assert set(sums.unique().tolist()) <= set(map(float, range(most + 1)))
    network = VGG(11, "avg", (), width=2).build(SHAPE, 5, IF())
    pools = [f"features.{k}" for k, layer in enumerate(network.features) if isinstance(layer, AvgPool2d)]
    taps = attach(network, pools)
    with taps.recording():
        network(torch.randn(8, *SHAPE), 4)
    means = torch.cat([mean.flatten() for mean in taps.take().values()])
    assert means.unique().tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(("size", "pools"), [(8, 3), (28, 4), (31, 4), (32, 5), (64, 5)])
def test_vgg_leaves_out_the_pools_that_would_leave_nothing(size: int, pools: int) -> None:
    network = VGG(11, "avg", (), width=1).build((1, size, size), 5, IF())
    assert sum(isinstance(layer, AvgPool2d) for layer in network.features) == pools
    assert network.head.in_features == 8 * (size // 2**pools) ** 2
    assert network.head.reads_bits == (pools < 5)


def test_models_of_the_folder_are_found() -> None:
    assert models() == {
        "cifar-resnet": CifarResNet,
        "convnet": ConvNet,
        "mlp": MLP,
        "module": TorchModule,
        "preresnet": PreResNet,
        "pyramidnet": PyramidNet,
        "resnet": ResNet,
        "resnet19": ResNet19,
        "sew-resnet": SEWResNet,
        "twin": Twin,
        "vgg": VGG,
        "wrn": WRN,
    }


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: ResNet(20), "18, 34"),
        (lambda: WRN(17), "10, 16, 22"),
        (lambda: WRN(4), "10 or more"),
        (lambda: WRN(1_000_000), "depth must be at most 1300, not 1000000"),
        (lambda: WRN(16, 10**12), "at most 256"),
        (lambda: ResNet(18, 10**9), "at most 4096"),
        (lambda: CifarResNet(18), "8, 14, 20"),
        (lambda: CifarResNet(2), "8 or more"),
        (lambda: CifarResNet(20, 10**9), "at most 4096"),
        (lambda: PreResNet(22), "8, 14, 20"),
        (lambda: PreResNet(10**9), "at most 1298"),
        (lambda: ResNet19(0), "1 or more"),
        (lambda: ResNet19(hidden=(0,)), "whole numbers from 1"),
        (lambda: SEWResNet(50), "18, 34"),
        (lambda: SEWResNet(18, 10**9), "at most 4096"),
        (lambda: VGG(13), "11, 16"),
        (lambda: from_json(VGG, to_json(VGG()) | {"pool": "average"}), "allowed: 'max', 'avg'"),
        (lambda: VGG(11, width=10**9), "at most 4096"),
        (lambda: VGG(11, hidden=(10**9,)), "whole numbers from 1 to 1048576"),
        (lambda: PyramidNet(()), "1 to 8 numbers"),
        (lambda: PyramidNet(widen=0), "1 or more"),
        (lambda: PyramidNet(stem=10**9), "at most 4096"),
        (lambda: PyramidNet().build((3, 30, 32), 10, IF()), "30x32 cannot be halved 2 times"),
        (lambda: MLP((0,)), "whole numbers from 1 to 1048576"),
        (lambda: MLP((10**30,)), "whole numbers from 1 to 1048576"),
        (lambda: MLP((4,) * 1000), "0 to 100 numbers"),
        (lambda: ConvNet(()), "1 to 16 numbers"),
        (lambda: ConvNet((100_000_000_000,)), "channels must be whole numbers from 1 to 65536"),
        (lambda: ConvNet(hidden=(100_000_000_000,)), "hidden must be whole numbers from 1 to 1048576"),
        (lambda: ConvNet((4, 4, 4, 4)).build((1, 8, 8), 10, IF()), "halved"),
        (lambda: ConvNet(dropout=1.0), "dropout must be a finite number below 1"),
        (lambda: ConvNet(dropout=-0.1), "dropout must be 0 or more"),
        (lambda: ConvNet(voters=-1), "voters must be 0 or more"),
    ],
)
def test_impossible_sizes_are_refused(make: object, names: str) -> None:
    with pytest.raises(InputError, match=names):
        make()  # type: ignore[operator]
