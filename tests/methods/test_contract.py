"""What every method promises, for all that are found, and for one with trainable parts."""

import ast
import copy
import dataclasses
import inspect
import math
import re
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.methods import TSER, Losses, Method, MethodModule, Side, Signals, Sum, VanillaKD, methods
from spikedistill.methods.divergences import cross_entropy
from spikedistill.randomness import Draws

K = 10


@dataclass(frozen=True)
class Connected(Method):
    """A method that reads activations and maps the student's to the teacher's with a trained layer."""

    name: ClassVar[str] = "connected"
    student_taps: ClassVar[tuple[str, ...]] = ("hidden",)
    teacher_taps: ClassVar[tuple[str, ...]] = ("features",)

    weight: float = 0.1

    @property
    def weights(self) -> dict[str, float]:
        return {"hint": self.weight}

    def build(self, student: Side, teacher: Side | None) -> "Connector":
        assert teacher is not None
        return Connector(self, student.signals.taps["hidden"].shape[2], teacher.signals.taps["features"].shape[2])

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:
        taught = self.taught_by(teacher).taps["features"].mean(0)
        distance = (student.taps["hidden"].mean(0) - taught).square().mean()
        return {"cross_entropy": cross_entropy(student.logits, labels), "hint": distance}


class Connector(MethodModule):
    def __init__(self, method: Connected, inputs: int, outputs: int) -> None:
        super().__init__(method.losses)
        self.connector = nn.Conv2d(inputs, outputs, 1)

    def forward(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:
        hidden = student.taps["hidden"]
        mapped = self.connector(hidden.flatten(0, 1)).unflatten(0, hidden.shape[:2]).float()
        return super().forward(Signals(student.logits, {"hidden": mapped}), teacher, labels)


FOUND = [cls() for cls in methods().values()]
MORE = [Connected(), Sum((TSER(), Connected(), VanillaKD()), (1.0, 0.5, 2.0))]
every_method = pytest.mark.parametrize("method", [*FOUND, *MORE], ids=lambda method: method.name)


def signals(method, T=4, teacher_T=1, B=6, dtype=torch.float32, seed=0):
    """Logits, and whatever activations the method asks for, all with gradient."""
    draw = torch.Generator().manual_seed(seed)

    def network(steps, taps, channels):
        def leaf(*shape):
            return torch.randn(*shape, generator=draw).to(dtype).requires_grad_()

        return Signals(leaf(steps, B, K), {tap: leaf(steps, B, channels, 4, 4) for tap in taps})

    student = network(T, method.student_taps, 6)
    its_T = T if method.same_steps else teacher_T
    teacher = network(its_T, method.teacher_taps, 8) if method.needs_teacher else None
    return student, teacher, torch.randint(0, K, (B,), generator=draw)


class Drawing(nn.Module):
    """A method that draws, with the random numbers of images 0, 1, ..., or of the given ones."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, student, teacher, labels, index=None):
        index = torch.arange(len(labels)) if index is None else index
        return self.module(student, teacher, labels, Draws(0, 0, index))


def built(method, student, teacher):
    """The method's module, for signals of no network."""
    module = method.build(Side(None, student), teacher and Side(None, teacher))
    return Drawing(module) if method.draws else module


def from_one_seed(method, student, teacher):
    """The same, with trained layers that start as those of every other call."""
    torch.manual_seed(0)
    return built(method, student, teacher)


def read(method, student):
    """What the method reads of the student: methods on activations alone, without labels, read no logits."""
    logits = () if method.student_taps and not method.needs_labels else (student.logits,)
    return *logits, *student.taps.values()


def reordered(one, order):
    return Signals(one.logits[:, order], {name: tap[:, order] for name, tap in one.taps.items()})


def same(one, other, **tolerance):
    assert one.keys() == other.keys()
    for term in one:
        torch.testing.assert_close(one[term], other[term], **tolerance)


def test_names_are_what_one_types():
    found = methods()
    assert {"cross-entropy", "kdsnn", "tet", "tser", "vanilla-kd"} <= found.keys()
    for name, cls in found.items():
        assert cls.name == name
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)


@pytest.mark.parametrize("cls", methods().values(), ids=lambda cls: cls.name)
def test_the_source_is_cited_in_a_literal(cls):
    """`spikedistill cite` reads it without importing torch."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(cls)))
    (citation,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and [target.id for target in node.targets] == ["CITATION"]
    ]
    entries = re.findall(r"^@\w+\{[\w:-]+,$", citation, flags=re.MULTILINE)
    assert entries or cls is Sum  # which is of no paper; its parts are
    assert citation.count("{") == citation.count("}")
    for field in ("title", "author", "year"):
        assert len(re.findall(rf"^ +{field} +=", citation, flags=re.MULTILINE)) == len(entries)


@every_method
def test_is_a_value(method):
    assert method == dataclasses.replace(method)
    assert hash(method) == hash(dataclasses.replace(method))
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.name = "other"


def autocast(dtype):
    """What the loop runs a method in: bfloat16 signals come out of an autocast network."""
    return torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16)


@every_method
@pytest.mark.parametrize(("T", "teacher_T"), [(1, 1), (4, 1), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_losses_are_named_finite_scalars_in_32_bits(method, T, teacher_T, dtype):
    student, teacher, labels = signals(method, T, teacher_T, dtype=dtype)
    with autocast(dtype):
        losses = built(method, student, teacher)(student, teacher, labels)
    assert losses
    for name, loss in losses.items():
        assert re.fullmatch(r"[a-z0-9_]+|([a-z0-9-]+\.)+[a-z0-9_]+", name)
        assert loss.shape == ()
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)


@every_method
def test_weights_are_finite_factors_of_terms(method):
    student, teacher, labels = signals(method)
    losses = built(method, student, teacher)(student, teacher, labels)
    assert {name for name, weight in method.weights.items() if weight} <= losses.keys()
    assert all(math.isfinite(method.factor_of(name)) for name in losses)
    assert all(method.factor_of(name) == method.weights.get(name, method.factor_of(name)) for name in losses)
    expected = sum(method.factor_of(name) * loss.item() for name, loss in losses.items())
    assert method.total(losses).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "method", [m for m in FOUND if m.needs_labels and not isinstance(m, Sum)], ids=lambda method: method.name
)
def test_label_smoothing_is_a_field_of_every_method_with_labels(method):
    """Smoothed by e, a cross-entropy moves to the mean of the log-probabilities of all classes by that share."""
    student, teacher, labels = signals(method)
    none, some, full = (
        from_one_seed(each, student, teacher)(student, teacher, labels)
        for each in (dataclasses.replace(method, label_smoothing=share) for share in (0.0, 0.2, 1.0))
    )
    assert any(none[name] != some[name] for name in none)
    for name in none:
        torch.testing.assert_close(some[name], 0.8 * none[name] + 0.2 * full[name])
    with pytest.raises(InputError, match="label_smoothing must be between 0 and 1"):
        dataclasses.replace(method, label_smoothing=1.5)


@every_method
def test_bf16_is_near_32_bits(method):
    narrow, wide = (signals(method, dtype=dtype) for dtype in (torch.bfloat16, torch.float32))
    module = built(method, *wide[:2])
    with autocast(torch.bfloat16):
        losses = module(*narrow)
    same(losses, module(*wide), rtol=0.02, atol=0.02)


@every_method
def test_large_logits_stay_finite(method):
    student, teacher, labels = signals(method)
    student, teacher = (one and Signals(one.logits * 1e4, one.taps) for one in (student, teacher))
    assert all(torch.isfinite(loss) for loss in built(method, student, teacher)(student, teacher, labels).values())


@every_method
def test_gradient_reaches_the_student_and_never_the_teacher(method):
    student, teacher, labels = signals(method)
    module = built(method, student, teacher)
    method.total(module(student, teacher, labels)).backward()
    for leaf in (*read(method, student), *module.parameters()):
        assert torch.isfinite(leaf.grad).all()
        assert leaf.grad.abs().sum() > 0
    if teacher is not None:
        assert [leaf.grad for leaf in (teacher.logits, *teacher.taps.values())] == [None] * (1 + len(teacher.taps))


@every_method
def test_every_step_and_every_sample_counts(method):
    student, teacher, labels = signals(method)
    method.total(built(method, student, teacher)(student, teacher, labels)).backward()
    for leaf in read(method, student):
        assert (leaf.grad.abs().flatten(2).sum(dim=-1) > 0).all()


@every_method
def test_a_step_down_the_gradient_lowers_the_loss(method):
    student, teacher, labels = signals(method)
    module = built(method, student, teacher)
    before = method.total(module(student, teacher, labels))
    before.backward()
    with torch.no_grad():
        for leaf in read(method, student):
            leaf -= 0.01 * leaf.grad
    stepped = Signals(student.logits, student.taps)
    assert method.total(module(stepped, teacher, labels)) < before


@every_method
def test_the_order_of_the_batch_does_not_matter(method):
    student, teacher, labels = signals(method)
    module = built(method, student, teacher)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    drawn = (order,) if method.draws else ()
    same(
        module(student, teacher, labels),
        module(reordered(student, order), teacher and reordered(teacher, order), labels[order], *drawn),
    )


@every_method
def test_labels_go_with_their_samples_or_are_not_looked_at(method):
    student, teacher, labels = signals(method)
    module = built(method, student, teacher)
    moved = module(student, teacher, (labels + 1) % K)
    assert any(loss != moved[name] for name, loss in module(student, teacher, labels).items()) == method.needs_labels


@every_method
def test_a_teacher_is_needed_or_not_looked_at(method):
    student, _, labels = signals(method)
    if method.needs_teacher:
        with pytest.raises(InputError, match=f"'{method.name}' needs a teacher"):
            method.losses(student, None, labels)
    else:
        other = Signals(torch.randn(1, 6, K))
        draws = {"draws": Draws(0, 0, torch.arange(len(labels)))} if method.draws else {}
        alone, beside = (method.losses(student, one, labels, **draws) for one in (None, other))
        same(alone, beside, rtol=0, atol=0)


@every_method
def test_saved_and_resumed_it_is_the_same(method):
    student, teacher, labels = signals(method)
    trained = built(method, student, teacher)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(torch.randn(parameter.shape))
    resumed = built(method, student, teacher)
    resumed.load_state_dict(trained.state_dict())
    expected = trained(student, teacher, labels)
    same(resumed(student, teacher, labels), expected, rtol=0, atol=0)
    same(copy.deepcopy(trained)(student, teacher, labels), expected, rtol=0, atol=0)


@every_method
def test_the_module_of_a_method_without_trained_parts_is_its_losses(method):
    student, teacher, labels = signals(method)
    module = built(method, student, teacher)
    if not list(module.parameters()):
        draws = {"draws": Draws(0, 0, torch.arange(len(labels)))} if method.draws else {}
        same(module(student, teacher, labels), method.losses(student, teacher, labels, **draws), rtol=0, atol=0)
        assert module.state_dict() == {}
    else:
        assert module.state_dict()


def test_trained_parts_train_with_the_student():
    """The connector learns to map the student's activations to a teacher's that are a linear map of them."""
    method, (student, _, labels) = Connected(), signals(Connected())
    teacher = Signals(student.logits[:1], {"features": student.taps["hidden"].mean(0, keepdim=True)[:, :, :3]})
    module = built(method, student, teacher)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.05)
    hints = []
    for _ in range(100):
        losses = module(student, teacher, labels)
        hints.append(losses["hint"].item())
        optimiser.zero_grad()
        method.total(losses).backward()
        optimiser.step()
    assert hints[-1] < 0.01 * hints[0]
