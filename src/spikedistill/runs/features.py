"""What a finished run's network has in front of its classifier, what it answers to each class; its teacher's too."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from spikedistill.data.split import Batch
from spikedistill.errors import InputError
from spikedistill.evaluate.accuracy import mean_logits
from spikedistill.evaluate.features import classifiers_input, embedded, same_class
from spikedistill.evaluate.outputs import mean_by_class
from spikedistill.methods.default_kd import DefaultKD
from spikedistill.models import Network
from spikedistill.models.taps import attach
from spikedistill.runs.answers import logits_of_teacher
from spikedistill.runs.describe import in_words
from spikedistill.runs.opened import Opened

IMAGES = 500
"""That t-SNE places unless more or fewer are asked for."""
AT_A_TIME = 50
DECIMALS = 3


def features_of(opened: Opened) -> dict[str, Any]:
    """Return images as points by the activations of a layer, mean over time, and by those of the teacher's classifier.

    Raises:
        InputError: there are too few images, no such layer, or nothing that tells images apart.
    """
    found = _points(opened, opened.network, lambda batch: opened.answers(batch.images), opened.layer)
    teacher = None if opened.run.recipe.teacher is None else _of_teacher(opened)
    return {"data": _about(opened), **found, "teacher": teacher}


def _of_teacher(opened: Opened) -> dict[str, Any]:
    """Return the teacher's points, or why there are none: a teacher that is gone since is no fault of the run."""
    try:
        loaded = opened.teacher
        if loaded.network is None:
            raise InputError("The teacher is no single network.")
        return _points(opened, loaded.network, loaded.answers, None)
    except InputError as error:
        return {"problem": str(error)}


def _points(opened: Opened, network: nn.Module, ask: Callable[[Batch], object], layer: str | None) -> dict[str, Any]:
    index = opened.some(IMAGES)
    if layer is None:
        layer = classifiers_input(network, lambda: ask(next(opened.batches(index[:2]))))
    taps = attach(network, (layer,), time=isinstance(network, Network))
    if len(taps.paths) != 1:
        raise InputError(f"{layer!r} names {len(taps.paths)} layers. Name one of them: {', '.join(taps.paths)}.")
    parts = []
    for batch in opened.batches(index, AT_A_TIME):
        with torch.no_grad(), taps.recording():
            ask(batch)
        (activations,) = taps.take().values()
        parts.append(_by_image(activations, len(batch.labels), layer))
    points, perplexity = embedded(torch.cat(parts))
    labels = opened.labels[index.cpu()]
    places = zip(points.round(DECIMALS).tolist(), labels.tolist(), strict=True)
    return {
        "layer": layer,
        "points": [[x, y, label] for (x, y), label in places],
        "perplexity": perplexity,
        "same_class": same_class(points, labels.numpy()),
        "images": len(index),
    }


def _by_image(activations: Tensor, images: int, layer: str) -> Tensor:
    """Return means over time [B, F], on the CPU."""
    if activations.dim() < 3 or activations.shape[1] != images:
        raise InputError(
            f"{layer!r} has activations of shape {tuple(activations.shape)} for {images} images, and not [T, B, ...]. "
            "Name another layer."
        )
    return activations.float().mean(0).flatten(1).cpu()


def outputs_of(opened: Opened) -> dict[str, Any]:
    """Return the mean probabilities by true class, the network's and its teacher's, on all images of the split.

    On as many as were asked for, where a number was. The virtual teacher of default-KD is a teacher here.
    """
    index = opened.some(len(opened.part))
    on_cpu = index.cpu()
    labels = opened.labels[on_cpu]
    own = _plain(mean_by_class(mean_logits(opened.logits[:, on_cpu]).softmax(-1), labels))
    return {
        "data": _about(opened),
        "steps": len(opened.logits),
        "images": len(index),
        "classes": len(own),
        "by_class": own,
        "teacher": _outputs_of_teacher(opened, index, labels),
    }


def _outputs_of_teacher(opened: Opened, index: Tensor, labels: Tensor) -> dict[str, Any] | None:
    recipe = opened.run.recipe
    if recipe.teacher is None and not isinstance(recipe.method, DefaultKD):
        return None
    try:
        if recipe.teacher is not None:
            name = in_words(recipe.teacher)
            probabilities = mean_logits(logits_of_teacher(opened, index)).softmax(-1)
        else:
            assert isinstance(recipe.method, DefaultKD)
            name = f"virtual, softened by T = {recipe.method.temperature:g}"
            probabilities = recipe.method.target(labels, opened.data.classes)
    except InputError as error:
        return {"problem": str(error)}
    return {"name": name, "by_class": _plain(mean_by_class(probabilities, labels))}


def _plain(means: tuple[tuple[float, ...] | None, ...]) -> list[list[float] | None]:
    return [None if row is None else list(row) for row in means]


def _about(opened: Opened) -> dict[str, Any]:
    return {"name": opened.data.name, "samples": len(opened.part), "chosen": "evenly spaced"}
