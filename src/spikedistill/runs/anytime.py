"""A finished run's network stopped early: accuracy, energy and latency against the number of time steps."""

import math
from typing import Any

import torch

from spikedistill.errors import InputError
from spikedistill.evaluate.accuracy import accuracy_of_logits
from spikedistill.evaluate.anytime import early_exit, shown_steps
from spikedistill.evaluate.energy import TECHNOLOGIES
from spikedistill.evaluate.latency import time_passes
from spikedistill.evaluate.operations import exact
from spikedistill.kernels import FrozenWeights
from spikedistill.models.module import ModuleNetwork
from spikedistill.runs.opened import Opened
from spikedistill.teachers.agreement import TOLERANCE, distance

TECHNOLOGY = TECHNOLOGIES["45nm-fp32"]
SECONDS = 0.5
"""For the latency at each t."""
COMPARED = 8
"""Images on which a network of the user's is asked whether it is causal."""


def anytime_of(opened: Opened) -> dict[str, Any]:
    """Return accuracy, operations, energy and latency of a run of t steps, and what stopping sure images early gives.

    Accuracies are of all images of the split, operations and energies (`exact`, in fp32) means over some
    (`Opened.activity`), latencies of one image.

    Raises:
        InputError: the network's operations cannot be counted; or it is one of the user's whose first logits depend on
            how many steps follow.
    """
    logits, labels = opened.logits, opened.labels
    steps = len(logits)
    shown = shown_steps(steps)
    if isinstance(opened.network, ModuleNetwork):
        _check_causal(opened, shown)
    costs = _costs(opened, shown, steps)
    accuracies = accuracy_of_logits(logits, labels).cumulative
    by_steps = [
        {
            "steps": t,
            "accuracy": accuracies[t - 1],
            "synops": sum(costs[t]),
            "energy_mj": TECHNOLOGY.millijoules(*costs[t]),
            "latency_ms": _latency(opened, t),
        }
        for t in shown
    ]
    exits = [
        {
            "threshold": one.threshold,
            "accuracy": one.accuracy,
            "steps": one.steps,
            "energy_mj": _energy(one.stopped, costs),
        }
        for one in early_exit(logits, labels)
    ]
    return {
        "steps": steps,
        "images": len(labels),
        "images_counted": opened.activity.images,
        "technology": TECHNOLOGY.name,
        "by_steps": by_steps,
        "early_exit": exits,
    }


def _costs(opened: Opened, shown: list[int], steps: int) -> dict[int, tuple[float, float]]:
    """Return the ACs and MACs of an image in t steps, by t: of every t, or of those that are shown.

    A network of the user's does not tell steps apart, so it is counted at each t by itself.
    """
    counted = exact(opened.activity)
    if opened.activity.by_step or steps == 1:
        return {t: counted.up_to(t) for t in range(1, steps + 1)}
    return {t: exact(opened.observe(t)).up_to(t) for t in shown}


def _energy(stopped: tuple[float, ...], costs: dict[int, tuple[float, float]]) -> float | None:
    """Return the mean image's energy in the steps that images take, mean over them; None where one is not known."""
    shares = {t: share for t, share in enumerate(stopped, 1) if share}
    if not shares.keys() <= costs.keys():
        return None
    return math.fsum(share * TECHNOLOGY.millijoules(*costs[t]) for t, share in shares.items())


def _latency(opened: Opened, steps: int) -> float:
    image = opened.part.take(torch.zeros(1, dtype=torch.long, device=opened.part.labels.device))
    with FrozenWeights():
        return time_passes(lambda: opened.answers(image, steps), opened.place, SECONDS).median


def _check_causal(opened: Opened, shown: list[int]) -> None:
    index = opened.some(COMPARED)[:COMPARED]
    images = opened.part.take(index)
    whole = opened.answers(images)
    for t in shown[:-1]:
        away = distance(opened.answers(images, t), whole[:t])
        if not away <= TOLERANCE[opened.run.recipe.precision]:
            raise InputError(
                f"The network of {opened.run.folder} answers otherwise in its first {t} steps where more follow: its "
                f"logits are {away:.2g} (relative) from those of a run of {t} steps, so one run does not show what "
                "stopping it early gives. Evaluate it at each T: --steps."
            )
