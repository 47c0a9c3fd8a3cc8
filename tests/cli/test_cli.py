"""The command line as people use it: what it prints, where, and its exit code."""

import json
import os
import re
import subprocess
import sys

import pytest

from spikedistill import __version__
from spikedistill.cli import main as cli
from spikedistill.recipes import _files as recipe_files
from spikedistill.runs import train as runs

QUICK = ("--epochs", "1", "--batch-size", "64", "--data.train-size", "128", "--device", "cpu")
"""Two steps."""


def one_line(said):
    """The message of a failed command: one line on stderr after any notes, nothing on stdout."""
    code, out, err = said
    assert (code, out) == (2, "")
    *notes, line = err.splitlines()
    assert all(note.startswith("Note: ") for note in notes)
    assert line.startswith("spikedistill: error: ")
    return line.removeprefix("spikedistill: error: ")


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("train", "digits-tsr"),
        ("train", "digits-tser", "--epcohs", "3"),
        ("train", "digits-tser", "--method.alhpa", "3"),
        ("trian",),
        ("cite", "tser"),
        ("cite", "tsr"),
        ("train",),
    ],
)
def test_it_starts_quickly_and_without_torch(words, command):
    """Under 0.3 s on an idle machine; what is measured here is processor time, whatever else runs."""
    code = (
        "import sys, time; from spikedistill.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'rich'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy), 'seconds:', time.process_time())"
    )
    best = 10.0
    for _ in range(3):
        last = command("-c", code, *words, program=()).stdout.splitlines()[-1]
        assert last.startswith("heavy: [] seconds: ")
        best = min(best, float(last.rpartition(" ")[2]))
    assert best < 0.3


def test_help_and_version(cli):
    for words in ((), ("--help",), ("-h",)):
        code, out, err = cli(*words)
        assert (code, err) == (0, "")
        for name in ("train", "evaluate", "list", "cite"):
            assert re.search(rf"^  {name} ", out, re.MULTILINE)
    assert cli("--version") == (0, f"spikedistill {__version__}\n", "")


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_has_help(name, cli):
    code, out, err = cli(name, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: spikedistill {name}")


def test_help_of_a_recipe(cli):
    code, out, err = cli("train", "digits-tser", "--help")
    assert (code, err) == (0, "")
    for option in ("--method.alpha", "--neuron.threshold", "--optimizer.learning-rate", "--data.root", "--epochs"):
        assert option in out
    assert "--neuron {" in out
    assert "cross-entropy" in out


def test_training_as_in_the_readme(cli, tmp_path):
    """Epochs on stderr, numbers on stdout, the folder on its last line; asking again gives the folder at once."""
    code, out, err = cli("train", "digits-scratch", *QUICK)
    assert code == 0, err
    folder = tmp_path / out.splitlines()[-1]
    assert (folder / "metrics.json").is_file()
    assert folder.parent == tmp_path / "runs"
    header, epoch = err.rstrip("\n").rsplit("\n", 1)
    assert [line.split()[0] for line in header.splitlines()[:-1]] == ["recipe", "student", "method", "data", "machine"]
    assert re.search(r"digits-scratch\S*: step 0 of 2$", header)
    assert re.match(r"epoch   1  test .*%\*  train .*%  cross_entropy .* images/s$", epoch)
    assert "\x1b" not in out + err
    assert "accuracy cumulative" in out
    again = cli("train", "digits-scratch", *QUICK)
    assert again == (0, out, f"{folder.relative_to(tmp_path)} has run already.\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("trian digits-tser", "Unknown command 'trian'. Did you mean 'train'?"),
        ("train", None),
        ("train digits-tsr", "Unknown recipe 'digits-tsr'. Did you mean 'digits-tser'?"),
        ("train --epochs 3 digits-tser", "The recipe comes first"),
        ("train digits-tser --epocs 3", "Unknown option '--epocs'. Did you mean '--epochs'?"),
        ("train digits-tser --method.alhpa=3", "Unknown option '--method.alhpa'. Did you mean '--method.alpha'?"),
        ("train digits-tser --methd kdsnn", "Unknown option '--methd'. Did you mean '--method'?"),
        ("train digits-tser --method kdsn", "Unknown method 'kdsn'. Did you mean 'kdsnn'?"),
        ("train digits-tser --method", "Unknown method ''. Allowed: "),
        ("train digits-tser --neuron lfi", "Unknown neuron 'lfi'. Did you mean 'lif'?"),
        ("train digits-tser --neuron.surrogate ata", "Unknown surrogate 'ata'. Did you mean 'atan'?"),
        ("train digits-tser --model resnt", "Unknown model 'resnt'. Did you mean 'resnet'?"),
        ("train digits-tser --data digts", "Unknown data 'digts'. Did you mean 'digits'?"),
        ("train digits-tser --teacher digits-teachr", "Did you mean 'digits-teacher'?"),
        ("train digits-tser --teacher no.such:module", "'no.such:module' cannot be imported"),
        ("train digits-tser --epochs three", "--epochs"),
        ("train digits-tser --epochs 3.5", "--epochs"),
        ("train digits-tser --epochs", "--epochs"),
        ("train digits-tser --epochs 0", "epochs must be 1 or more, not 0"),
        ("train digits-tser --steps 0", "steps must be 1 or more, not 0"),
        ("train digits-tser --steps -1", "steps must be 1 or more, not -1"),
        ("train digits-tser --precision fp8", "'fp8'"),
        ("train digits-tser --neuron lif --neuron.tau 0.5", "tau must be"),
        ("train digits-tser --method.alpha 2", "alpha"),
        ("train digits-tser --data.train-size -5", "train_size must be 0 or more, not -5"),
        ("train digits-tser --optimizer.learning-rate 0", "learning_rate must be a finite number above 0"),
        ("train digits-tser --batch-size 2000 --device cpu", "batch_size 2000 is more than the "),
        ("train digits-tser --method cross-entropy", "Leave the teacher out: --teacher none"),
        ("train digits-scratch --method tser", "tser needs a teacher"),
        ("train digits-scratch --device gpu", "Device 'gpu' is not usable here"),
        ("train digits-scratch --name a/b", "name must be letters"),
        ("train digits-scratch --method.alpha 1", "Options of cross-entropy: --method.label-smoothing."),
        (
            "train digits-tser --method.alhpa 1",
            "Did you mean '--method.alpha'? `spikedistill train",
        ),
        ("train digits-scratch --method tser", "Name one: --teacher"),
        ("train digits-scratch --model mlp --batch-size 1", "batch_size 1 leaves a norm one value per channel"),
        ("train digits-scratch --model mlp --model.hidden", "An mlp without hidden layers has no neurons"),
        ("train digits-tser --epochs two", "--epochs: must be a whole number, not 'two'"),
        ("train my.py", "There is no recipe file my.py"),
        ("evaluate", "RUN"),
        ("evaluate nowhere", "There is no folder 'nowhere'"),
        ("evaluate " + "z" * 5000, "There is no folder 'zzz"),
        ("evaluate nowhere --steps x", "--steps"),
        ("evaluate runs/digits-tser-*", "No run's folder matches 'runs/digits-tser-*'"),
        ("evaluate nowhere --sptil test", "Unknown option '--sptil'. Did you mean '--split'?"),
        ("list --jsn", "Unknown option '--jsn'. Did you mean '--json'?"),
        ("--versoin", "Unknown option '--versoin'. Did you mean '--version'?"),
        ("cite", "name"),
        ("cite tser kdsnn", "'kdsnn' is one word too many"),
        ("cite tsr", "Unknown recipe or method 'tsr'. Did you mean 'tser'?"),
    ],
)
def test_wrong_input_gets_one_line(words, message, cli):
    said = cli(*words.split())
    if message is None:
        assert said[0] == 0  # the command's help
        return
    assert message in one_line(said)


def test_data_that_are_not_there(cli, tmp_path, monkeypatch):
    """No network, no files: which files go where."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    (tmp_path / "file").write_text("not a folder")
    assert "train-images" in one_line(cli("train", "mnist-scratch", "--data.root", "file", "--device", "cpu"))


def test_a_loss_that_is_not_finite(cli):
    code, out, err = cli("train", "digits-scratch", *QUICK, "--optimizer", "sgd", "--optimizer.learning-rate", "1e30")
    assert (code, out) == (1, "")
    assert re.match(
        r"spikedistill: error: The .* epoch 1, step \d+\. Last good checkpoint: none yet\. Try", err.splitlines()[-1]
    )
    assert "Traceback" not in err


def test_ctrl_c_before_anything_is_saved(cli, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(recipe_files, "load", interrupt)
    message = "spikedistill: Stopped. A run goes on from what is saved with the same command.\n"
    assert cli("train", "digits-tser") == (130, "", message)


def test_a_bug_keeps_its_traceback(cli, monkeypatch):
    monkeypatch.setattr(runs, "train_recipe", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli("train", "digits-tser")


def test_a_runs_folder_that_cannot_be_made(cli, tmp_path):
    (tmp_path / "runs").write_text("a file")
    assert "'runs' is no folder for runs" in one_line(cli("train", "digits-scratch", *QUICK))


@pytest.fixture
def run(cli, tmp_path):
    _, out, _ = cli("train", "digits-scratch", *QUICK)
    return tmp_path / out.splitlines()[-1]


def test_evaluate(run, cli):
    code, out, err = cli("evaluate", run, "--device", "cpu")
    assert (code, err) == (0, "")
    metrics = json.loads((run / "metrics.json").read_text())
    assert f"{metrics['accuracy']:.2%}" in out
    code, out, _ = cli("evaluate", run, "--steps", "8", "--split", "train", "--json", "--device", "cpu")
    (result,) = json.loads(out)
    assert (code, result["steps"], result["split"], result["images"]) == (0, 8, "train", 128)
    assert len(result["accuracy_cumulative"]) == 8
    assert "steps must be 1 or more, not 0" in one_line(cli("evaluate", run, "--steps", "0"))
    assert "Unknown split 'tets'. Did you mean 'test'?" in one_line(cli("evaluate", run, "--split", "tets"))
    assert "no validation split" in one_line(cli("evaluate", run, "--split", "validation"))


@pytest.mark.parametrize("name", ["recipe.json", "run.json", "metrics.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "cut", "other"])
def test_damaged_folders_get_one_line(name, damage, run, cli):
    path = run / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"\x00\xffnot what it should be")
    expected = "is not finished" if (name, damage) == ("metrics.json", "missing") else name
    assert expected in one_line(cli("evaluate", run, "--device", "cpu"))
    if name == "recipe.json":
        assert name in one_line(cli("train", "digits-scratch", *QUICK))


OWN = """
from dataclasses import dataclass
from spikedistill.data.digits import Digits
from spikedistill.methods.cross_entropy import CrossEntropy
from spikedistill.models import MLP
from spikedistill.recipe import Recipe

@dataclass(frozen=True)
class Louder(CrossEntropy):
    name = "louder"
    def losses(self, student, teacher, labels):
        return {"louder": 2 * super().losses(student, teacher, labels)["cross_entropy"]}

loud = Recipe(Digits(train_size=128), MLP((9,)), 1, method=Louder(), batch_size=64)
"""


def test_a_method_of_ones_own(cli, command, tmp_path):
    (tmp_path / "my.py").write_text(OWN)
    code, out, err = cli("train", "my.py", "--device", "cpu")
    assert code == 0, err
    assert "  louder " in err
    folder = out.splitlines()[-1]
    assert folder.startswith("runs/loud-")
    code, out, _ = cli("train", "my.py", "--method", "louder", "--device", "cpu")
    assert out.splitlines()[-1] == folder
    elsewhere = command("evaluate", folder)  # a process that does not know the class
    assert (elsewhere.returncode, elsewhere.stdout) == (2, "")
    (line,) = elsewhere.stderr.splitlines()
    assert "Unknown kind of recipe.method 'Louder'" in line
    assert "--import FILE.py" in line
    code, out, err = cli("evaluate", folder, "--import", "my.py", "--json", "--device", "cpu")
    assert (code, json.loads(out)[0]["split"], err) == (0, "test", "")


def test_a_closed_pipe_is_no_error():
    """`spikedistill cite tser | head -0`: nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "spikedistill.cli", "cite", "tser"]
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.slow
def test_two_students_at_once_share_one_teacher(tmp_path):
    """Two processes ask for it at the same time: one trains it, the other waits."""
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "spikedistill.cli",
                "train",
                f"digits-{name}",
                *QUICK,
                "--teacher.recipe.epochs",
                "4",
            ],
            cwd=tmp_path,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("tser", "kdsnn")
    ]
    said = [process.communicate(timeout=100) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert sum("digits-teacher+epochs=4: step 0 of" in err for _, err in said) == 1
    assert len(list((tmp_path / "runs").glob("digits-teacher+epochs=4-*"))) == 1
    assert len(list((tmp_path / "runs").glob("*/metrics.json"))) == 3
