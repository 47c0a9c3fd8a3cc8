"""The figures, each a function that returns a `matplotlib.figure.Figure`; no pyplot, nothing global is changed.

They draw what `evaluate --what ...` has stored (an entry of evaluation.json) or plain numbers; save one by its own
`savefig`, or by `spikedistill.report.svg.save`.
"""

from spikedistill.report.figures.curves import Curve, curves

__all__ = ["Curve", "curves"]
