"""Draw `docs/digits.svg`, the README's picture, from kept runs of the table `digits`, and compare its methods.

    python docs/digits_figure.py

Prints the README's table and the differences between networks, paired by seed, with 95 % confidence intervals.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

import matplotlib.pyplot as plt
from scipy.stats import t as student_t

RUNS = Path(__file__).parents[1] / "results" / "digits"
LINES = {
    "digits-tser": ("TSER", "#0b6e99"),
    "digits-kdsnn": ("KDSNN", "#d9822b"),
    "digits-scratch": ("from scratch", "#6b7280"),
}
PAIRS = (("digits-kdsnn", "digits-scratch"), ("digits-tser", "digits-scratch"), ("digits-tser", "digits-kdsnn"))


def by_step(name: str) -> list[list[float]]:
    """Accuracies in per cent after 1, 2, ... time steps, a list over seeds each; in the order of the seeds."""
    seeds = {}
    for file in RUNS.glob(f"{name}-*/metrics.json"):
        metrics = json.loads(file.read_text())
        seeds[metrics["seed"]] = metrics["accuracy_cumulative"]
    return [[100 * value for value in step] for step in zip(*(seeds[seed] for seed in sorted(seeds)), strict=True)]


def interval(values: Sequence[float]) -> float:
    """Half the width of the 95 % confidence interval of a mean."""
    return float(student_t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5


def draw() -> None:
    plt.rcParams |= {"svg.hashsalt": "spikedistill", "font.size": 11, "svg.fonttype": "none"}
    figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    for place, (name, (label, colour)) in enumerate(LINES.items()):
        values = by_step(name)
        steps = [step + 0.05 * (place - 1) for step in range(1, len(values) + 1)]
        deviations = [stdev(step) for step in values]
        axes.errorbar(
            steps, list(map(mean, values)), deviations, color=colour, marker="o", markersize=5, capsize=3, label=label
        )
    (teachers,) = by_step("digits-teacher")
    axes.axhline(mean(teachers), color="#111827", linestyle=":", linewidth=1)
    axes.text(4.2, mean(teachers) + 0.4, "ANN teacher, all images", ha="right", va="bottom", color="#111827")
    axes.set(xlabel="time steps", ylabel="test accuracy in %", xticks=[1, 2, 3, 4], xlim=(0.7, 4.3), ylim=(74, 101))
    axes.set_title(f"Spiking student, 100 training images, {len(teachers)} seeds", loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    target = Path(__file__).with_name("digits.svg")
    figure.savefig(target, metadata={"Date": None})
    target.write_text(re.sub(r"[ \t]+$", "", target.read_text(), flags=re.MULTILINE))


def compare() -> None:
    for name in ("digits-teacher", *reversed(LINES)):
        print(f"{name:16}", "  ".join(f"{mean(step):.1f} ± {stdev(step):.1f}" for step in by_step(name)))
    for ours, theirs in PAIRS:
        differences = [
            [a - b for a, b in zip(*steps, strict=True)] for steps in zip(by_step(ours), by_step(theirs), strict=True)
        ]
        said = "  ".join(f"{mean(step):+.1f} ± {interval(step):.1f}" for step in differences)
        print(f"{ours} - {theirs}: {said}")


if __name__ == "__main__":
    draw()
    compare()
