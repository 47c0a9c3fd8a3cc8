"""What `cifar10-minutes-muon` has of its own, judged on validation images: Muon for filters, and its rates.

The ANN of WRN16-2 in three epochs, and in twelve with all rates times a factor; the student in one epoch from an ANN by
Muon that has not seen those images either, by SGD and by Muon; from an ANN of twelve epochs all of the student's rates
times a factor, in one, two and six epochs, and a reset that subtracts the threshold, with layers scaled to it or not.
Until all of it has run, `cifar10_minutes.py` has the best of the rates that had when it was written.
"""

from dataclasses import replace

from spikedistill.optim import Muon, Optimizer
from spikedistill.recipe import Recipe, everywhere
from spikedistill.recipes._short import BY_MUON, HALF, STARTED_BY_MUON, filters_apart, parts, times
from spikedistill.recipes.cifar10_minutes import ann, ann_12_epochs_muon, muon, muon_hour
from spikedistill.starts import Calibrated
from spikedistill.table import Row, Table

GROUP = "experiments"
CITES = ("kdsnn",)
FILTER_RATES = (0.02, 0.05, 0.1)
STARTED_FILTER_RATES = (0.0025, 0.007, 0.02, 0.05)
FACTORS = {1: (1.0, 0.3, 0.1), 2: (1.0, 0.5), 6: (1.0, 0.3)}
"""By epochs."""
ANN_FACTORS = (1.0, 0.3)
PERCENTILE = 97.0
"""With which the ANN's weights give the most accurate student before its first step, of 99.9, 99, 97 and 95: by hand,
on held-out images (results/README.md)."""


def _held_out(recipe: Recipe) -> Recipe:
    return everywhere(recipe, lambda one: replace(one, data=replace(one.data, validation=5000)))


def _judged(recipe: Recipe, epochs: int) -> Recipe:
    return replace(_held_out(recipe), epochs=epochs, evaluate_every=epochs)


def _subtracting(recipe: Recipe, percentile: float | None) -> Recipe:
    """Return the same with a reset by subtraction, each layer scaled so that this percentile is the threshold."""
    scaled = () if percentile is None else (Calibrated(percentile=percentile),)
    return replace(recipe, neuron=replace(HALF, reset=None), start=(*recipe.start, *scaled))


def _row(recipe: Recipe, label: str, optimizer: Optimizer, group: str) -> Row:
    name = f"{recipe.name}-{label.lower().replace(' ', '-')}"
    return Row(label, replace(recipe, name=name, optimizer=optimizer), group=group)


def _times(recipe: Recipe, optimizer: Muon, factor: float, group: str) -> Row:
    return _row(recipe, f"Muon times {factor:g}", times(optimizer, factor), group)


def _of_longer_ann(epochs: int) -> Recipe:
    """Return the student; those of one epoch keep the name under which they have run."""
    judged = _judged(muon_hour, epochs)
    return judged if epochs == 1 else replace(judged, name=f"cifar10-minutes-muon-{epochs}-epochs")


def _group(epochs: int) -> str:
    return f"student of 12 epochs of the ANN, {epochs} epoch{'s' if epochs > 1 else ''}"


_ann, _longer_ann, _student = _judged(ann, 3), _held_out(ann_12_epochs_muon), _judged(muon, 1)
table = Table(
    "Short trainings of WRN16-2: choice of the optimiser on validation images",
    (
        _row(_ann, "SGD", parts(0.1), "ANN, 3 epochs"),
        *(_row(_ann, f"Muon {rate:g}", filters_apart(0.1, rate), "ANN, 3 epochs") for rate in FILTER_RATES),
        *(_times(_longer_ann, BY_MUON, factor, "ANN, 12 epochs") for factor in ANN_FACTORS),
        _row(_student, "SGD", parts(0.03), "student, 1 epoch"),
        *(
            _row(_student, f"Muon {rate:g}", filters_apart(0.03, rate), "student, 1 epoch")
            for rate in STARTED_FILTER_RATES
        ),
        *(
            _times(_of_longer_ann(epochs), STARTED_BY_MUON, factor, _group(epochs))
            for epochs, factors in FACTORS.items()
            for factor in factors
        ),
        *(
            _row(_subtracting(_of_longer_ann(1), percentile), label, optimizer, f"{_group(1)}, another reset")
            for percentile, label, optimizer in (
                (None, "soft reset", STARTED_BY_MUON),
                (PERCENTILE, "soft reset calibrated", STARTED_BY_MUON),
                (PERCENTILE, "soft reset calibrated times 0.3", times(STARTED_BY_MUON, 0.3)),
            )
        ),
    ),
    source="An experiment of ours, no paper's setting",
    seeds=(0,),
    columns=("validation",),
    note="The column `validation` chooses; the accuracy stands beside it and chooses nothing.",
)
