"""What can be measured of a finished run, by name; docs/evaluation.md says what each gives.

A measure is a function of an opened run that returns plain data. It is added here, and to WHAT and `PRINTED` of
`spikedistill.cli.evaluate`, which print it.
"""

from typing import Any

from spikedistill.runs.answers import agreement_of, calibration_of, confusion_of
from spikedistill.runs.anytime import anytime_of
from spikedistill.runs.energy import energy_of
from spikedistill.runs.evaluate import accuracy_of
from spikedistill.runs.features import features_of, outputs_of
from spikedistill.runs.latency import latency_of
from spikedistill.runs.opened import Measure, Opened
from spikedistill.runs.robustness import robustness_of
from spikedistill.runs.sample import sample_of

MEASURES: dict[str, Measure] = {
    "accuracy": accuracy_of,
    "energy": energy_of,
    "calibration": calibration_of,
    "confusion": confusion_of,
    "agreement": agreement_of,
    "anytime": anytime_of,
    "latency": latency_of,
    "sample": sample_of,
    "robustness": robustness_of,
    "features": features_of,
    "outputs": outputs_of,
}


def measure(what: str, opened: Opened) -> dict[str, Any]:
    """Return an evaluation, as evaluation.json keeps it.

    Raises:
        InputError: it cannot be measured of this run.
    """
    return {"what": what} | opened.about | MEASURES[what](opened)
