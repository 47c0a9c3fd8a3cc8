"""Run folders of any content, without training."""

import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from spikedistill import Recipe, load_recipe
from spikedistill.machine.state_files import FORMAT
from spikedistill.values.plain import UNUSED, digest, to_json

_spec = importlib.util.spec_from_file_location("measured", Path(__file__).with_name("measured.py"))
assert _spec is not None
assert _spec.loader is not None
sys.modules["measured"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["measured"])

Make = Callable[..., Path]
VERSIONS = {"spikedistill": "0.2.0", "commit": "abc", "torch": "2.13.0", "python": "3.11.7", "machine": "x86_64"}


def write_run(
    folder: Path,
    recipe: Recipe,
    accuracy: float | None = 0.9,
    metrics: dict[str, Any] | str | None = None,
    log: Sequence[Any] | str | None = None,
    evaluations: Sequence[dict[str, Any]] | str = (),
) -> Path:
    """Write a run of format 2; metrics, log and evaluations as text are written as they are."""
    place = folder / f"{recipe.name}-{recipe.hash}"
    place.mkdir(parents=True)
    (place / "recipe.json").write_text(json.dumps(to_json(recipe, leave_out=(UNUSED,))))
    info = {"format": FORMAT, "recipe": digest(recipe), "versions": VERSIONS, "kernels": ["cpu"]}
    (place / "run.json").write_text(json.dumps(info))
    if accuracy is not None and not isinstance(metrics, str):
        steps = [accuracy - 0.01 * (recipe.time_steps - 1 - t) for t in range(recipe.time_steps)]
        own = {
            "accuracy": accuracy,
            "accuracy_best": accuracy + 0.01,
            "accuracy_best_epoch": 2,
            "accuracy_best_chosen_on": "test",
            "accuracy_by_step": [step - 0.02 for step in steps],
            "accuracy_cumulative": steps,
            "parameters": 3704,
            "seconds": 6.8,
            "images_per_second": 2933.3,
            "seed": recipe.seed,
        }
        metrics = json.dumps(own | (metrics or {}))
    if metrics is not None:
        (place / "metrics.json").write_text(metrics if isinstance(metrics, str) else json.dumps(metrics))
    if log is None:
        end = 0.5 if accuracy is None else accuracy
        log = [
            {"epoch": epoch, "losses": {}, "train_accuracy": end - 0.2 / epoch, "accuracy": end - 0.3 * (3 - epoch) / 3}
            for epoch in (1, 2, 3)
        ]
    text = log if isinstance(log, str) else "".join(json.dumps(record) + "\n" for record in log)
    (place / "log.jsonl").write_text(text)
    if evaluations:
        content: Any = {"schema": 1, "recipe": recipe.hash, "evaluations": evaluations}
        (place / "evaluation.json").write_text(evaluations if isinstance(evaluations, str) else json.dumps(content))
    return place


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """`make(recipe, accuracy, ...)` writes a run's folder below `tmp_path / "runs"`."""

    def made(recipe: Recipe, *arguments: Any, **named: Any) -> Path:
        return write_run(tmp_path / "runs", recipe, *arguments, **named)

    return made


@pytest.fixture(scope="session")
def scratch() -> Recipe:
    return load_recipe("digits-scratch")


@pytest.fixture(scope="session")
def taught() -> Recipe:
    return load_recipe("digits-tser")


@pytest.fixture(scope="session")
def write_runs() -> Make:
    """`write_runs(folder, recipe, ...)`, for pages that several tests share."""
    return write_run
