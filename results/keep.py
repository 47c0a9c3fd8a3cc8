"""Keep finished runs: copy what stands behind their numbers into this folder, and their recipes' hashes to hashes.json.

    python results/keep.py FOLDER RUN [RUN ...]
    python results/keep.py --weights NAME RUN

FOLDER is below this one (`digits`); each run is kept under its own name, so that tables are shown from there:
`spikedistill table distilling-spikes-table-1 --budget cpu --runs results/distilling-spikes`. Weights and checkpoints
stay where they are. (What 0.2.0's first commits kept is called NAME-SEED.) A run that is kept again brings what
`evaluate` has measured of it since.

With --weights the run is kept as `weights/NAME-HASH`, its network with it (up to 3 MB) and a card that says what it is:
a run's folder, which `evaluate`, `predict`, `--start` and `--teacher` take.
"""

import hashlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import torch

from spikedistill import Run, open_run
from spikedistill.recipe import everywhere
from spikedistill.runs.describe import describe
from spikedistill.values.plain import UNUSED, to_json

HERE = Path(__file__).parent
HASHES = HERE / "hashes.json"
WEIGHTS = HERE.parent / "weights"
LARGEST = 3_000_000
"""Bytes of a network that is kept."""
FILES = ("run.json", "metrics.json", "log.jsonl", "console.log", "evaluation.json")


def keep(run: Run, folder: Path) -> Path:
    """Copy a finished run's files, without the places of the machine that it ran on; returns where they are.

    Raises:
        InputError: the run is not finished.
        ValueError: another recipe has been kept there.
    """
    _ = run.metrics
    hashes = json.loads(HASHES.read_text()) if HASHES.is_file() else {}
    kept = (HERE / place for place, one in hashes.items() if one == run.recipe.hash)
    target = next((place for place in kept if place.parent == folder), folder / run.folder.name)
    place = target.relative_to(HERE).as_posix()
    if hashes.get(place, run.recipe.hash) != run.recipe.hash:
        raise ValueError(f"{target} holds another recipe ({hashes[place]}, not {run.recipe.hash}). Move it away first.")
    copy(run, target)
    hashes[place] = run.recipe.hash
    HASHES.write_text(json.dumps(dict(sorted(hashes.items())), indent=2) + "\n")
    return target


def copy(run: Run, target: Path) -> None:
    """Copy a run's files without the places of the machine that it ran on."""
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if (run.folder / name).is_file():
            text = (run.folder / name).read_text()
            (target / name).write_text(text.replace(str(run.folder.parent), "runs"))
    recipe = everywhere(run.recipe, lambda one: replace(one, cache="", data=replace(one.data, root="")))
    (target / "recipe.json").write_text(json.dumps(to_json(recipe, leave_out=(UNUSED,)), indent=2) + "\n")


def keep_weights(run: Run, name: str) -> Path:
    """Keep a run's network with its files and a card, as `weights/NAME-HASH`; returns where it is.

    The hash lets students find their teacher there.

    Raises:
        InputError: the run is not finished.
        ValueError: the network is too large.
    """
    _ = run.metrics
    source, target = run.folder / "weights.safetensors", WEIGHTS / f"{name}-{run.recipe.hash}"
    if source.stat().st_size > LARGEST:
        raise ValueError(f"{source} has {source.stat().st_size:,} bytes; at most {LARGEST:,} are kept.")
    copy(run, target)
    shutil.copyfile(source, target / source.name)
    (target / "README.md").write_text(card(run, target.name, source))
    return target


def card(run: Run, name: str, weights: Path) -> str:
    """Return what a reader has to know of a kept network, in Markdown."""
    recipe, metrics = run.recipe, run.metrics
    parts = dict(describe(recipe, torch.device("cpu"), metrics["parameters"]))
    steps = ", ".join(f"{share:.2%}" for share in metrics["accuracy_cumulative"])
    by_steps = f"; after 1, 2, ... steps {steps}" if len(metrics["accuracy_cumulative"]) > 1 else ""
    images = metrics["images_per_second"] * metrics["seconds"]
    lines = [
        ("network", parts["student"]),
        ("data", f"{parts['data']}; trained on the training images, {images / recipe.epochs:,.0f} an epoch"),
        (
            "protocol",
            f"epochs: {recipe.epochs}, batches of {recipe.batch_size}, method {parts['method']}, {recipe.precision}",
        ),
        ("teacher", parts.get("teacher", "none")),
        ("start", parts.get("start", "random weights")),
        ("accuracy", f"{metrics['accuracy']:.2%} on the test images, last epoch, one seed ({recipe.seed}){by_steps}"),
        ("trained by", f"spikedistill {metrics['versions']['spikedistill']}, commit {metrics['versions']['commit']}"),
        ("recipe", f"`{recipe.name}`, hash {recipe.hash}"),
        ("SHA-256", hashlib.sha256(weights.read_bytes()).hexdigest()),
        ("licence", "MIT, as this repository; the data have terms of their own"),
    ]
    table = "\n".join(f"| {key} | {value} |" for key, value in lines)
    commands = f"spikedistill evaluate weights/{name}\nspikedistill predict weights/{name} picture.png"
    return f"# {name}\n\n| | |\n|---|---|\n{table}\n\n```sh\n{commands}\n```\n"


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    if sys.argv[1] == "--weights":
        print(keep_weights(open_run(Path(sys.argv[3])), sys.argv[2]))
        sys.exit()
    for name in sys.argv[2:]:
        print(keep(open_run(Path(name)), HERE / sys.argv[1]))
