"""Keep finished runs: copy what stands behind their numbers into this folder, and their recipes' hashes to hashes.json.

    python results/keep.py FOLDER RUN [RUN ...]

FOLDER is below this one (`digits`); each run is kept as FOLDER/NAME-SEED. Weights and checkpoints stay where they are.
"""

import json
import sys
from pathlib import Path

from spikedistill import Run, open_run

HERE = Path(__file__).parent
HASHES = HERE / "hashes.json"
FILES = ("recipe.json", "run.json", "metrics.json", "log.jsonl", "console.log")


def keep(run: Run, folder: Path) -> Path:
    """Copy a finished run's files; returns where they are.

    Raises:
        InputError: the run is not finished.
        ValueError: another recipe has been kept there.
    """
    _ = run.metrics
    target = folder / f"{run.recipe.name}-{run.recipe.seed}"
    hashes = json.loads(HASHES.read_text()) if HASHES.is_file() else {}
    place = target.relative_to(HERE).as_posix()
    if hashes.get(place, run.recipe.hash) != run.recipe.hash:
        raise ValueError(f"{target} holds another recipe ({hashes[place]}, not {run.recipe.hash}). Move it away first.")
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if (run.folder / name).is_file():
            text = (run.folder / name).read_text()
            (target / name).write_text(
                text.replace(str(run.folder.parent), "runs")
            )  # whose machine it was is no matter
    hashes[place] = run.recipe.hash
    HASHES.write_text(json.dumps(dict(sorted(hashes.items())), indent=2) + "\n")
    return target


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    for name in sys.argv[2:]:
        print(keep(open_run(Path(name)), HERE / sys.argv[1]))
