"""TSER (Yu et al., CVPR 2025) on the stand-in: the five rows of table 3, lambda (figure 3) and tau (figure 4)."""

from dataclasses import replace

from spikedistill.methods import TSER
from spikedistill.recipes._standin import ANN, CANDIDATES, NOTE, SOURCE, taught
from spikedistill.table import Row, Table

GROUP = "experiments"
CITES = ("tser",)
_FULL = TSER(CANDIDATES["tser"].chosen)
_NONE = replace(_FULL, separate_ce=0.0, separate_kl=0.0, entropy=0.0)
_BASE = "vanilla KD"
_ABLATION = {
    _BASE: _NONE,
    "cross-entropy apart": replace(_NONE, separate_ce=1.0),
    "KL apart": replace(_NONE, separate_kl=1.0),
    "both apart": replace(_FULL, entropy=0.0),
    "both apart, entropy": _FULL,
}
_LAMBDAS = (0.0, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.2)
_TAUS = (2.0, 3.0, 4.0, 5.0, 6.0)


def _row(group: str, label: str, method: TSER) -> Row:
    name = f"{group}-{label.replace(', ', '-').replace(' ', '-').lower()}"
    return Row(label, taught(f"tser-{name}", method, ANN), group=group)


table = Table(
    "Stand-in: TSER's parts",
    (
        *(_row("ablation", label, method) for label, method in _ABLATION.items()),
        _row("lambda", _BASE, _NONE),
        *(_row("lambda", f"lambda {value:g}", replace(_FULL, entropy=value)) for value in _LAMBDAS),
        _row("tau", _BASE, _NONE),
        *(_row("tau", f"tau {value:g}", replace(_FULL, temperature=value)) for value in _TAUS),
    ),
    source=f"{SOURCE}; after Yu et al., TSER, CVPR 2025, table 3 and figures 3 and 4",
    seeds=(0, 1, 2, 3, 4),
    teacher_seed="kept",
    baseline=_BASE,
    columns=("T = 1", "T = 2"),
    note=NOTE,
)
