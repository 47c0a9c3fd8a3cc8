"""Run folders: what is in them, how they are found again, and what is refused."""

import json
from dataclasses import replace

import pytest
import torch

import spikedistill
from spikedistill.data.normalise import normalise
from spikedistill.errors import InputError
from spikedistill.machine import state_files
from spikedistill.methods import TET, TSER, KDSNNResponse, VanillaKD
from spikedistill.models import MLP, ConvNet
from spikedistill.neurons import PLIF, GradedReLU
from spikedistill.recipe import Recipe
from spikedistill.recipes import _files as recipe_files
from spikedistill.runs import train as runs
from spikedistill.training import loop
from spikedistill.values.plain import from_json


@pytest.fixture
def run(student, tmp_path):
    return runs.train_recipe(student, tmp_path, "cpu")


def test_the_folder_of_a_finished_run(run, student):
    assert sorted(path.name for path in run.folder.iterdir() if not path.name.startswith(".")) == [
        "log.jsonl",
        "metrics.json",
        "recipe.json",
        "run.json",
        "weights.safetensors",
    ]
    assert run.folder.name == f"student-{student.hash}"
    assert from_json(Recipe, json.loads((run.folder / "recipe.json").read_text())) == student
    assert set(run.metrics) >= {
        "accuracy",
        "accuracy_best",
        "accuracy_by_step",
        "accuracy_cumulative",
        "parameters",
        "seconds",
        "images_per_second",
        "seed",
        "versions",
        "kernels",
    }
    assert set(run.metrics["versions"]) == {"spikedistill", "commit", "torch", "python", "machine"}


def test_the_numbers_fit_together(run):
    metrics = run.metrics
    log = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert metrics["accuracy"] == metrics["accuracy_cumulative"][-1] == log[-1]["accuracy"]
    assert len(metrics["accuracy_by_step"]) == len(metrics["accuracy_cumulative"]) == 3
    best = max(log, key=lambda record: record["accuracy"])
    assert (metrics["accuracy_best"], metrics["accuracy_best_epoch"]) == (best["accuracy"], best["epoch"])
    assert metrics["accuracy_best_chosen_on"] == "test"
    assert metrics["parameters"] == sum(p.numel() for p in run.network().parameters())
    assert metrics["seconds"] == pytest.approx(sum(record["seconds"] for record in log))
    assert metrics["images_per_second"] == pytest.approx(2 * 120 / metrics["seconds"])


def test_a_validation_split_chooses_the_best_epoch(student, stripes, tmp_path):
    run = runs.train_recipe(replace(student, data=stripes(validation=30), epochs=4), tmp_path, "cpu")
    log = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    best = max(log, key=lambda record: record["validation_accuracy"])
    assert (run.metrics["accuracy_best"], run.metrics["accuracy_best_epoch"]) == (best["accuracy"], best["epoch"])
    assert run.metrics["accuracy_best_chosen_on"] == "validation"
    assert run.metrics["validation_accuracy"] == log[-1]["validation_accuracy"]


def test_the_kept_network_has_the_accuracy_that_the_numbers_say(run, stripes):
    test, data = stripes().load().test, stripes()
    network = run.network()
    assert not network.training
    with torch.no_grad():
        logits = network(normalise(test.images, data.mean, data.std), 3)
    assert (logits.mean(0).argmax(-1) == test.labels).float().mean().item() == pytest.approx(run.metrics["accuracy"])


def test_asking_again_returns_the_folder_without_training(run, student, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "train_network", None)
    assert runs.train_recipe(student, tmp_path, "cpu").folder == run.folder
    assert runs.train_recipe(replace(student, name="renamed"), str(tmp_path), "cpu").folder == run.folder
    assert runs.open_run(run.folder).recipe == student


def test_another_recipe_is_another_run(run, student, tmp_path):
    assert runs.train_recipe(replace(student, seed=1), tmp_path, "cpu").folder != run.folder


def test_numbers_and_lists_that_mean_the_same_are_the_same_run(run, student, tmp_path):
    same = replace(student, clip_norm=0, ema=0)
    object.__setattr__(same, "model", ConvNet((4,), (8,)))
    object.__setattr__(same.model, "channels", [4])  # as someone who does not check types writes it
    assert runs.train_recipe(same, tmp_path, "cpu").folder == run.folder


def test_values_of_the_wrong_type_are_refused_at_the_door(student, tmp_path):
    wrong = replace(student)
    object.__setattr__(wrong, "epochs", "3")
    with pytest.raises(InputError, match=r"recipe\.epochs is '3'; it must be of type int"):
        runs.train_recipe(wrong, tmp_path)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", "", "hpu", "x" * 5000])
def test_devices_that_cannot_be_used(device, student, tmp_path):
    with pytest.raises(InputError, match="is not usable here"):
        runs.train_recipe(student, tmp_path, device)


def test_auto_precision_is_said_in_the_recipe(student, tmp_path):
    run = runs.train_recipe(replace(student, precision="auto"), tmp_path, "cpu")
    said = json.loads((run.folder / "recipe.json").read_text())["precision"]
    assert said == run.recipe.precision != "auto"
    assert runs.train_recipe(run.recipe, tmp_path, "cpu").folder == run.folder


@pytest.mark.parametrize("left", [("recipe.json",), (), ("recipe.json", "run.json"), (".lock",)])
def test_a_folder_that_was_only_begun(left, student, run, tmp_path):
    """The process was killed between two of its first files."""
    metrics = run.metrics["accuracy"]
    for path in run.folder.iterdir():
        if path.name not in left:
            path.unlink()
    again = runs.train_recipe(student, tmp_path, "cpu")
    assert (again.folder, again.metrics["accuracy"]) == (run.folder, metrics)


def test_what_is_no_run(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match=r"is not a run's folder: it has no run\.json"):
            runs.open_run(folder)


def test_a_run_of_another_version(run, student, tmp_path):
    info = {"format": 99, "versions": {"spikedistill": "7.0"}}
    (run.folder / "run.json").write_text(json.dumps(info))
    message = f"written by spikedistill 7.0 in format 99; {spikedistill.__version__} reads format {state_files.FORMAT}"
    with pytest.raises(InputError, match=message):
        runs.open_run(run.folder)
    with pytest.raises(InputError, match=message):
        runs.train_recipe(student, tmp_path, "cpu")


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"format": 1}', "\xff\xfe"])
@pytest.mark.parametrize("name", ["run.json", "recipe.json", "metrics.json"])
def test_damaged_files_are_named(name, content, run):
    (run.folder / name).write_bytes(content.encode("latin-1"))
    if (name, content) == ("metrics.json", '{"format": 1}'):
        return  # nothing of it is needed
    with pytest.raises(InputError, match=rf"{run.folder.name}.*(damaged|recipe is)"):
        _ = runs.open_run(run.folder).metrics


def test_a_missing_recipe_is_named_and_nothing_is_written_over(run, student, tmp_path):
    (run.folder / "recipe.json").unlink()
    for ask in (lambda: runs.open_run(run.folder), lambda: runs.train_recipe(student, tmp_path, "cpu")):
        with pytest.raises(InputError, match=r"recipe\.json is missing or damaged"):
            ask()
    assert run.finished


def test_a_recipe_that_was_changed_by_hand_is_noticed(run, student, tmp_path):
    path = run.folder / "recipe.json"
    path.write_text(path.read_text().replace('"epochs": 2', '"epochs": 3'))
    with pytest.raises(InputError, match="has been changed since that run began"):
        runs.train_recipe(student, tmp_path, "cpu")


def test_missing_damaged_and_foreign_weights(run):
    path = run.folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"weights\.safetensors is truncated"):
        run.network()
    path.unlink()
    with pytest.raises(InputError, match=r"There is no file .*weights\.safetensors"):
        run.network()
    other = MLP((3,)).build((3, 8, 8), 3, run.recipe.neuron)
    for state in (dict(other.state_dict()), [1, 2], None):
        state_files.save(path, state)
        with pytest.raises(InputError, match=r"weights\.safetensors is of another network"):
            run.network()


def test_an_unfinished_run_has_no_numbers(run):
    (run.folder / "metrics.json").unlink()
    with pytest.raises(InputError, match=r"is not finished\. Resume it"):
        run.network()


def test_a_backward_pass_on_rates_needs_a_loss_of_rates(student, taught, tmp_path):
    for recipe in (replace(student, method=TET()), taught(TSER())):
        with pytest.raises(InputError, match="judges single time steps"):
            runs.train_recipe(replace(recipe, backward="rate"), tmp_path, "cpu")
    assert not list(tmp_path.iterdir())
    for recipe in (student, taught(KDSNNResponse()), taught(VanillaKD())):
        runs.check(replace(recipe, backward="rate"))
    for neuron in (PLIF(), GradedReLU()):
        with pytest.raises(InputError, match=f"{type(neuron).__name__} has no backward pass on rates"):
            runs.check(replace(student, neuron=neuron, backward="rate"))


def test_models_that_do_not_fit_the_images_are_refused(student, tmp_path):
    with pytest.raises(InputError, match="cannot be halved 4 times"):
        runs.train_recipe(replace(student, model=ConvNet((2, 2, 2, 2))), tmp_path, "cpu")


def test_seeds_are_repeated_and_differ(student, tmp_path):
    digests = [
        state_files.tensors_digest(
            state_files.load(runs.train_recipe(replace(student, seed=seed), root, "cpu").folder / "weights.safetensors")
        )
        for seed, root in ((0, tmp_path / "a"), (0, tmp_path / "b"), (1, tmp_path / "c"))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_what_the_library_offers_at_its_top():
    for name in spikedistill.__all__:
        assert getattr(spikedistill, name).__name__ in (name, "load", "train_recipe")
    assert spikedistill.train is runs.train_recipe
    with pytest.raises(AttributeError, match="has no attribute 'tran'"):
        _ = spikedistill.tran


def test_importing_the_library_is_light(command):
    code = "import sys, spikedistill; assert not {'torch', 'numpy', 'rich'} & set(sys.modules); spikedistill.Recipe"
    done = command("-c", code, program=())
    assert done.returncode == 0, done.stderr


def test_the_data_folder_of_a_student_is_its_teachers_too():
    """`--data.root` names a folder of this machine; a teacher's recipe that names none is looked for there as well."""
    teacher = recipe_files.load("mnist-teacher")
    here = runs.with_root("/somewhere")(teacher)
    assert here.data.root == "/somewhere"
    assert here.hash == teacher.hash
    assert runs.with_root("/elsewhere")(here).data.root == "/somewhere"


def test_a_resume_under_other_kernels_is_said_and_recorded(student, tmp_path, monkeypatch):
    said = []

    class Listener(runs.Reporter):
        def say(self, text):
            said.append(text)

        def epoch(self, record):
            if record["epoch"] == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(runs, "in_use", lambda _device: "fast")
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_SAVES", -1.0)
    with pytest.raises(KeyboardInterrupt):
        runs.train_recipe(student, tmp_path, "cpu", Listener())
    monkeypatch.setattr(runs, "in_use", lambda _device: "slow")
    with pytest.raises(KeyboardInterrupt):
        runs.train_recipe(student, tmp_path, "cpu", Listener())
    run = runs.train_recipe(student, tmp_path, "cpu")
    assert [line for line in said if "kernels" in line] == [
        f"{run.folder} ran under the kernels 'fast' and goes on under 'slow': its last digits are those of neither "
        "alone. Both are recorded."
    ]
    assert run.metrics["kernels"] == ["fast", "slow"]
    assert json.loads((run.folder / "run.json").read_text())["kernels"] == ["fast", "slow"]


def test_weights_that_are_not_finite_are_not_evaluated(run):
    path = run.folder / "weights.safetensors"
    weights = state_files.load(path)
    state_files.save(path, weights | {"head.weight": weights["head.weight"] * float("nan")})
    with pytest.raises(
        InputError, match=r"weights\.safetensors cannot be used: the weight 'head.weight' is not finite"
    ):
        run.network()


def test_runs_are_opened_by_a_string_too(run):
    assert spikedistill.open_run(str(run.folder)).metrics == run.metrics


def test_a_pipe_is_no_file_of_a_run(run):
    import os

    (run.folder / "recipe.json").unlink()
    os.mkfifo(run.folder / "recipe.json")
    with pytest.raises(InputError, match=r"recipe\.json is missing or damaged"):
        runs.open_run(run.folder)


@pytest.mark.parametrize("root", ["", "a" * 5000, "file", "file/below", "\0"])
def test_folders_that_cannot_hold_runs(root, student, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"is no folder for runs: .* Name another one: --runs DIR") as refused:
        runs.train_recipe(student, root, "cpu")
    assert len(str(refused.value)) < 500
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_finished_run_takes_little_beyond_importing_torch(command):
    """torch._dynamo takes longer to import than torch, and nothing needs it that does not compile."""
    code = "import sys, spikedistill.runs.train; assert not {'torch._dynamo', 'sklearn'} & set(sys.modules)"
    done = command("-c", code, program=())
    assert done.returncode == 0, done.stderr
