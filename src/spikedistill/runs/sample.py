"""What one image does in a finished run's network: the spikes of its layers, and the answer as it forms."""

from typing import Any

import torch

from spikedistill.data.png import as_png
from spikedistill.errors import InputError
from spikedistill.evaluate.anytime import running_means
from spikedistill.evaluate.raster import rasters
from spikedistill.machine.device import autocast
from spikedistill.runs.opened import Opened

SHOWN = 64
"""Neurons of a layer whose spikes are kept."""


def sample_of(opened: Opened) -> dict[str, Any]:
    """Return the picture, the spikes through the layers and the probabilities by step of one image of the split.

    In the run's precision, without fused kernels: layers are looked at.

    Raises:
        InputError: there is no image of that number; or see `spikedistill.evaluate.raster.rasters`.
    """
    index, part = opened.index, opened.part
    if not 0 <= index < len(part):
        raise InputError(
            f"index is {index}, and the {opened.split} split of {opened.data.name} has the images 0 to {len(part) - 1}."
        )
    image = part.take(torch.tensor([index], device=part.labels.device))
    with autocast(opened.place, opened.run.recipe.precision):
        logits, layers = rasters(opened.network, opened.normalised(image), opened.steps)
    names = opened.data.class_names
    return {
        "steps": len(logits),
        "index": index,
        "label": int(part.labels[index]),
        **({"names": list(names)} if names else {}),
        "picture": as_png(image[0]),
        "layers": [
            {
                "layer": one.path,
                "neurons": one.fired.shape[1],
                "shown": min(SHOWN, one.fired.shape[1]),
                "spikes": [list(event) for event in one.some(SHOWN)],
                "by_step": one.fired.sum(1).tolist(),
            }
            for one in layers
        ],
        "probabilities": running_means(logits[:, None].cpu())[:, 0].softmax(-1).tolist(),
    }
