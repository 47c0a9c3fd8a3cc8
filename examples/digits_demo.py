"""Does a teacher help a small spiking network? Handwritten digits, three seeds, one table. Takes about a minute.

    python examples/digits_demo.py [SEEDS]

SEEDS is the number of seeds, 3 by default; the table in the README has 20.

The teacher is an ANN that has seen all 1,437 training images. The student is smaller, spikes for T = 4 time steps and
gets 100 of the images; it is trained from scratch and with two published distillation methods. Nothing is downloaded:
the digits come with scikit-learn.
"""

import os
import sys
from dataclasses import replace
from functools import partial
from statistics import mean, stdev

from rich import box
from rich.console import Console
from rich.table import Table

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; the networks are too small for more

from spikedistill.recipe import Recipe, everywhere
from spikedistill.recipes import digits
from spikedistill.runs import train as runs

ROWS = {
    "ANN teacher": digits.teacher,
    "SNN scratch": digits.scratch,
    "SNN KDSNN": digits.kdsnn,
    "SNN TSER": digits.tser,
}
SEEDS = (0, 1, 2)


def main(rows: dict[str, Recipe] = ROWS, seeds: tuple[int, ...] = SEEDS, root: str = "runs") -> None:
    console = Console()
    table = Table(title="Accuracy in %, last epoch, mean ± standard deviation over seeds", box=box.SIMPLE_HEAD)
    steps = digits.scratch.steps
    for column in ("network", "weights", *(f"T = {t}" for t in range(1, steps + 1))):
        table.add_column(column, justify="left" if column == "network" else "right")
    for name, recipe in rows.items():
        with console.status(f"Training: {name}, {len(seeds)} seeds"):
            results = [
                runs.train_recipe(everywhere(recipe, partial(replace, seed=seed)), root, "cpu").metrics
                for seed in seeds
            ]
        by_seed = zip(*(result["accuracy_cumulative"] for result in results), strict=True)
        table.add_row(name, f"{results[0]['parameters']:,}", *map(spread, by_seed))
    console.print(table)
    console.print(f"The runs are in {root}/; ask one at another T: spikedistill evaluate RUN --steps 8")


def spread(values: tuple[float, ...]) -> str:
    """Mean and standard deviation of shares, in per cent."""
    deviation = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * mean(values):.1f}{deviation}"


if __name__ == "__main__":
    main(seeds=tuple(range(int(sys.argv[1]))) if len(sys.argv) > 1 else SEEDS)
