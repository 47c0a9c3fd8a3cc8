"""What a step does, against its definition; and what stops a training."""

import copy
import math
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F

from spikedistill.data.batches import Batches
from spikedistill.data.normalise import normalise
from spikedistill.errors import DivergedError, InputError
from spikedistill.machine import state_files
from spikedistill.machine.progress import Reporter
from spikedistill.methods import Method
from spikedistill.methods.divergences import cross_entropy
from spikedistill.optim import SGD, Constant, Cosine
from spikedistill.randomness import Draws
from spikedistill.runs import train as runs
from spikedistill.runs.evaluate import evaluate_run
from spikedistill.training import loop

CPU = torch.device("cpu")


def task(recipe, folder, teacher=None):
    return loop.Task(recipe, recipe.data.load(), teacher, CPU, folder, lambda state: None)


@dataclass(frozen=True)
class Brittle(Method):
    """Cross-entropy with a term that is nan from step number `bad_from` on; the first call is the rehearsal's."""

    name: ClassVar[str] = "brittle"
    needs_teacher: ClassVar[bool] = False
    bad_from: int = 6
    value: float = 0.0
    gradient: bool = False

    def losses(self, student, teacher, labels):
        CALLS.append(1)
        bad = len(CALLS) > self.bad_from
        if self.gradient:  # finite itself, its gradient is not
            extra = (student.logits * 0).abs().sqrt().sum() if bad else student.logits.sum() * 0
        else:
            extra = student.logits.sum() * 0 + (math.nan if bad else 0)
        return {"cross_entropy": cross_entropy(student.logits, labels), "extra": extra}


CALLS: list[int] = []


@pytest.fixture(autouse=True)
def _no_calls_yet():
    CALLS.clear()


def test_a_loss_that_is_not_finite_stops_the_run(student, tmp_path):
    with pytest.raises(DivergedError) as caught:
        runs.train_recipe(replace(student, method=Brittle()), tmp_path, "cpu")
    (path,) = tmp_path.glob("*/checkpoint.safetensors")
    assert str(caught.value).startswith(
        f"The loss term 'extra' is nan at epoch 2, step 2. Last good checkpoint: {path}."
    )
    saved = state_files.load(path)
    assert (saved["epoch"], saved["step"]) == (1, 0)
    assert all(weight.isfinite().all() for weight in saved["student"].values())


def test_there_may_be_no_checkpoint_yet(student, tmp_path):
    with pytest.raises(DivergedError, match=r"epoch 1, step 2\. Last good checkpoint: none yet"):
        runs.train_recipe(replace(student, method=Brittle(bad_from=2)), tmp_path, "cpu")
    assert not list(tmp_path.glob("*/metrics.json"))


def test_weights_that_are_not_finite_are_never_saved(student, tmp_path, monkeypatch):
    """The loss of the step that breaks them is still finite."""
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_SAVES", -1.0)
    with pytest.raises(
        DivergedError, match=r"The weight '.*' is not finite at epoch 2, step 2\. Last good checkpoint: /"
    ):
        runs.train_recipe(replace(student, method=Brittle(gradient=True)), tmp_path, "cpu")
    (path,) = tmp_path.glob("*/checkpoint.safetensors")
    saved = state_files.load(path)
    assert (saved["epoch"], saved["step"]) == (1, 1)
    assert all(weight.isfinite().all() for weight in saved["student"].values())


def test_weights_that_are_not_finite_are_no_result(student, tmp_path):
    """In the very last step."""
    with pytest.raises(DivergedError, match=r"not finite at epoch 2, step 4\."):
        runs.train_recipe(replace(student, method=Brittle(bad_from=8, gradient=True)), tmp_path, "cpu")


def test_the_first_of_many_bad_steps_is_named(student, tmp_path, monkeypatch):
    """Steps are looked at 16 at a time."""
    recipe = replace(student, method=Brittle(bad_from=19), batch_size=4)
    with pytest.raises(DivergedError, match="epoch 1, step 19"):
        runs.train_recipe(recipe, tmp_path, "cpu")


def test_a_batch_that_is_larger_than_the_set_is_refused_before_a_teacher_trains(taught, tmp_path):
    from spikedistill.methods import KDSNNResponse

    with pytest.raises(InputError, match="batch_size 121 is more than the 120 training images"):
        runs.train_recipe(taught(KDSNNResponse(), batch_size=121), tmp_path, "cpu")
    assert not list(tmp_path.glob("teacher-*"))


def test_batches_are_an_epochs_images_once_in_random_order(stripes):
    data = stripes()
    batches = Batches(data.load().train, 25, seed=3)
    assert len(batches) == 4
    epochs = [torch.cat([batch.index for batch in batches.epoch(epoch)]) for epoch in (0, 1)]
    for order in epochs:
        assert len(order) == len(set(order.tolist())) == 100
    assert not torch.equal(*epochs)
    later = list(batches.epoch(1, first=2))
    assert torch.equal(torch.cat([batch.index for batch in later]), epochs[1][50:])
    assert all(torch.equal(batch.labels, batches.split.labels[batch.index]) for batch in later)


def test_batches_are_augmented(augmented):
    plain = augmented.load().train
    batches = Batches(augmented.augmented(plain, 4), 30, seed=3)
    for batch in batches.epoch(2):
        raw, shown = plain.images[batch.index], Draws(4, 2, batch.index)
        expected = raw
        for transform in augmented.augment:
            expected = transform.fitted(augmented.shape, augmented.mean)(expected, shown)
        assert batch.view == 2
        assert torch.equal(batch.images, expected)
        assert not torch.equal(batch.images, raw)


def test_one_step_in_closed_form(student, tmp_path):
    """Autograd and SGD by hand, on the same weights: what the loop does, and nothing else."""
    recipe = replace(student, optimizer=SGD(0.1, momentum=0.0, weight_decay=0.01), schedule=Constant(), steps=2)
    now = task(recipe, tmp_path)
    state = loop.start(now)
    state.student.train()
    mine = copy.deepcopy(state.student)
    batch = next(iter(Batches(now.splits.train, 30, 0).epoch(0)))
    losses = loop.train_step(now, state, batch)
    logits = mine(normalise(batch.images, recipe.data.mean, recipe.data.std), 2)
    loss = F.cross_entropy(logits.mean(0), batch.labels)
    loss.backward()
    assert losses["cross_entropy"].item() == pytest.approx(loss.item(), rel=1e-6)
    assert state.right == (logits.mean(0).argmax(-1) == batch.labels).sum()
    with torch.no_grad():
        for parameter in mine.parameters():
            decay = 0.01 if parameter.dim() >= 2 else 0.0
            parameter -= 0.1 * (parameter.grad + decay * parameter)
    for (name, expected), got in zip(mine.state_dict().items(), state.student.state_dict().values(), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-7, msg=name)


def test_the_rate_follows_the_schedule(student, tmp_path, monkeypatch):
    recipe = replace(student, optimizer=SGD(0.2), schedule=Cosine(1.0))
    rates = []
    step = loop.train_step

    def spy(now, state, *rest):
        rates.append({group["lr"] for group in state.optimizer.param_groups})
        return step(now, state, *rest)

    monkeypatch.setattr(loop, "train_step", spy)
    runs.train_recipe(recipe, tmp_path, "cpu")
    assert rates == [{0.2 * recipe.schedule.factor(k / 4, 2)} for k in range(8)]


@pytest.mark.parametrize("limit", [0.05, 1000.0])
def test_clipping(limit, student, tmp_path):
    """The step of SGD without momentum is rate times the gradient, whose norm is at most the limit."""
    recipe = replace(student, optimizer=SGD(1.0, momentum=0.0, weight_decay=0.0), schedule=Constant(), clip_norm=limit)
    steps = []
    for each in (recipe, replace(recipe, clip_norm=0.0)):
        now = task(each, tmp_path)
        state = loop.start(now)
        state.student.train()
        before = [parameter.detach().clone() for parameter in state.student.parameters()]
        loop.train_step(now, state, next(iter(Batches(now.splits.train, 30, 0).epoch(0))))
        after = state.student.parameters()
        steps.append(torch.cat([(b - a).flatten() for a, b in zip(after, before, strict=True)]).detach())
    clipped, free = steps
    assert free.norm() > 0.05
    expected = free * min(1.0, limit / free.norm().item())
    torch.testing.assert_close(clipped, expected, rtol=1e-3, atol=1e-5)


def test_the_moving_average_is_what_is_kept_and_evaluated(student, tmp_path, monkeypatch):
    decay = 0.75
    recipe = replace(student, ema=decay)
    seen = []
    step = loop.train_step

    def spy(now, state, *rest):
        if not seen:
            seen.append({name: value.clone() for name, value in state.student.state_dict().items()})
        losses = step(now, state, *rest)
        seen.append({name: value.clone() for name, value in state.student.state_dict().items()})
        return losses

    monkeypatch.setattr(loop, "train_step", spy)
    run = runs.train_recipe(recipe, tmp_path, "cpu")
    average = seen[0]  # the initial weights
    for weights in seen[1:]:
        average = {name: decay * average[name] + (1 - decay) * weights[name] for name in average}
    kept = state_files.load(run.folder / "weights.safetensors")
    assert set(kept) == set(average)
    for name, value in average.items():
        torch.testing.assert_close(kept[name], value, rtol=1e-5, atol=1e-6, msg=name)
    assert not torch.equal(kept["head.weight"], seen[-1]["head.weight"])

    assert evaluate_run(run, device="cpu")["accuracy"] == run.metrics["accuracy"]


def test_without_average_the_last_weights_are_kept(student, tmp_path, monkeypatch):
    last = {}
    step = loop.train_step

    def spy(now, state, *rest):
        losses = step(now, state, *rest)
        last.update({name: value.clone() for name, value in state.student.state_dict().items()})
        return losses

    monkeypatch.setattr(loop, "train_step", spy)
    run = runs.train_recipe(student, tmp_path, "cpu")
    kept = state_files.load(run.folder / "weights.safetensors")
    assert set(kept) == set(last)
    assert all(torch.equal(kept[name], last[name]) for name in kept)


def test_methods_get_float32_logits_also_in_bf16(student, tmp_path, monkeypatch):
    """A softmax in bfloat16 would have two digits."""
    recipe = replace(student, precision="bf16")
    now = task(recipe, tmp_path)
    state = loop.start(now)
    seen = []
    state.method.register_forward_pre_hook(lambda _module, arguments: seen.append(arguments[0].logits))
    hidden = []
    state.student.head.register_forward_hook(lambda _module, _inputs, output: hidden.append(output.dtype))
    loop.train_step(now, state, next(iter(Batches(now.splits.train, 30, 0).epoch(0))))
    assert hidden == [torch.bfloat16]
    assert seen[0].dtype == torch.float32
    assert all(parameter.dtype == torch.float32 for parameter in state.student.parameters())


@pytest.mark.parametrize("changes", [{}, {"precision": "bf16"}, {"ema": 0.5}, {"backward": "rate"}])
def test_it_learns(changes, student, tmp_path):
    run = runs.train_recipe(replace(student, epochs=6, **changes), tmp_path, "cpu")
    assert run.metrics["accuracy"] > 0.8


def test_weights_of_convolutions_are_channels_last(student, tmp_path):
    state = loop.start(task(student, tmp_path))
    weight = state.student.convs[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()


def test_the_log_says_what_happened(student, stripes, tmp_path):
    records = []

    class Listen(Reporter):
        def epoch(self, record):
            records.append(record)

    runs.train_recipe(replace(student, data=stripes(validation=30)), tmp_path, "cpu", Listen())
    assert [record["epoch"] for record in records] == [1, 2]
    for record in records:
        assert set(record["losses"]) == {"cross_entropy"}
        assert 0 <= record["validation_accuracy"] <= 1
        assert record["images_per_second"] == pytest.approx(90 / record["seconds"])
