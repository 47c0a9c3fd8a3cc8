"""Stored teacher outputs: the same run bit for bit, shared, and never taken for what they are not."""

import json
import multiprocessing
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from spikedistill.data.batches import Batches
from spikedistill.data.dataset import Augment
from spikedistill.errors import InputError, Stopped
from spikedistill.machine import state_files
from spikedistill.machine.progress import Reporter
from spikedistill.methods import TSER, KDSNNResponse, Method, VanillaKD
from spikedistill.neurons import IF
from spikedistill.optim import AdamW
from spikedistill.recipe import FromRun
from spikedistill.runs import train as runs
from spikedistill.teachers.load import LoadedTeacher, check_answers, freeze
from spikedistill.teachers.stored import FORMAT, TOLERANCE, StoredView, ingredients, open_cache, whole_view
from spikedistill.training import loop

CPU = torch.device("cpu")
NEVER = threading.Event()


def weights(run):
    return state_files.tensors_digest(state_files.load(run.folder / "weights.safetensors"))


@pytest.fixture
def asked(monkeypatch):
    """The numbers of images in all passes of teachers."""
    passes = []
    signals = LoadedTeacher.signals

    def count(self, images, precision):
        passes.append(len(images))
        return signals(self, images, precision)

    monkeypatch.setattr(LoadedTeacher, "signals", count)
    return passes


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    """Folder of teachers' runs, which all tests share."""
    return tmp_path_factory.mktemp("teachers")


@pytest.fixture
def trained(teacher, teachers):
    """The folder of a trained teacher."""
    return str(runs.train_recipe(teacher, teachers, "cpu").folder)


@pytest.fixture
def recipe(taught, augmented, trained):
    """A distillation from a run's folder; 120 images in batches of 50 leave 20 out."""
    return taught(KDSNNResponse(), data=augmented, teacher=FromRun(trained), optimizer=AdamW(1e-2), batch_size=50)


@pytest.fixture
def cached(recipe, tmp_path):
    return storing(recipe, tmp_path / "cache")


def storing(recipe, folder, views=0):
    return replace(recipe, teacher=replace(recipe.teacher, cache=str(folder), views=views))


def opened(recipe):
    """The stored outputs of a recipe, as a run opens them."""
    recipe, teacher = runs.resolve(recipe, CPU)
    return open_cache(recipe, recipe.data.load().train, teacher)


def filled(recipe):
    cache = opened(recipe)
    for view in range(cache.views):
        cache.view(view, NEVER, Reporter())
    return cache


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_without_writing_and_reading_are_one_run(precision, recipe, tmp_path, asked):
    recipe = replace(recipe, precision=precision)
    cached = storing(recipe, tmp_path / "cache")
    assert cached.hash == recipe.hash
    plain = runs.train_recipe(recipe, tmp_path / "plain", "cpu")
    asked.clear()
    writing = runs.train_recipe(cached, tmp_path / "writing", "cpu")
    assert sorted(asked) == [2, 2, 20, 20, 50, 50, 50, 50]  # two of two images at the start, then both views
    asked.clear()
    reading = runs.train_recipe(cached, tmp_path / "reading", "cpu")
    assert sorted(asked) == [2, 2, 50, 50]  # a batch of each view is verified: no step asks the teacher
    assert weights(plain) == weights(writing) == weights(reading)


def test_a_spiking_teachers_steps_are_all_stored(recipe, teacher, tmp_path):
    spiking = runs.train_recipe(replace(teacher, neuron=IF(), steps=5), tmp_path, "cpu")
    recipe = replace(recipe, teacher=FromRun(str(spiking.folder)))
    cached = storing(recipe, tmp_path / "cache")
    assert weights(runs.train_recipe(recipe, tmp_path / "plain", "cpu")) == weights(
        runs.train_recipe(cached, tmp_path / "cached", "cpu")
    )
    assert opened(cached).view(0, NEVER, Reporter()).logits.shape == (120, 5, 3)


def test_another_method_temperature_or_student_reads_what_is_there(cached, tmp_path, asked):
    filled(cached)
    others = {"method": TSER()}, {"method": VanillaKD(temperature=2.0)}, {"steps": 2, "ema": 0.5}
    asked.clear()
    for change in others:
        runs.train_recipe(replace(cached, **change), tmp_path / "runs", "cpu")
    assert asked.count(50) == 2 * len(others)  # what is verified
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_what_is_stored_is_the_teachers_answer_to_the_view(cached):
    """Asked for one image at a time: rounding in other batches is far below the tolerance."""
    cache = filled(cached)
    assert cache.views == 2
    for view in (0, 1):
        stored = cache.view(view, NEVER, Reporter())
        for batch in Batches(cache.batches.split, 1, cached.seed).epoch(view):
            expected = cache.teacher.signals(batch.images, "fp32").logits
            torch.testing.assert_close(stored.signals(batch.index).logits, expected, rtol=2e-3, atol=1e-3)


def test_a_view_is_every_image_once_as_its_epoch_shows_it(cached):
    batches = opened(cached).batches
    view = list(whole_view(batches, 1))
    assert sorted(torch.cat([batch.index for batch in view]).tolist()) == list(range(120))
    for ours, theirs in zip(view, batches.epoch(1), strict=False):
        assert torch.equal(ours.index, theirs.index)
        assert torch.equal(ours.images, theirs.images)
    one = Batches(batches.split, 1, batches.seed)
    by_index = {int(batch.index): batch.images[0] for batch in one.epoch(1)}
    assert all(torch.equal(image, by_index[int(k)]) for k, image in zip(view[-1].index, view[-1].images, strict=True))


def test_fewer_views_repeat_for_teacher_and_student(cached, tmp_path, monkeypatch, asked):
    recipe = replace(cached, epochs=5)
    few = replace(recipe, teacher=replace(recipe.teacher, views=2))
    assert few.hash != recipe.hash
    assert [few.view(epoch) for epoch in range(5)] == [0, 1, 0, 1, 0]
    steps = []
    step = loop.train_step

    def spy(task, state, batch):
        steps.append((state.epoch, batch, loop.ask(task, batch).logits))
        return step(task, state, batch)

    monkeypatch.setattr(loop, "train_step", spy)
    runs.train_recipe(few, tmp_path / "runs", "cpu")
    assert sum(asked) == 2 * 120 + 4
    batches = opened(few).batches
    single = Batches(batches.split, 1, few.seed)
    images = [{int(one.index): one.images[0] for one in single.epoch(view)} for view in (0, 1)]
    views = [opened(few).view(view, NEVER, Reporter()) for view in (0, 1)]
    assert len(steps) == 10
    for epoch, batch, logits in steps:
        assert torch.equal(batch.images, torch.stack([images[epoch % 2][int(k)] for k in batch.index]))
        assert torch.equal(logits, views[epoch % 2].signals(batch.index).logits)
    assert not torch.equal(steps[0][1].index, steps[4][1].index)  # the order does not repeat


def test_as_many_views_as_epochs_change_nothing(cached, tmp_path):
    """The order and the augmentation of each epoch are as without views."""
    batches = opened(cached).batches
    for first in (0, 1):
        for ours, theirs in zip(batches.epoch(3, first, 3), batches.epoch(3, first), strict=True):
            assert torch.equal(ours.index, theirs.index)
            assert torch.equal(ours.images, theirs.images)
    many = replace(cached, teacher=replace(cached.teacher, views=9))
    assert weights(runs.train_recipe(many, tmp_path / "a", "cpu")) == weights(
        runs.train_recipe(cached, tmp_path / "b", "cpu")
    )


class Killed(BaseException):
    """Nothing catches it: as SIGKILL, but within this process."""


@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_a_resumed_run_with_stored_outputs(step, recipe, cached, tmp_path, monkeypatch):
    whole = weights(runs.train_recipe(recipe, tmp_path / "whole", "cpu"))
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


def test_a_view_appears_whole_or_not_at_all(cached, monkeypatch):
    cache = opened(cached)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda self, target: (_ for _ in ()).throw(Killed()))
        patch.setattr(Path, "unlink", lambda self, missing_ok=False: None)
        with pytest.raises(Killed):
            cache.view(0, NEVER, Reporter())
    assert list(cache.folder.glob("*.partial")) + list(cache.folder.glob(".*.partial"))
    assert not list(cache.folder.glob("view-*"))
    cache.view(0, NEVER, Reporter())
    assert [path.name for path in sorted(cache.folder.iterdir()) if path.name != ".lock"] == [
        "key.json",
        "view-00000.safetensors",
    ]


def test_stopping_while_the_teacher_is_asked(cached):
    cache = opened(cached)
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(Stopped, match="view 1"):
        cache.view(1, stopping, Reporter())
    assert not list(cache.folder.glob("view-*"))


def test_files_are_mapped_into_memory(cached):
    cache = filled(cached)
    stored = cache.view(0, NEVER, Reporter())
    maps = Path("/proc/self/maps")
    if not maps.is_file():
        pytest.skip("needs /proc")
    assert str(cache.path(0)) in maps.read_text()
    assert stored.logits.dtype == torch.float16


def rewritten(path, logits, **header):
    """Write a view's file with other content, as a program would that knows the format."""
    with safe_open(path, framework="pt") as file:
        before = file.metadata()
    digest = state_files.tensors_digest({"logits": logits})
    save_file({"logits": logits}, path, before | {"sha256": digest} | header)


def content(path):
    with safe_open(path, framework="pt") as file:
        return file.get_tensor("logits").clone()


def truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


def empty(path):
    path.write_bytes(b"")


def garbage(path):
    path.write_bytes(b"\xff" * 200)


def wrong_type(path):
    rewritten(path, content(path).float())


def too_few(path):
    rewritten(path, content(path)[:-1].clone())


def other_classes(path):
    rewritten(path, content(path)[:, :, :2].clone())


def foreign(path):
    rewritten(path, content(path), key="0" * 64)


def other_view(path):
    rewritten(path, content(path), view="7")


@pytest.mark.parametrize("damage", [truncate, empty, garbage, wrong_type, too_few, other_classes, foreign, other_view])
def test_a_file_that_is_not_right_is_found_at_the_start(damage, cached, tmp_path):
    """Also of a late epoch; and nothing is trained."""
    path = filled(cached).path(1)
    damage(path)
    with pytest.raises(InputError, match=rf"{path.name} .*Delete it to have the teacher asked again"):
        runs.train_recipe(cached, tmp_path / "runs", "cpu")
    assert not list(tmp_path.glob("runs/*/checkpoint.safetensors"))
    path.unlink()
    runs.train_recipe(cached, tmp_path / "runs", "cpu")


def test_a_changed_bit_is_found(cached):
    cache = filled(cached)
    path = cache.path(1)
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="its content is not what was written"):
        cache.view(1, NEVER, Reporter())
    with pytest.raises(InputError, match="its content is not what was written"):
        opened(cached)


def test_a_file_of_another_teacher_is_refused(cached, teacher, teachers):
    other = runs.train_recipe(replace(teacher, seed=1), teachers, "cpu")
    theirs = filled(replace(cached, teacher=replace(cached.teacher, folder=str(other.folder))))
    ours = filled(cached)
    assert theirs.folder != ours.folder
    ours.path(0).write_bytes(theirs.path(0).read_bytes())
    with pytest.raises(InputError, match="is of another teacher"):
        opened(cached)


@pytest.mark.parametrize("change", [lambda x: x.roll(1, 0), lambda x: x * 1.05, lambda x: x.flip(2)])
def test_numbers_that_the_teacher_would_not_say_are_found(change, cached):
    """The file's own digest is right: someone else's program has written it."""
    cache = filled(cached)
    for view in (0, 1):
        rewritten(cache.path(view), change(content(cache.path(view))).contiguous())
    with pytest.raises(InputError, match="is not what this teacher says"):
        opened(cached)


@pytest.mark.parametrize(
    "change",
    [lambda x: x.softmax(-1), lambda x: x.expand(5, -1, -1), lambda x: x * torch.nan],
    ids=["other values", "more steps", "nan"],
)
def test_a_teacher_whose_code_has_changed_is_found(change, cached, monkeypatch):
    """Its weights are the same, so the key is."""
    filled(cached)
    signals = LoadedTeacher.signals

    def changed(self, images, precision):
        said = signals(self, images, precision)
        return replace(said, logits=change(said.logits))

    monkeypatch.setattr(LoadedTeacher, "signals", changed)
    with pytest.raises(InputError, match=r"is not what this teacher says.* delete "):
        opened(cached)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_other_rounding_is_accepted(precision, cached):
    """As of another machine's kernels: a tenth of the tolerance, in random directions."""
    cached = replace(cached, precision=precision)
    cache = filled(cached)
    for view in (0, 1):
        logits = content(cache.path(view)).float()
        noise = torch.randn(logits.shape, generator=torch.Generator().manual_seed(view))
        logits = logits + noise * logits.square().mean().sqrt() * TOLERANCE[precision] / 10
        rewritten(cache.path(view), logits.half())
    opened(cached)


def test_the_key_changes_with_everything_that_the_logits_are_a_function_of(recipe):
    recipe, teacher = runs.resolve(recipe, CPU)
    split = recipe.data.load().train
    images = split.images.clone()
    images[3, 0, 0, 0] += 1
    variants = [(recipe, split, teacher), (recipe, replace(split, images=images), teacher)]
    augment = recipe.data.augment
    for changed in (replace(augment, flip=False), replace(augment, cutout=3), Augment()):
        variants.append((replace(recipe, data=replace(recipe.data, augment=changed)), split, teacher))
    for change in ({"seed": 1}, {"batch_size": 49}, {"precision": "bf16"}):
        variants.append((replace(recipe, **change), split, teacher))
    for change in ({"weights_digest": "0"}, {"steps": 2}, {"mean": (0.1, 0.1, 0.1)}, {"std": (0.1, 0.1, 0.1)}):
        variants.append((recipe, split, replace(teacher, **change)))
    keys = [json.dumps(ingredients(*variant), sort_keys=True) for variant in variants]
    assert len(set(keys)) == len(variants)
    for same in ({"method": TSER()}, {"epochs": 7}, {"steps": 1}, {"neuron": IF(threshold=0.5)}, {"name": "x"}):
        assert json.dumps(ingredients(replace(recipe, **same), split, teacher), sort_keys=True) == keys[0]


def _fill_in_a_process(cached, start, results):
    torch.set_num_threads(1)
    start.wait()
    cache = opened(cached)
    passes = []
    signals = LoadedTeacher.signals
    LoadedTeacher.signals = lambda self, images, precision: passes.append(1) or signals(self, images, precision)
    views = [cache.view(view, NEVER, Reporter()) for view in range(cache.views)]
    results.put((len(passes), [state_files.tensors_digest({"": view.logits}) for view in views]))


@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")  # they only compute, on one thread
def test_two_processes_at_once_ask_once(cached):
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_fill_in_a_process, args=(cached, start, results)) for _ in range(2)]
    for process in processes:
        process.start()
    (first, mine), (second, theirs) = (results.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    assert mine == theirs
    assert first + second == 2 * 3  # two views of three batches
    assert len(list(opened(cached).folder.glob("view-*"))) == 2


def test_when_all_is_stored_the_teacher_leaves_the_device(cached, monkeypatch):
    cache = opened(cached)
    moves = []
    monkeypatch.setattr(cache.teacher.network, "to", lambda device: moves.append(str(device)))
    cache.view(0, NEVER, Reporter())
    assert moves == ["cpu"] * 3  # the images', once for each batch
    moves.clear()
    cache.view(1, NEVER, Reporter())
    assert len(moves) == 3 + 1


class Reads(Method):
    """Asks for an activation of the teacher."""

    name = "reads"
    teacher_taps = ("conv_acts.0",)


def test_activations_cannot_be_stored(cached, tmp_path):
    with pytest.raises(InputError, match=r"reads activations of its teacher \(conv_acts\.0\).*Leave the cache out"):
        runs.train_recipe(replace(cached, method=Reads()), tmp_path / "runs", "cpu")


def test_views_without_a_folder_are_refused(recipe, tmp_path):
    with pytest.raises(InputError, match=r"--teacher\.views 2 .*Name one with --teacher\.cache"):
        runs.train_recipe(replace(recipe, teacher=replace(recipe.teacher, views=2)), tmp_path / "runs", "cpu")
    with pytest.raises(InputError, match="views"):
        replace(recipe.teacher, views=-1)


def test_a_folder_that_cannot_be_made(recipe, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        runs.train_recipe(storing(recipe, tmp_path / "file" / "cache"), tmp_path / "runs", "cpu")


def test_logits_beyond_float16_are_refused(stripes):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 3))
    torch.nn.init.constant_(network[1].bias, 7e4)
    split = stripes().load().train
    teacher = freeze(network, (), stripes().mean, stripes().std, None, CPU)
    with pytest.raises(InputError, match="not all finite in float16"):
        check_answers(teacher, split, 3, "fp32")


def test_one_image_beyond_float16_is_not_stored(cached, monkeypatch):
    signals = LoadedTeacher.signals

    def one_bad(self, images, precision):
        said = signals(self, images, precision)
        said.logits[0, 7 % len(images), 1] = torch.inf
        return said

    cache = opened(cached)
    monkeypatch.setattr(LoadedTeacher, "signals", one_bad)
    with pytest.raises(InputError, match="not all finite in float16"):
        cache.view(0, NEVER, Reporter())
    assert not list(cache.folder.glob("view-*"))


def test_rounding_to_float16_is_nothing_to_bfloat16_and_little_to_float32():
    numbers = torch.randn(10_000, generator=torch.Generator().manual_seed(0)) * 30
    numbers = numbers[numbers.abs() > 2.0**-17]
    assert torch.equal(numbers.bfloat16().half().float(), numbers.bfloat16().float())
    assert ((numbers.half().float() - numbers) / numbers).abs().max() <= 2.0**-11 * 1.001


def test_signals_have_time_first():
    logits = torch.arange(24.0).half().view(4, 2, 3)
    said = StoredView(logits).signals(torch.tensor([3, 0, 0])).logits
    assert said.dtype == torch.float32
    assert said.is_contiguous()
    assert said.tolist() == [
        [[18, 19, 20], [0, 1, 2], [0, 1, 2]],
        [[21, 22, 23], [3, 4, 5], [3, 4, 5]],
    ]


def test_on_the_command_line(cli, tmp_path):
    words = ["digits-kdsnn", "--epochs", "4", "--teacher.recipe.epochs", "1", "--data.augment.crop", "1"]
    code, _, said = cli("train", *words, "--teacher.cache", "stored", "--teacher.views", "2", "--device", "cpu")
    assert code == 0, said
    assert len(list(tmp_path.glob("stored/*/view-*.safetensors"))) == 2
    code, _, said = cli("train", *words, "--teacher.views", "2", "--epochs", "5", "--device", "cpu")
    assert code == 2
    assert "--teacher.cache" in said


def test_the_files_can_be_read_without_this_library(cached):
    """Plain safetensors, with the key in words beside them."""
    cache = filled(cached)
    said = json.loads((cache.folder / "key.json").read_text())
    assert said["format"] == FORMAT
    assert said["teacher"]["weights"] == cache.teacher.weights_digest
    with safe_open(cache.path(1), framework="pt") as file:
        assert file.metadata()["key"] == cache.key
        assert file.get_slice("logits").get_shape() == [120, 1, 3]
