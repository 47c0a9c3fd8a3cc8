"""How long a finished run's network takes to answer, as a user runs it."""

from typing import Any

import torch

from spikedistill.evaluate.latency import time_passes
from spikedistill.kernels import FrozenWeights
from spikedistill.kernels.choice import in_use
from spikedistill.runs.opened import Opened

BATCHES = (1, 8, 64, 256)
"""Images at a time: 1 for latency, the others for throughput."""
SECONDS = 2.0
"""For each of them."""
LONGEST = 10.0
"""Seconds of a pass; larger batches are left out."""


def latency_of(opened: Opened) -> dict[str, Any]:
    """Return how long passes take, from stored images to logits, at some batch sizes.

    With the kernels, the precision and the order of memory that evaluation has, weights made ready once
    (`FrozenWeights`). A batch size is left out where the device's memory does not hold it, or where a pass would take
    more than `LONGEST`.
    """
    batches: list[dict[str, Any]] = []
    for batch in BATCHES:
        if batches and batch / batches[-1]["batch"] * batches[-1]["ms"] > 1000 * LONGEST:
            break
        try:
            batches.append(_timed(opened, batch))
        except torch.OutOfMemoryError:
            break
    return {
        "device": device_name(opened.place),
        "threads": torch.get_num_threads(),
        "precision": opened.run.recipe.precision,
        "kernels": in_use(opened.place.type),
        "batches": batches,
        "left_out": list(BATCHES[len(batches) :]),
    }


def device_name(device: torch.device) -> str:
    """Return what a device is called; a GPU with its model."""
    return f"{device.type} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def _timed(opened: Opened, batch: int) -> dict[str, Any]:
    """Return the times of a batch size; a split with fewer images gives some of them several times."""
    index = torch.arange(batch, device=opened.part.labels.device) % len(opened.part)
    images = opened.part.take(index)
    with FrozenWeights():
        times = time_passes(lambda: opened.answers(images), opened.place, SECONDS)
    return {
        "batch": batch,
        "ms": times.median,
        "ms_p10": times.quantile(0.1),
        "ms_p90": times.quantile(0.9),
        "passes": len(times.each),
        "images_per_second": 1000 * batch / times.median,
    }
