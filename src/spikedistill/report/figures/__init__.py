"""The figures, each a function that returns a `matplotlib.figure.Figure`; no pyplot, nothing global is changed.

They draw what `evaluate --what ...` has stored (an entry of evaluation.json) or plain numbers; save one by its own
`savefig`, or by `spikedistill.report.svg.save`.
"""

from spikedistill.report.figures.classes import confusion, output_distributions, reliability, virtual_teacher
from spikedistill.report.figures.curves import Curve, curves, sweep
from spikedistill.report.figures.energy import Point, energy_bars, pareto, pareto_front, rates
from spikedistill.report.figures.robustness import attacks, corruptions
from spikedistill.report.figures.samples import features, noise_samples, raster
from spikedistill.report.figures.steps import anytime, early_exit, step_bars

__all__ = [
    "Curve",
    "Point",
    "anytime",
    "attacks",
    "confusion",
    "corruptions",
    "curves",
    "early_exit",
    "energy_bars",
    "features",
    "noise_samples",
    "output_distributions",
    "pareto",
    "pareto_front",
    "raster",
    "rates",
    "reliability",
    "step_bars",
    "sweep",
    "virtual_teacher",
]
