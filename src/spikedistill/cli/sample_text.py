"""One image in a run's network as lines for people."""

from typing import Any

from spikedistill.cli.shown import print_table
from spikedistill.machine.terminal import printable

MOST_STEPS = 8
"""Whose spikes are listed; more are cut."""
MOST_ROWS = 16
"""Steps of the answer that are listed; of more, those at which it changes."""


def print_sample(found: dict[str, Any]) -> None:
    """Print how many neurons of each layer fire in each step, then the answer as it forms."""
    names = found.get("names") or [str(k) for k in range(len(found["probabilities"][0]))]
    where = f"image {found['index']} of the {found['split']} split of {found['data']['name']}"
    print(printable(f"Sample, T = {found['steps']}: {where}, class {names[found['label']]}"), end="\n\n")
    if found["layers"]:
        print_table([_layer(one, found["steps"]) for one in found["layers"]])
    else:
        print("The network has no spiking layers.")
    print("\nAnswer after t steps: softmax of the mean of the logits so far", end="\n\n")
    print_table([_answer(t, shares, found["label"], names) for t, shares in _rows(found["probabilities"])])


def _layer(one: dict[str, Any], steps: int) -> dict[str, str]:
    spikes = sum(one["by_step"])
    by_step = " ".join(map(str, one["by_step"][:MOST_STEPS])) + (" ..." if steps > MOST_STEPS else "")
    rate = spikes / (one["neurons"] * steps) if one["neurons"] else 0.0
    return {"layer": one["layer"], "neurons": one["neurons"], "rate": f"{rate:.2%}", "spikes by step": by_step}


def _answer(t: int, shares: list[float], label: int, names: list[str]) -> dict[str, str]:
    answer = shares.index(max(shares))
    return {
        "t": str(t),
        "answer": names[answer],
        "probability": f"{shares[answer]:.1%}",
        "of the class": f"{shares[label]:.1%}",
    }


def _rows(probabilities: list[list[float]]) -> list[tuple[int, list[float]]]:
    """Return the steps that are listed: all of few, or the first, the last and those that answer otherwise."""
    rows = list(enumerate(probabilities, 1))
    if len(rows) <= MOST_ROWS:
        return rows
    answers = [shares.index(max(shares)) for shares in probabilities]
    kept = [row for row in rows if row[0] == 1 or answers[row[0] - 1] != answers[row[0] - 2]]
    return [*kept[: MOST_ROWS - 1], *(rows[-1:] if kept[-1] is not rows[-1] else [])]
