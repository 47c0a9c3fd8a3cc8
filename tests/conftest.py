"""Shapes and types are checked in every call of the library while its tests run; a small data set and quick recipes."""

from jaxtyping import install_import_hook

# Before anything of the library is imported. As for mypy, an int is a float.
install_import_hook("spikedistill", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

import importlib.util  # noqa: E402
import os  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
from dataclasses import dataclass, replace  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import ClassVar  # noqa: E402

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

from spikedistill.data.dataset import Augment, Dataset  # noqa: E402
from spikedistill.data.split import TensorSplit  # noqa: E402
from spikedistill.kernels import build, choice  # noqa: E402
from spikedistill.models import ConvNet  # noqa: E402
from spikedistill.neurons import IF, ReLU  # noqa: E402
from spikedistill.optim.optimizers import SGD  # noqa: E402
from spikedistill.recipe import Recipe  # noqa: E402
from spikedistill.teachers import FromRecipe  # noqa: E402

_spec = importlib.util.spec_from_file_location("plain_networks", Path(__file__).with_name("plain_networks.py"))
assert _spec is not None
assert _spec.loader is not None
sys.modules["plain_networks"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["plain_networks"])

torch.set_num_threads(1)
settings.register_profile("quick", deadline=None, max_examples=50)
settings.load_profile("quick")


@dataclass(frozen=True)
class Stripes(Dataset):
    """Noisy colour images of three classes, each with a bright band of rows of its own: learned in two epochs."""

    name: ClassVar[str] = "stripes"
    classes: ClassVar[int] = 3
    train_counts: ClassVar[tuple[int, ...]] = (40, 40, 40)
    test_counts: ClassVar[tuple[int, ...]] = (20, 20, 20)

    @property
    def shape(self) -> tuple[int, int, int]:
        return (3, 8, 8)

    @property
    def mean(self) -> tuple[float, ...]:
        return (0.4, 0.45, 0.5)

    @property
    def std(self) -> tuple[float, ...]:
        return (0.2, 0.25, 0.3)

    def _read(self) -> tuple[TensorSplit, TensorSplit]:
        return self._part(1, self.train_counts), self._part(2, self.test_counts)

    def _part(self, seed: int, counts: tuple[int, ...]) -> TensorSplit:
        labels = torch.repeat_interleave(torch.arange(3), torch.tensor(counts))
        draw = torch.Generator().manual_seed(seed)
        images = torch.randint(0, 160, (len(labels), *self.shape), generator=draw, dtype=torch.uint8)
        rows = torch.arange(8)[None, None, :, None] // 3
        return TensorSplit(images + 90 * (rows == labels[:, None, None, None]).to(torch.uint8), labels)


TEACHER = Recipe(
    name="teacher",
    data=Stripes(),
    model=ConvNet((6,), (8,)),
    neuron=ReLU(),
    optimizer=SGD(0.05),
    batch_size=30,
    epochs=2,
    precision="fp32",
)
STUDENT = replace(TEACHER, name="student", neuron=IF(), steps=3, model=ConvNet((4,), (8,)))


@pytest.fixture
def stripes():
    """The class of the data set."""
    return Stripes


@pytest.fixture
def augmented():
    """The data set with every augmentation that small colour images can have."""
    return Stripes(augment=Augment(crop=1, flip=True, policy="cifar10", cutout=2))


@pytest.fixture
def teacher():
    """An ANN's recipe: four steps an epoch, two epochs."""
    return TEACHER


@pytest.fixture
def student():
    """A spiking network's recipe without a teacher, as long."""
    return STUDENT


@pytest.fixture
def taught():
    """A function that gives the student a teacher and a method."""
    return lambda method, **changes: replace(STUDENT, **{"method": method, "teacher": FromRecipe(TEACHER)} | changes)


@pytest.fixture
def command(tmp_path):
    """A function that runs the command line in a process of its own, in an empty folder."""

    def run(*words: str, program: tuple[str, ...] = ("-m", "spikedistill.cli"), **options):
        return subprocess.run(
            [sys.executable, *program, *words],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", **options.pop("env", {})},
            capture_output=True,
            text=True,
            timeout=120,
            **options,
        )

    return run


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """A function that runs the command line in this process, in an empty folder: exit code, stdout, stderr."""
    from spikedistill.cli.main import main

    monkeypatch.chdir(tmp_path)

    def run(*words: str | Path) -> tuple[int, str, str]:
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def cpu_kernels(monkeypatch):
    """The test runs the CPU's kernels, or is skipped where these cannot be built."""
    reason = build.load()
    if reason is not None:
        pytest.skip(f"no CPU kernels: {reason}")
    monkeypatch.setenv(choice.VARIABLE, "cpu")
