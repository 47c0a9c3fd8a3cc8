"""Stored answers: a run on them repeats itself bit for bit, and one store serves all runs that show its views."""

import contextlib
import json
import multiprocessing
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spikedistill.data.batches import Batches
from spikedistill.data.dataset import Augment
from spikedistill.data.split import Batch
from spikedistill.errors import InputError, Stopped
from spikedistill.machine import state_files
from spikedistill.methods import TSER, Method, VanillaKD
from spikedistill.models import MLP
from spikedistill.neurons import IF
from spikedistill.runs import train as runs
from spikedistill.teachers import FromRun, NetworkTeacher, stored
from spikedistill.teachers.stored import ingredients
from spikedistill.training import loop


@pytest.fixture(autouse=True)
def _three_batches(monkeypatch):
    """Of 50, 50 and 20 images."""
    monkeypatch.setattr(stored, "BATCH", 50)


def weights(run):
    return state_files.tensors_digest(state_files.load(run.folder / "weights.safetensors"))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_writing_and_reading_are_one_run(precision, cached, tmp_path, asked):
    cached = replace(cached, precision=precision)
    writing = runs.train_recipe(cached, tmp_path / "writing", "cpu")
    assert sorted(asked) == [20, 20, 50, 50, 50, 50]  # both views
    asked.clear()
    reading = runs.train_recipe(cached, tmp_path / "reading", "cpu")
    assert len(asked) == 2  # a batch of each view is verified: no step asks the teacher
    assert weights(writing) == weights(reading)


def test_without_a_store_the_run_learns_from_the_same_numbers_to_the_last_digits(recipe, tmp_path):
    cached = replace(recipe, cache=str(tmp_path / "cache"))
    assert cached.hash == recipe.hash
    plain, stored = (runs.train_recipe(each, tmp_path / name, "cpu") for each, name in ((recipe, "a"), (cached, "b")))
    ours, theirs = (state_files.load(run.folder / "weights.safetensors") for run in (plain, stored))
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-3, atol=1e-4)


def test_a_spiking_teachers_steps_are_all_stored(cached, teacher, tmp_path, opened):
    spiking = runs.train_recipe(replace(teacher, neuron=IF(), steps=5), tmp_path, "cpu")
    assert opened(replace(cached, teacher=FromRun(str(spiking.folder)))).view(0).shape == (120, 5, 3)


def test_one_store_serves_all_seeds_batch_sizes_methods_and_students(cached, filled, tmp_path, asked):
    filled(cached)
    changes = (
        {"seed": 3},
        {"batch_size": 30},
        {"method": TSER()},
        {"method": VanillaKD(temperature=2.0)},
        {"steps": 2, "ema": 0.5},
        {"model": MLP((9,))},
    )
    for change in changes:
        asked.clear()
        runs.train_recipe(replace(cached, **change), tmp_path / "runs", "cpu")
        assert len(asked) == 2  # what is verified
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_what_is_stored_is_the_teachers_answer_to_the_view_that_the_student_is_shown(cached, filled, load):
    """Asked for one image at a time: rounding in other batches is far below the tolerance."""
    store, teacher = filled(cached), load(cached)
    assert store.views == 2
    for view in (0, 1):
        for batch in Batches(store.split, 1, 7).epoch(3, view=view):
            expected = teacher.answers(batch).logits
            torch.testing.assert_close(store.answers(batch).logits, expected, rtol=2e-3, atol=1e-3)


def test_seeds_show_the_same_views_in_other_orders_and_view_seeds_show_others(cached, tmp_path, monkeypatch):
    shown = []
    step = loop.train_step

    def spy(task, state, batch):
        shown[-1] |= {(state.epoch, int(k)): image for k, image in zip(batch.index, batch.images, strict=True)}
        order[-1] += batch.index.tolist()
        return step(task, state, batch)

    order = []
    monkeypatch.setattr(loop, "train_step", spy)
    for change in ({}, {"seed": 1}, {"view_seed": 1}):
        shown.append({})
        order.append([])
        runs.train_recipe(replace(cached, **change, cache=""), tmp_path, "cpu")
    ours, other_seed, other_views = shown
    assert order[0] == order[2] != order[1]
    assert all(torch.equal(ours[key], other_seed[key]) for key in ours.keys() & other_seed.keys())
    assert sum(torch.equal(ours[key], other_views[key]) for key in ours) < len(ours) / 2


def test_fewer_views_repeat_for_teacher_and_student(cached, opened, tmp_path, monkeypatch, asked):
    few = replace(cached, epochs=5, views=2)
    assert few.hash != replace(cached, epochs=5).hash
    assert [few.view(epoch) for epoch in range(5)] == [0, 1, 0, 1, 0]
    steps = []
    step = loop.train_step

    def spy(task, state, batch):
        steps.append((state.epoch, batch, task.teacher.answers(batch).logits))
        return step(task, state, batch)

    monkeypatch.setattr(loop, "train_step", spy)
    runs.train_recipe(few, tmp_path / "runs", "cpu")
    assert sum(asked) == 2 * 120
    store = opened(few)
    assert len(steps) == 10
    for epoch, batch, logits in steps:
        assert batch.view == epoch % 2
        assert torch.equal(batch.images, store.split.take(batch.index, epoch % 2))
        assert torch.equal(logits, store.answers(batch).logits)
    assert not torch.equal(steps[0][1].index, steps[4][1].index)  # the order does not repeat


def test_without_augmentation_one_view_is_all(cached, stripes, tmp_path, asked):
    plain = replace(cached, data=stripes(), epochs=3)
    runs.train_recipe(plain, tmp_path / "runs", "cpu")
    assert len(list(tmp_path.glob("cache/*/view-*"))) == 1
    assert sum(asked) == 120


def test_as_many_views_as_epochs_change_nothing(cached, tmp_path):
    many = replace(cached, views=9)
    assert weights(runs.train_recipe(many, tmp_path / "a", "cpu")) == weights(
        runs.train_recipe(cached, tmp_path / "b", "cpu")
    )


class Killed(BaseException):
    """Nothing catches it: as SIGKILL, but within this process."""


@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_a_resumed_run_on_stored_answers(step, cached, tmp_path, monkeypatch):
    whole = weights(runs.train_recipe(cached, tmp_path / "whole", "cpu"))
    count = iter(range(100))
    train_step = loop.train_step

    def killed(*arguments):
        if next(count) == step:
            raise Killed
        return train_step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "SECONDS_BETWEEN_SAVES", -1.0)
        patch.setattr(loop, "train_step", killed)
        with pytest.raises(Killed):
            runs.train_recipe(cached, tmp_path / "parts", "cpu")
    assert weights(runs.train_recipe(cached, tmp_path / "parts", "cpu")) == whole


def test_a_view_appears_whole_or_not_at_all(cached, opened, monkeypatch):
    store = opened(cached)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda self, target: (_ for _ in ()).throw(Killed()))
        patch.setattr(Path, "unlink", lambda self, missing_ok=False: None)
        with pytest.raises(Killed):
            store.view(0)
    assert list(store.folder.glob("*.partial")) + list(store.folder.glob(".*.partial"))
    assert not list(store.folder.glob("view-*"))
    store.view(0)
    assert [path.name for path in sorted(store.folder.iterdir()) if path.name != ".lock"] == [
        "key.json",
        "view-00000.safetensors",
    ]


def test_stopping_while_the_teacher_is_asked(cached, opened, monkeypatch):
    store = opened(cached)
    stopping = threading.Event()
    stopping.set()
    monkeypatch.setattr(stored, "stop_signal", lambda: contextlib.nullcontext(stopping))
    with pytest.raises(Stopped, match="view 1"):
        store.view(1)
    assert not list(store.folder.glob("view-*"))


def test_files_are_mapped_into_memory(cached, filled):
    store = filled(cached)
    logits = store.view(0)
    maps = Path("/proc/self/maps")
    if not maps.is_file():
        pytest.skip("needs /proc")
    assert str(store.path(0)) in maps.read_text()
    assert logits.dtype == torch.float16


def test_the_key_changes_with_everything_that_the_logits_are_a_function_of(recipe, load):
    teacher = load(recipe)
    split = recipe.data.load().train
    images = split.images.clone()
    images[3, 0, 0, 0] += 1
    variants = [(recipe, split, teacher), (recipe, replace(split, images=images), teacher)]
    augment = recipe.data.augment
    for changed in (augment[1:], augment[:-1], Augment()):
        variants.append((replace(recipe, data=replace(recipe.data, augment=changed)), split, teacher))
    for change in ({"view_seed": 1}, {"precision": "bf16"}):
        variants.append((replace(recipe, **change), split, teacher))
    for name in teacher.identity:
        variants.append((recipe, split, replace(teacher, identity=teacher.identity | {name: "another"})))
    keys = [json.dumps(ingredients(*variant), sort_keys=True) for variant in variants]
    assert len(set(keys)) == len(variants)
    same = ({"method": TSER()}, {"epochs": 7}, {"steps": 1}, {"neuron": IF(threshold=0.5)}, {"seed": 1})
    for change in (*same, {"batch_size": 49}, {"views": 1}, {"name": "x"}):
        assert json.dumps(ingredients(replace(recipe, **change), split, teacher), sort_keys=True) == keys[0]


def _fill_in_a_process(opened, cached, start, results):
    torch.set_num_threads(1)
    store = opened(cached)
    start.wait()
    passes = []
    answers = NetworkTeacher.answers
    NetworkTeacher.answers = lambda self, batch: passes.append(1) or answers(self, batch)
    views = [store.view(view) for view in range(store.views)]
    results.put((len(passes), [state_files.tensors_digest({"": view}) for view in views]))


@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")  # they only compute, on one thread
def test_two_processes_at_once_ask_once(cached, opened, trained):
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_fill_in_a_process, args=(opened, cached, start, results)) for _ in range(2)]
    for process in processes:
        process.start()
    (first, mine), (second, theirs) = (results.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    assert mine == theirs
    assert first + second == 2 * 3  # two views of three batches
    assert len(list(Path(cached.cache).glob("*/view-*"))) == 2


def test_when_all_is_stored_the_teacher_leaves_the_device(cached, opened):
    store = opened(cached)
    teacher = store.teacher
    store.view(0)
    kept = teacher.frozen_weights
    assert store.teacher is teacher
    moved = []
    teacher.asked.to = lambda device: moved.append(device)
    store.view(1)
    assert store.teacher is None
    assert moved == ["cpu"]
    assert teacher.frozen_weights is not kept  # and the copies of its weights are gone
    assert opened(cached).teacher is None


def test_a_view_that_is_deleted_while_a_run_reads_is_named(cached, filled):
    store = filled(cached)
    store.path(0).unlink()
    with pytest.raises(InputError, match=r"A view was deleted from .*\. Give the same command again"):
        store.view(0)


class Reads(Method):
    """Asks for an activation of the teacher."""

    name = "reads"
    teacher_taps = ("conv_acts.0",)


def test_activations_cannot_be_stored(cached, tmp_path):
    with pytest.raises(InputError, match=r"reads activations of its teacher \(conv_acts\.0\).*Leave the cache out"):
        runs.train_recipe(replace(cached, method=Reads()), tmp_path / "runs", "cpu")


def test_without_a_teacher_there_is_nothing_to_store(student, tmp_path):
    with pytest.raises(InputError, match="--cache stores what a teacher answers, and the recipe names none"):
        runs.train_recipe(replace(student, cache=str(tmp_path)), tmp_path / "runs", "cpu")


def test_a_folder_that_cannot_be_made(recipe, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        runs.train_recipe(replace(recipe, cache=str(tmp_path / "file" / "cache")), tmp_path / "runs", "cpu")


def test_one_image_beyond_float16_is_not_stored(cached, opened, monkeypatch):
    answers = NetworkTeacher.answers

    def one_bad(self, batch):
        said = answers(self, batch)
        said.logits[0, 7 % len(batch.index), 1] = torch.inf
        return said

    store = opened(cached)
    monkeypatch.setattr(NetworkTeacher, "answers", one_bad)
    with pytest.raises(InputError, match="not all finite in float16"):
        store.view(0)
    assert not list(store.folder.glob("view-*"))


def test_rounding_to_float16_is_nothing_to_bfloat16_and_little_to_float32():
    numbers = torch.randn(10_000, generator=torch.Generator().manual_seed(0)) * 30
    numbers = numbers[numbers.abs() > 2.0**-17]
    assert torch.equal(numbers.bfloat16().half().float(), numbers.bfloat16().float())
    assert ((numbers.half().float() - numbers) / numbers).abs().max() <= 2.0**-11 * 1.001


def test_answers_have_time_first(cached, opened, monkeypatch):
    store = opened(cached)
    monkeypatch.setattr(type(store), "view", lambda self, view: torch.arange(24.0).half().view(4, 2, 3))
    index = torch.tensor([3, 0, 0])
    said = store.answers(Batch(index, 0, torch.zeros(3, 3, 8, 8, dtype=torch.uint8), index)).logits
    assert said.dtype == torch.float32
    assert said.is_contiguous()
    assert said.tolist() == [
        [[18, 19, 20], [0, 1, 2], [0, 1, 2]],
        [[21, 22, 23], [3, 4, 5], [3, 4, 5]],
    ]


def test_on_the_command_line(cli, tmp_path):
    words = ["digits-kdsnn", "--epochs", "4", "--teacher.recipe.epochs", "1", "--data.augment.crop", "1"]
    code, _, said = cli("train", *words, "--cache", "stored", "--views", "2", "--device", "cpu")
    assert code == 0, said
    assert len(list(tmp_path.glob("stored/*/view-*.safetensors"))) == 2
