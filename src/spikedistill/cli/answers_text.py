"""Calibration, confusion and agreement of a run as lines for people."""

from collections.abc import Sequence
from typing import Any

from spikedistill.cli.shown import print_table
from spikedistill.machine.terminal import printable

MOST_COLUMNS = 12
"""Classes of a confusion matrix that is printed whole; of more, the classes that are worst."""
WORST = 10


def where(found: dict[str, Any]) -> str:
    """Return at which T and on which images something was measured."""
    data = found["data"]
    part = f"{found['images']}" if found["images"] == data["samples"] else f"{found['images']} of {data['samples']}"
    anew = f", norms estimated anew on {found['reestimated']} images" if "reestimated" in found else ""
    return f"T = {found['steps']}, {part} {found['split']} images of {data['name']}{anew}"


def print_calibration(found: dict[str, Any]) -> None:
    """Print the scores, then the reliability diagram as a table."""
    print(printable(f"Calibration, {where(found)}"))
    print("confidence: the largest probability, of the softmax of the logits' mean over time", end="\n\n")
    print(f"accuracy  {found['accuracy']:.2%}")
    print(
        f"ECE       {found['ece']:.2%}  mean of |accuracy - confidence| over {len(found['bins'])} bins of equal width"
    )
    print(f"Brier     {found['brier']:.4f}  sum over classes, from 0 to 2")
    print(f"NLL       {found['nll']:.4f}  nats", end="\n\n")
    rows = [
        {
            "confidence": f"{one['low']:.1%} to {one['high']:.1%}",
            "images": one["images"],
            "mean": f"{one['confidence']:.2%}",
            "accuracy": f"{one['accuracy']:.2%}",
        }
        for one in found["bins"]
        if one["images"]
    ]
    print_table(rows)


def print_calibration_of_several(runs: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """Print the scores of several runs, each with its name and its setting, a row each."""
    print("Calibration: ECE of 15 bins of equal width, Brier as a sum over classes, NLL in nats", end="\n\n")
    print_table(
        [
            {"run": name, "accuracy": f"{one['accuracy']:.2%}", "ECE": f"{one['ece']:.2%}"}
            | {"Brier": f"{one['brier']:.4f}", "NLL": f"{one['nll']:.4f}", "asked": where(one)}
            for name, _, one in runs
        ]
    )


def print_confusion(found: dict[str, Any]) -> None:
    """Print the matrix of few classes, or the worst of many."""
    print(printable(f"Confusion, {where(found)}; answer: the largest mean of the logits over time"), end="\n\n")
    matrix, shares = found["matrix"], found["per_class"]
    names = [f"{k} {name}".strip() for k, name in enumerate(found.get("names") or [""] * len(matrix))]
    right = ["-" if share is None else f"{share:.2%}" for share in shares]
    if len(matrix) <= MOST_COLUMNS:
        print_table(
            [
                {"true class": name, "right": share, **{str(k): count for k, count in enumerate(row)}}
                for name, share, row in zip(names, right, matrix, strict=True)
            ]
        )
        return
    worst = sorted((k for k, share in enumerate(shares) if share is not None), key=lambda k: shares[k])[:WORST]
    print(f"The {len(worst)} worst of {len(matrix)} classes; --json has all", end="\n\n")
    print_table(
        [{"true class": names[k], "right": right[k], "taken for": _taken_for(matrix[k], k, names)} for k in worst]
    )


def _taken_for(row: list[int], own: int, names: list[str]) -> str:
    """Return the three classes that were answered most often instead."""
    others = sorted((k for k, count in enumerate(row) if count and k != own), key=lambda k: -row[k])[:3]
    return ", ".join(f"{names[k]} {row[k]}" for k in others)


def print_agreement(found: dict[str, Any]) -> None:
    """Print accuracies of both, how often they agree, and the divergence."""
    teacher = found["teacher"]
    print(printable(f"Agreement with the teacher ({teacher['name']}), {where(found)}"), end="\n\n")
    print(f"accuracy            {found['accuracy']:.2%}")
    print(f"teacher's accuracy  {teacher['accuracy']:.2%}")
    print(f"agreement           {found['agreement']:.2%}  share of the same answer, right or wrong")
    print(f"KL                  {found['kl']:.4f}  KL(teacher || student) in nats, temperature 1, mean over images")


def print_agreement_of_several(runs: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """Print the scores of several runs, each with its name and its setting, a row each."""
    print("Agreement with the teacher: share of the same answer; KL(teacher || student) in nats", end="\n\n")
    print_table(
        [
            {"run": name, "accuracy": f"{one['accuracy']:.2%}", "teacher's": f"{one['teacher']['accuracy']:.2%}"}
            | {"agreement": f"{one['agreement']:.2%}", "KL": f"{one['kl']:.4f}", "asked": where(one)}
            for name, _, one in runs
        ]
    )
