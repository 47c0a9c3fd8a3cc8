"""Keep finished runs: copy what stands behind their numbers into this folder, and their recipes' hashes to hashes.json.

    python results/keep.py FOLDER RUN [RUN ...]

FOLDER is below this one (`digits`); each run is kept under its own name, so that tables are shown from there:
`spikedistill table distilling-spikes-table-1 --budget cpu --runs results/distilling-spikes`. Weights and checkpoints
stay where they are. (What 0.2.0's first commits kept is called NAME-SEED.)
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from spikedistill import Run, open_run
from spikedistill.recipe import everywhere
from spikedistill.values.plain import UNUSED, to_json

HERE = Path(__file__).parent
HASHES = HERE / "hashes.json"
FILES = ("run.json", "metrics.json", "log.jsonl", "console.log")


def keep(run: Run, folder: Path) -> Path:
    """Copy a finished run's files, without the places of the machine that it ran on; returns where they are.

    Raises:
        InputError: the run is not finished.
        ValueError: another recipe has been kept there.
    """
    _ = run.metrics
    target = folder / run.folder.name
    hashes = json.loads(HASHES.read_text()) if HASHES.is_file() else {}
    place = target.relative_to(HERE).as_posix()
    if hashes.get(place, run.recipe.hash) != run.recipe.hash:
        raise ValueError(f"{target} holds another recipe ({hashes[place]}, not {run.recipe.hash}). Move it away first.")
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if (run.folder / name).is_file():
            text = (run.folder / name).read_text()
            (target / name).write_text(text.replace(str(run.folder.parent), "runs"))
    recipe = everywhere(run.recipe, lambda one: replace(one, cache="", data=replace(one.data, root="")))
    (target / "recipe.json").write_text(json.dumps(to_json(recipe, leave_out=(UNUSED,)), indent=2) + "\n")
    hashes[place] = run.recipe.hash
    HASHES.write_text(json.dumps(dict(sorted(hashes.items())), indent=2) + "\n")
    return target


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    for name in sys.argv[2:]:
        print(keep(open_run(Path(name)), HERE / sys.argv[1]))
