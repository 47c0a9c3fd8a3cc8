"""Student, taps and method in one module under one autocast; raw terms, their weights, means and draws."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import nn

from spikedistill.errors import DivergedError, InputError
from spikedistill.methods import TSER, Method, MethodModule
from spikedistill.methods.divergences import cross_entropy
from spikedistill.optim import SGD
from spikedistill.randomness import Draws
from spikedistill.runs import train as runs
from spikedistill.training import loop


@dataclass(frozen=True)
class Late(Method):
    """Cross-entropy, and a term that appears in some steps of an epoch: in those whose number is `begins` or more."""

    name: ClassVar[str] = "late"
    needs_teacher: ClassVar[bool] = False
    begins: int = 2
    finite: int = 1

    def losses(self, student, teacher, labels):
        losses = {"cross_entropy": cross_entropy(student.logits, labels)}
        if len(labels) == 2:  # a rehearsal
            return losses
        CALLS.append(1)
        if (len(CALLS) - 1) % 4 >= self.begins:
            losses["late"] = student.logits.sum() * 0 + (3.0 if self.finite else math.nan)
        return losses


CALLS: list[int] = []


@pytest.fixture(autouse=True)
def _no_calls_yet():
    CALLS.clear()


def test_a_terms_mean_is_over_the_steps_that_had_it(student, tmp_path, logged):
    """Four steps an epoch, two of which have the term."""
    for record in logged(runs.train_recipe(replace(student, method=Late()), tmp_path, "cpu").folder):
        assert record["losses"]["late"] == 3.0


def test_a_term_that_begins_later_is_checked(student, tmp_path):
    """All four steps are looked at together."""
    with pytest.raises(DivergedError, match=r"'late' is nan at epoch 1, step 4\."):
        runs.train_recipe(replace(student, method=Late(3, finite=0)), tmp_path, "cpu")


@dataclass(frozen=True)
class Growing(Method):
    """Cross-entropy times the share of the training that is done."""

    name: ClassVar[str] = "growing"
    needs_teacher: ClassVar[bool] = False
    factor: float = 1.0

    def at(self, progress):
        CALLS.append(progress)
        return replace(self, factor=progress)

    @property
    def weights(self):
        return {"cross_entropy": self.factor}

    def losses(self, student, teacher, labels):
        return {"cross_entropy": cross_entropy(student.logits, labels)}


def test_terms_are_weighed_as_far_as_the_training_is(student, tmp_path, monkeypatch, logged, interrupted):
    """Two epochs of four steps: eighths, in the rehearsal 0; the log has the weight at the end of an epoch."""
    folder = runs.train_recipe(replace(student, method=Growing()), tmp_path, "cpu").folder
    eighths = [number / 8 for number in range(8)]
    assert [0.0, *eighths[:4], 0.5, *eighths[4:], 1.0] == CALLS
    assert [record["weights"]["cross_entropy"] for record in logged(folder)] == [0.5, 1.0]
    CALLS.clear()
    interrupted(replace(student, method=Growing(), seed=5), tmp_path, monkeypatch, 3)
    assert [share for share in CALLS if share not in (0.0, 0.5, 1.0)] == [x for x in eighths if x not in (0.0, 0.5)]


def test_a_weight_of_0_trains_nothing(student, tmp_path, monkeypatch):
    """The first step of a term that grows from 0 leaves the student as it was."""
    before, after = [], []
    step = loop.train_step

    def spy(task, state, batch):
        weights = before if not before else after
        weights.append([p.detach().clone() for p in state.student.parameters()])
        return step(task, state, batch)

    monkeypatch.setattr(loop, "train_step", spy)
    plain = {"optimizer": SGD(0.1, weight_decay=0.0), "epochs": 1}
    runs.train_recipe(replace(student, method=Growing(), **plain), tmp_path, "cpu")
    pairs = [zip(before[0], one, strict=True) for one in after[:2]]
    assert [all(torch.equal(*pair) for pair in each) for each in pairs] == [True, False]


def test_terms_are_logged_raw_with_their_weights(taught, tmp_path, logged):
    method = TSER(alpha=0.25, temperature=2.0, entropy=0.1)
    records = logged(runs.train_recipe(taught(method), tmp_path, "cpu").folder)
    for record in records:
        assert record["weights"] == {"cross_entropy": 0.75, "kl": 1.0, "entropy": -0.1}
        assert record["losses"].keys() == record["weights"].keys()
        assert 0.5 < record["losses"]["entropy"] <= math.log(3)  # not times -0.1


@dataclass(frozen=True)
class Hint(Method):
    """A trained convolution maps an activation of the student to one of the teacher."""

    name: ClassVar[str] = "hint"
    student_taps: ClassVar[tuple[str, ...]] = ("conv_acts.0",)
    teacher_taps: ClassVar[tuple[str, ...]] = ("conv_acts.0",)

    def build(self, student, teacher):
        BUILT[:] = [student, teacher]
        return Connector(*(side.signals.taps["conv_acts.0"].shape[2] for side in (student, teacher)))


BUILT: list = []
DTYPES: list = []


class Connector(MethodModule):
    def __init__(self, inputs, outputs):
        super().__init__(self.losses)
        self.connector = nn.Conv2d(inputs, outputs, 1)

    def losses(self, student, teacher, labels):
        mapped = self.connector(student.taps["conv_acts.0"].flatten(0, 1))
        DTYPES.append(mapped.dtype)
        distance = mapped.float().mean() - teacher.taps["conv_acts.0"].float().mean()
        return {"cross_entropy": cross_entropy(student.logits, labels), "hint": distance.square()}


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_trained_layers_on_taps(precision, dtype, taught, tmp_path, logged):
    """Under the autocast of the whole step they take activations as they come."""
    DTYPES.clear()
    run = runs.train_recipe(taught(Hint(), precision=precision), tmp_path, "cpu")
    assert set(DTYPES) == {dtype}
    assert all(math.isfinite(record["losses"]["hint"]) for record in logged(run.folder))


def test_a_method_is_built_from_both_networks(taught, tmp_path):
    runs.train_recipe(taught(Hint()), tmp_path, "cpu")
    for side in BUILT:
        assert side.network.conv_acts[0].norm.weight.dim() == 1
        assert side.signals.logits.shape[1:] == (2, 3)


@dataclass(frozen=True)
class Sized(Method):
    """Made for a network, and without taps."""

    name: ClassVar[str] = "sized"
    needs_teacher: ClassVar[bool] = False

    def build(self, student, teacher):
        assert len(list(student.network.parameters())) > 1
        return super().build(student, teacher)

    def losses(self, student, teacher, labels):
        return {"cross_entropy": cross_entropy(student.logits.mean(0, keepdim=True), labels)}


def test_a_method_that_is_built_from_its_network_trains_on_rates(student, tmp_path):
    run = runs.train_recipe(replace(student, method=Sized(), backward="rate"), tmp_path, "cpu")
    assert run.finished


@dataclass(frozen=True)
class Noisy(Method):
    """Cross-entropy of logits with noise on them."""

    name: ClassVar[str] = "noisy"
    needs_teacher: ClassVar[bool] = False
    draws: ClassVar[bool] = True

    def losses(self, student, teacher, labels, draws):
        noise = draws.uniform("noise", student.logits.shape[-1])
        if len(labels) > 2:  # not a rehearsal
            DRAWN.append((draws, noise))
        return {"cross_entropy": cross_entropy(student.logits + noise, labels)}


DRAWN: list = []


def test_a_method_that_draws_is_given_draws_by_seed_epoch_and_index(student, tmp_path):
    DRAWN.clear()
    runs.train_recipe(replace(student, method=Noisy(), seed=5), tmp_path, "cpu")
    assert [(draws.seed, draws.epoch) for draws, _ in DRAWN] == [(5, 0)] * 4 + [(5, 1)] * 4
    for draws, noise in DRAWN:
        assert torch.equal(noise, Draws(5, draws.epoch, draws.index).uniform("noise", 3))
    assert sorted(torch.cat([draws.index for draws, _ in DRAWN[:4]]).tolist()) == list(range(120))


@dataclass(frozen=True)
class Stepwise(TSER):
    """Compares time steps."""

    name: ClassVar[str] = "stepwise"
    same_steps: ClassVar[bool] = True


def test_a_method_that_compares_steps_needs_as_many(taught, tmp_path):
    with pytest.raises(InputError, match="stepwise compares time steps: the student has 3, its teacher 1"):
        runs.train_recipe(taught(Stepwise()), tmp_path, "cpu")
    assert runs.train_recipe(taught(Stepwise(), steps=1), tmp_path, "cpu").finished


@dataclass(frozen=True)
class Chosen(Hint):
    """Which activations it reads is a field."""

    name: ClassVar[str] = "chosen"
    where: str = "conv_acts.0"

    @property
    def student_taps(self):
        return (self.where,)

    @property
    def teacher_taps(self):
        return (self.where,)


def test_taps_may_depend_on_fields(taught, tmp_path):
    assert runs.train_recipe(taught(Chosen()), tmp_path, "cpu").finished
    with pytest.raises(InputError, match=r"no module .conv_acts\.7."):
        runs.train_recipe(taught(Chosen("conv_acts.7")), tmp_path, "cpu")
