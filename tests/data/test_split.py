"""Splits of several kinds through one interface: what they give, how they move, and a training of one's own frames."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from spikedistill.data.augment import Crop, Flip
from spikedistill.data.dataset import Augment, Dataset
from spikedistill.data.normalise import normalise
from spikedistill.data.split import Split, Splits, TensorSplit
from spikedistill.data.transform import Augmented
from spikedistill.errors import InputError, Stopped
from spikedistill.machine import state_files
from spikedistill.methods import KDSNNResponse
from spikedistill.models import ConvNet
from spikedistill.neurons import ReLU
from spikedistill.optim.phases import Phase
from spikedistill.recipe import FromRecipe
from spikedistill.runs import train as runs
from spikedistill.runs.evaluate import evaluate_run
from spikedistill.training import loop


@dataclass(frozen=True)
class Computed(Split):
    """Images that are made when they are asked for."""

    shape_: tuple[int, ...] = (2, 4, 3)

    def take(self, index: Tensor, view: int = 0) -> Tensor:
        pixels = torch.arange(np.prod(self.shape_), device=index.device).view(self.shape_)
        return ((index.view(-1, *(1,) * len(self.shape_)) * 7 + pixels) % 256).to(torch.uint8)


def kinds():
    computed = Computed(torch.arange(11) % 3)
    return {"computed": computed, "tensors": TensorSplit(computed.first(11), computed.labels)}


@pytest.mark.parametrize("kind", ["computed", "tensors"])
def test_a_part_counts_anew_and_all_come_in_order(kind):
    split = kinds()[kind]
    images = split.first(11)
    assert split.shape == (2, 4, 3)
    part = split[torch.tensor([4, 9, 1])]
    assert torch.equal(part.take(torch.tensor([2, 0])), images[[1, 4]])
    assert part.labels.tolist() == [1, 0, 1]
    batches = list(split.in_order(4, view=3))
    assert [len(batch.labels) for batch in batches] == [4, 4, 3]
    assert torch.equal(torch.cat([batch.images for batch in batches]), images)
    assert torch.cat([batch.index for batch in batches]).tolist() == list(range(11))
    assert {batch.view for batch in batches} == {3}


def test_images_in_order_are_not_copied():
    split = kinds()["tensors"]
    storage = split.images.untyped_storage().data_ptr()
    assert {batch.images.untyped_storage().data_ptr() for batch in split.in_order(4)} == {storage}


def test_equal_content_has_an_equal_digest_whatever_its_kind():
    computed, tensors = kinds().values()
    assert computed.digest() == tensors.digest()
    images, labels = tensors.images.clone(), tensors.labels.clone()
    images[3, 0, 0, 0] += 1
    labels[3] += 1
    others = [
        TensorSplit(images, tensors.labels),
        TensorSplit(tensors.images, labels),
        TensorSplit(tensors.images.view(11, 4, 2, 3), tensors.labels),
        tensors[torch.arange(10)],
    ]
    assert len({tensors.digest(), *(other.digest() for other in others)}) == 5


def test_the_digest_of_views_knows_what_they_are_made_of():
    _, split = kinds().values()
    base = Augmented(split.labels, split, (Crop(1), Flip()), 0)
    others = [replace(base, seed=1), replace(base, transforms=(Flip(), Crop(1))), replace(base, transforms=(Crop(1),))]
    assert len({one.digest() for one in (split, base, *others)}) == 5


def test_all_tensors_of_a_split_move():
    """A device without values stands for another one."""
    computed, tensors = kinds().values()
    augmented = Augmented(tensors.labels, tensors[torch.arange(5)], (Crop(1),), 0)
    splits = Splits(augmented, computed[torch.tensor([1, 2])], tensors).to("meta")
    for split in (splits.train, splits.validation, splits.test):
        assert split.labels.device.type == "meta"
        assert split.take(torch.zeros(2, dtype=torch.int64, device="meta")).device.type == "meta"
    assert Splits(tensors, None, tensors).to("meta").validation is None


def test_time_comes_first_in_frames_after_normalisation():
    frames = torch.randint(0, 256, (5, 3, 2, 8, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = (0.1, 0.2), (0.5, 0.7)
    x = normalise(frames, mean, std)
    assert x.shape == (3, 5, 2, 8, 6)
    for t in range(3):
        assert torch.equal(x[t], normalise(frames[:, t], mean, std))
    assert x.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Events(Dataset):
    """Frames of two classes in which a bar moves down or up: no single frame tells which."""

    name: ClassVar[str] = "bars"
    classes: ClassVar[int] = 2
    train_counts: ClassVar[tuple[int, ...]] = (40, 40)
    test_counts: ClassVar[tuple[int, ...]] = (10, 10)

    @property
    def shape(self) -> tuple[int, int, int]:
        return (2, 4, 4)

    @property
    def steps(self) -> int:
        return 4

    @property
    def mean(self) -> tuple[float, ...]:
        return (0.5, 0.2)

    @property
    def std(self) -> tuple[float, ...]:
        return (0.5, 0.2)

    def _read(self) -> tuple[Split, Split]:
        return Bars(torch.arange(80) % 2), Bars(torch.arange(20) % 2)


@dataclass(frozen=True)
class Bars(Split):
    """Read on demand: what stands for a file is computed in `take`."""

    def take(self, index: Tensor, view: int = 0) -> Tensor:
        frames = torch.zeros(len(index), 4, 2, 4, 4, dtype=torch.uint8, device=index.device)
        for t in range(4):
            row = torch.where(self.labels[index] == 0, t, 3 - t)
            frames[torch.arange(len(index)), t, 0, row] = 255
        frames[:, :, 1] = (index % 100).to(torch.uint8)[:, None, None, None]
        return frames


@pytest.fixture
def on_events(student):
    return replace(student, data=Events(augment=Augment(flip=True)), steps=4, batch_size=20, epochs=2)


def test_frames_train_evaluate_and_resume(on_events, tmp_path, monkeypatch):
    run = runs.train_recipe(on_events, tmp_path / "whole", "cpu")
    assert len(run.metrics["accuracy_by_step"]) == 4
    again = evaluate_run(run)
    assert again["accuracy_by_step"] == pytest.approx(run.metrics["accuracy_by_step"])
    with pytest.raises(InputError, match="frames of 4 steps"):
        evaluate_run(run, steps=2)

    step = loop.train_step

    def stopped(task, state, *rest):
        if (state.epoch, state.step) == (1, 2):
            loop.save(task, state)
            raise Stopped
        return step(task, state, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", stopped)
        with pytest.raises(Stopped):
            runs.train_recipe(on_events, tmp_path / "stopped", "cpu")
    resumed = runs.train_recipe(on_events, tmp_path / "stopped", "cpu")
    digests = [
        state_files.tensors_digest(state_files.load(Path(r.folder) / "weights.safetensors")) for r in (run, resumed)
    ]
    assert digests[0] == digests[1]


def test_an_ann_teaches_on_frames(on_events, tmp_path):
    """It answers each frame."""
    teacher = replace(on_events, name="teacher", neuron=ReLU(), model=ConvNet((6,), (8,)))
    assert teacher.time_steps == 4
    run = runs.train_recipe(replace(on_events, method=KDSNNResponse(), teacher=FromRecipe(teacher)), tmp_path, "cpu")
    assert run.metrics["accuracy"] >= 0.4
    (theirs,) = tmp_path.glob("teacher-*")
    assert len(json.loads((theirs / "metrics.json").read_text())["accuracy_by_step"]) == 4


def test_the_steps_of_frames_are_the_recipes(on_events, tmp_path):
    phases = (Phase(0.5, steps=2), Phase(1.0))
    for changes, words in (
        ({"steps": 3}, "steps is 3, and bars are frames"),
        ({"phases": phases}, "cannot have 2"),
    ):
        with pytest.raises(InputError, match=words):
            runs.train_recipe(replace(on_events, **changes), tmp_path, "cpu")
    assert not list(tmp_path.iterdir())
