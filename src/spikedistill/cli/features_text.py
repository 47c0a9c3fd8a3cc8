"""Features and outputs of a run as lines for people: what a page draws, in a few numbers."""

from typing import Any

from spikedistill.cli.answers_text import MOST_COLUMNS as MOST_ROWS
from spikedistill.cli.answers_text import WORST, where
from spikedistill.cli.shown import print_table
from spikedistill.machine.terminal import printable

PERPLEXITY = 30


def print_features(found: dict[str, Any]) -> None:
    """Print how far classes lie apart in the plane; the points are in evaluation.json."""
    print(printable(f"Features by t-SNE, {where(found)}; mean over time, scikit-learn, seed 0"), end="\n\n")
    rows = [_row("network", found)]
    teacher = found["teacher"]
    if teacher is not None and "points" in teacher:
        rows.append(_row("teacher", teacher))
    print_table(rows)
    print("\nof the same class: share of a point's 10 nearest; the points are in evaluation.json")
    if found["perplexity"] < PERPLEXITY:
        print(f"The perplexity is lowered from {PERPLEXITY} to a third of the other images.")
    _print_problem(teacher)


def _row(of: str, found: dict[str, Any]) -> dict[str, str]:
    return {
        "of": of,
        "layer": found["layer"],
        "images": str(found["images"]),
        "perplexity": f"{found['perplexity']:.3g}",
        "of the same class": f"{found['same_class']:.2%}",
    }


def print_outputs(found: dict[str, Any]) -> None:
    """Print what each class's images are given on average: their own class, and the next most probable one."""
    print(printable(f"Mean probabilities by true class, {where(found)}"))
    print("given to it: to the images' own class; next: to which other class most", end="\n\n")
    teacher = found["teacher"]
    theirs = None if teacher is None else teacher.get("by_class")
    own = {k: row[k] for k, row in enumerate(found["by_class"]) if row is not None}
    shown = list(own) if len(own) <= MOST_ROWS else sorted(own, key=own.__getitem__)[:WORST]
    if len(shown) < len(own):
        print(f"The {WORST} of {len(own)} classes that are given least; --json has all", end="\n\n")
    rows = []
    for k in shown:
        beside = {} if theirs is None else _of_class(theirs[k], k, "teacher: ")
        rows.append({"true class": str(k)} | _of_class(found["by_class"][k], k, "") | beside)
    print_table(rows)
    print("\nprobabilities: softmax of the logits' mean over time")
    if theirs is not None:
        print(printable(f"teacher: {teacher['name']}"))
    _print_problem(teacher)


def _of_class(shares: list[float], true: int, of: str) -> dict[str, str]:
    others = [k for k in range(len(shares)) if k != true]
    highest = max(others, key=lambda k: shares[k], default=true)
    return {f"{of}given to it": f"{shares[true]:.2%}", f"{of}next": f"{highest} ({shares[highest]:.2%})"}


def _print_problem(teacher: dict[str, Any] | None) -> None:
    if teacher is not None and "problem" in teacher:
        print(printable(f"The teacher is not shown: {teacher['problem']}"))
