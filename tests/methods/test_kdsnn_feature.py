import json
import logging
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from spikedistill.errors import InputError
from spikedistill.methods import CrossEntropy, KDSNNFeature, KDSNNResponse, Side, Signals, Sum
from spikedistill.methods.kdsnn_feature import margin, margin_of_activations, margin_relu, partial_l2
from spikedistill.models import ConvNet
from spikedistill.models.resnet import ResNet
from spikedistill.models.taps import attach
from spikedistill.models.wrn import WRN
from spikedistill.neurons import IF, ReLU
from spikedistill.runs import train as runs
from spikedistill.teachers import FromModule

MODEL, TEACHER, METHOD = ConvNet((4, 5), (8,)), ConvNet((6, 7), (8,)), KDSNNFeature()


def negative_mean(weight, bias):
    """E[x | x < 0] for x ~ N(bias, weight^2), integrated on a grid."""
    x = np.linspace(bias - 12 * abs(weight), 0.0, 400_001)
    density = np.exp(-(((x - bias) / weight) ** 2) / 2)
    return np.trapezoid(x * density, x) / np.trapezoid(density, x)


@pytest.mark.parametrize(("weight", "bias"), [(1.0, 0.0), (0.5, -0.7), (-2.0, 1.5), (0.3, 0.9), (1.0, -4.0)])
def test_margin_is_the_mean_of_the_negative_part_of_a_normal_distribution(weight, bias):
    (ours,) = margin(torch.tensor([weight]).double(), torch.tensor([bias]).double())
    assert ours.item() == pytest.approx(negative_mean(weight, bias), rel=1e-6)


def test_margin_jumps_to_minus_three_deviations_where_hardly_anything_is_negative():
    assert margin(torch.tensor([0.5, -2.0]), torch.tensor([2.0, 8.0])).tolist() == [-1.5, -6.0]
    assert negative_mean(1.0, 3.2) == pytest.approx(-0.27, abs=0.01)  # what the true mean would be


def test_margin_of_a_channel_that_is_constant():
    ours = margin(torch.tensor([0.0, 0.0, 0.0]), torch.tensor([-1.5, 0.0, 2.0]))
    assert ours.tolist() == [-1.5, 0.0, 0.0]


def test_margin_of_activations_is_the_mean_of_the_negative_ones():
    x = torch.tensor([[-1.0, 3.0, 2.0], [-2.0, -5.0, 0.0]])[None]  # [T=1, B=2, C=3]
    assert margin_of_activations([x]).tolist() == [-1.5, -5.0, 0.0]
    assert margin_of_activations([x[..., None, None].expand(1, 2, 3, 2, 2)]).tolist() == [-1.5, -5.0, 0.0]
    more = torch.tensor([[-6.0, 3.0, 0.0]])[None]
    assert margin_of_activations([x, more]).tolist() == [-3.0, -5.0, 0.0]  # of all three samples alike


def partial(s, t):
    """Eq. (6), one number at a time."""
    pairs = zip(s.ravel(), t.ravel(), strict=True)
    return sum(0.0 if a <= b <= 0 else (a - b) ** 2 for a, b in pairs) / len(s)


def test_partial_l2_is_equation_6():
    draw = np.random.default_rng(0)
    s, t = draw.normal(size=(2, 3, 4, 2, 2))
    student = torch.tensor(s, requires_grad=True)
    loss = partial_l2(student, torch.tensor(t))
    loss.backward()
    assert loss.item() == pytest.approx(partial(s, t), rel=1e-12)
    for place in [(0, 0, 0, 0), (1, 3, 1, 1), (2, 2, 0, 1), (0, 1, 1, 0), (1, 0, 0, 0)]:
        more, less = s.copy(), s.copy()
        more[place] += 1e-6
        less[place] -= 1e-6
        slope = (partial(more, t) - partial(less, t)) / 2e-6
        assert student.grad[place].item() == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize(
    ("s", "t", "expected"), [(-2, -1, 0), (-1, -2, 1), (-1, 0, 0), (1, -1, 4), (-1, 1, 4), (0, 0, 0)]
)
def test_partial_l2_is_zero_below_a_target_that_is_not_positive(s, t, expected):
    s, t = (torch.full((1, 1, 1, 1), float(x)) for x in (s, t))
    assert partial_l2(s, t).item() == expected


def test_margin_relu():
    x = torch.tensor([[[[-3.0]], [[-0.5]], [[2.0]]]])
    assert margin_relu(x, torch.tensor([-1.0, -1.0, -1.0])).flatten().tolist() == [-1.0, -0.5, 2.0]


def sides(model=MODEL, teacher=TEACHER, method=METHOD, shape=(3, 8, 8)):
    """Both networks, and what they say of three images; the teacher's norms are not what they start as."""
    torch.manual_seed(0)
    images = torch.randn(3, *shape)
    made = []
    for kind, neuron, taps, steps in ((model, IF(), method.student_taps, 4), (teacher, ReLU(), method.teacher_taps, 1)):
        network = kind.build(shape, 5, neuron)
        for name, parameter in network.named_parameters():
            if "norm" in name:
                nn.init.normal_(parameter, 0.2, 0.7)
        recorded = attach(network, taps)
        with recorded.recording():
            logits = network(images, steps)
        made.append(Side(network, Signals(logits, recorded.take())))
    return made


def connected(module, k, rates):
    """The connector in NumPy: 1x1 convolution, statistics of the batch, weight and bias."""
    connector = module.connectors[k]
    y = np.einsum("dc,bchw->bdhw", connector.conv.weight.detach().double().numpy()[:, :, 0, 0], rates)
    mean, var = (f(y, axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.var))
    return (y - mean) / np.sqrt(var + 1e-5)


def test_is_the_sum_over_stages_of_norms_found_in_the_teacher():
    student, teacher = sides()
    module = KDSNNFeature().build(student, teacher)
    expected = 0.0
    names = [("conv_acts.0", 0.5), ("conv_acts.1", 1.0)]
    for k, (stage, factor) in enumerate(names):
        rates = student.signals.taps[stage].detach().double().mean(0).numpy()
        current = teacher.signals.taps[f"{stage}.current"][0].detach().double().numpy()
        norm = teacher.network.get_submodule(f"{stage}.norm")
        parts = zip(norm.weight.tolist(), norm.bias.tolist(), strict=True)
        margins = [negative_mean(w, b) if math.erfc(b / abs(w) / 2**0.5) / 2 > 1e-3 else -3 * abs(w) for w, b in parts]
        target = np.maximum(current, np.array(margins)[:, None, None])
        expected += factor * partial(connected(module, k, rates), target)
    (loss,) = module(student.signals, teacher.signals, torch.zeros(3, dtype=torch.int64)).values()
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_stage_weights_and_connector_of_the_paper():
    method = KDSNNFeature(stage_weights="equal", connector="convolution")
    student, teacher = sides(method=method)
    module = method.build(student, teacher)
    assert module.factors == [1.0, 1.0]
    assert [type(connector) for connector in module.connectors] == [nn.Conv2d, nn.Conv2d]
    assert module(student.signals, teacher.signals, torch.zeros(3, dtype=torch.int64))["feature"] > 0


@pytest.mark.parametrize("model", [WRN(10, 1), ResNet(width=2)], ids=["wrn", "resnet"])
def test_every_stage_of_the_librarys_networks_has_its_norm(model, caplog):
    with caplog.at_level(logging.WARNING, "spikedistill"):
        student, teacher = sides(model, model)
        module = KDSNNFeature().build(student, teacher)
    assert not caplog.records
    assert len(module.pairs) == len(student.network.stages)


class Foreign(nn.Module):
    """A network of somebody else's: no stages, one norm, one stage without."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 7, 3, stride=3)
        nn.init.normal_(self.bn1.weight)
        nn.init.normal_(self.bn1.bias)


def test_a_foreign_norm_is_read_and_where_there_is_none_the_activations_are(caplog):
    student, _ = sides()
    network = Foreign()
    taps = {"bn1": torch.randn(1, 3, 6, 8, 8), "conv2": torch.randn(1, 3, 7, 3, 2)}
    method = KDSNNFeature(teacher_stages=("bn1", "conv2"))
    with caplog.at_level(logging.WARNING, "spikedistill"):
        module = method.build(student, Side(network, Signals(torch.randn(1, 3, 5), taps)))
    torch.testing.assert_close(module.margin_0, margin(network.bn1.weight, network.bn1.bias).float())
    assert [record.getMessage() for record in caplog.records] == [
        "The margin of the teacher's conv2 is the mean of its negative activations for 3 images: there is no norm."
    ]
    rows = taps["conv2"].movedim(2, 0).flatten(1)
    torch.testing.assert_close(module.margin_1, torch.stack([row[row < 0].mean() for row in rows]))
    losses = module(student.signals, Signals(torch.randn(1, 3, 5), taps), torch.zeros(3, dtype=torch.int64))
    assert torch.isfinite(losses["feature"])  # maps of 4x4 and 3x2


def residual_teacher():
    """A network of somebody else's, in torchvision's style: += and a ReLU in place, one ReLU for both places."""
    torch.manual_seed(3)
    return Residual()


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(6)
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(x))
        y += x
        return self.fc(self.relu(y).mean((2, 3)))


def test_a_foreign_teachers_last_relu_is_read_end_to_end(student, tmp_path, monkeypatch, caplog):
    """What enters it is a sum of branches, without a norm: the margin is from four training batches, and is logged."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "their_code.py").write_text(f"from {__name__} import residual_teacher\n")
    method = Sum((CrossEntropy(), KDSNNFeature(student_stages=("conv_acts.0",), teacher_stages=("relu.input",))))
    recipe = replace(student, method=method, teacher=FromModule("their_code:residual_teacher"), epochs=1)
    built = []
    original = KDSNNFeature.build

    def build(self, mine, theirs):
        built.append((original(self, mine, theirs), theirs))
        return built[-1][0]

    monkeypatch.setattr(KDSNNFeature, "build", build)
    with caplog.at_level(logging.WARNING, "spikedistill"):
        run = runs.train_recipe(recipe, tmp_path, "cpu")
    module, theirs = built[-1]
    assert f"relu.input is the mean of its negative activations for {4 * recipe.batch_size} images" in caplog.text
    currents = [signals.taps["relu.input"] for signals in theirs.a_few(4)]
    rows = torch.cat(currents, 1).movedim(2, 0).flatten(1)
    assert (rows < 0).any()
    expected = [row[row < 0].double().mean() if (row < 0).any() else torch.tensor(0.0).double() for row in rows]
    torch.testing.assert_close(module.margin_0, torch.stack(expected).float())
    (record,) = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert record["losses"]["kdsnn-feature.feature"] > 0


def test_a_foreign_activation_that_is_overwritten_is_refused(student, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "their_code.py").write_text(f"from {__name__} import residual_teacher\n")
    method = Sum((CrossEntropy(), KDSNNFeature(student_stages=("conv_acts.0",), teacher_stages=("bn2",))))
    with pytest.raises(InputError, match=r"'bn2' returns is changed in place afterwards.*Name what enters the module"):
        runs.train_recipe(
            replace(student, method=method, teacher=FromModule("their_code:residual_teacher")), tmp_path, "cpu"
        )


def test_vectors_of_linear_layers_are_maps_of_one_pixel():
    student = Side(None, Signals(torch.randn(4, 3, 5), {"stages": torch.randn(4, 3, 6)}))
    teacher = Side(None, Signals(torch.randn(1, 3, 5), {"stages.current": torch.randn(1, 3, 9, 4, 4)}))
    module = KDSNNFeature().build(student, teacher)
    assert torch.isfinite(module(student.signals, teacher.signals, torch.zeros(3, dtype=torch.int64))["feature"])


def test_shapes_that_a_connector_cannot_match_are_refused():
    student, teacher = sides()
    one = {"conv_acts.0": student.signals.taps["conv_acts.0"]}
    with pytest.raises(InputError, match=r"student has 1 stages \(conv_acts.0\), the teacher 2"):
        KDSNNFeature().build(Side(student.network, Signals(student.signals.logits, one)), teacher)
    tokens = {path: torch.randn(4, 3, 10, 6) for path in student.signals.taps}
    with pytest.raises(InputError, match=r"student's activation 'conv_acts.0' is \[4, 3, 10, 6\]; a connector matches"):
        KDSNNFeature().build(Side(student.network, Signals(student.signals.logits, tokens)), teacher)
    with pytest.raises(InputError, match="teacher has no activations of stages"):
        KDSNNFeature().build(student, Side(teacher.network, Signals(teacher.signals.logits, {})))


def test_losses_need_the_trained_layers():
    student, teacher = sides()
    with pytest.raises(InputError, match="has trained layers"):
        KDSNNFeature().losses(student.signals, teacher.signals, torch.zeros(3, dtype=torch.int64))


def test_refuses_a_negative_weight():
    with pytest.raises(InputError, match="weight must"):
        KDSNNFeature(weight=-0.5)


@pytest.mark.parametrize("first", [CrossEntropy(), KDSNNResponse()], ids=lambda method: method.name)
def test_in_a_sum_it_trains_with_labels_counted_once(first, taught, tmp_path):
    run = runs.train_recipe(taught(Sum((first, KDSNNFeature())), epochs=1), tmp_path, "cpu")
    (record,) = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    labelled = [name for name in record["losses"] if name.endswith(".cross_entropy")]
    assert labelled == [f"{first.name}.cross_entropy"]
    assert record["losses"]["kdsnn-feature.feature"] > 0
