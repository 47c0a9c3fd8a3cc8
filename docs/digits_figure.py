"""Draw `docs/digits.svg`, the README's picture, from the runs of `examples/digits_demo.py`.

python docs/digits_figure.py [RUNS]
"""

import re
import sys
from pathlib import Path
from statistics import mean, stdev

import matplotlib.pyplot as plt

from spikedistill import open_run

LINES = {
    "digits-tser": ("TSER", "#0b6e99"),
    "digits-kdsnn": ("KDSNN", "#d9822b"),
    "digits-scratch": ("from scratch", "#6b7280"),
}


def main(root: Path) -> None:
    plt.rcParams |= {"svg.hashsalt": "spikedistill", "font.size": 11, "svg.fonttype": "none"}
    figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    for place, (name, (label, colour)) in enumerate(LINES.items()):
        runs = [open_run(folder) for folder in sorted(root.glob(f"{name}-*"))]
        by_step = list(zip(*(run.metrics["accuracy_cumulative"] for run in runs), strict=True))
        means, deviations = [100 * mean(values) for values in by_step], [100 * stdev(values) for values in by_step]
        steps = [step + 0.05 * (place - 1) for step in range(1, len(by_step) + 1)]
        axes.errorbar(steps, means, deviations, color=colour, marker="o", markersize=5, capsize=3, label=label)
    teachers = [open_run(folder).metrics["accuracy"] for folder in sorted(root.glob("digits-teacher-*"))]
    axes.axhline(100 * mean(teachers), color="#111827", linestyle=":", linewidth=1)
    axes.text(4.2, 100 * mean(teachers) + 0.4, "ANN teacher, all images", ha="right", va="bottom", color="#111827")
    axes.set(xlabel="time steps", ylabel="test accuracy in %", xticks=[1, 2, 3, 4], xlim=(0.7, 4.3), ylim=(76, 101))
    axes.set_title(f"Spiking student, 100 training images, {len(teachers)} seeds", loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    target = Path(__file__).with_name("digits.svg")
    figure.savefig(target, metadata={"Date": None})
    target.write_text(re.sub(r"[ \t]+$", "", target.read_text(), flags=re.MULTILINE))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))
