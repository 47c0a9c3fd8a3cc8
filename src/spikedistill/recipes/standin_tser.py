"""TSER (Yu et al., CVPR 2025) on the stand-in: the five rows of table 3, lambda (figure 3) and tau (figure 4).

Its two ends stand here again with four times as many epochs (four are few for a network that is to answer well after
each of its time steps), with a third of the learning rate (which is chosen for labels alone), and with the paper's
neurons, which forget half of their potential in each step.
"""

from dataclasses import replace
from typing import Any

from spikedistill.methods import TSER
from spikedistill.neurons import LIF
from spikedistill.optim import SGD
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


def _as_name(label: str) -> str:
    return label.replace(", ", "-").replace(" ", "-").lower()


def _row(group: str, label: str, method: TSER) -> Row:
    return Row(label, taught(f"tser-{group}-{_as_name(label)}", method, ANN), group=group)


def _ends(group: str, name: str, **changes: Any) -> tuple[Row, ...]:
    """Vanilla KD and all of TSER, with what is otherwise."""
    return tuple(
        Row(label, replace(taught(f"tser-{name}-{_as_name(label)}", _ABLATION[label], ANN), **changes), group=group)
        for label in (_BASE, "both apart, entropy")
    )


table = Table(
    "Stand-in: TSER's parts",
    (
        *(_row("ablation", label, method) for label, method in _ABLATION.items()),
        _row("lambda", _BASE, _NONE),
        *(_row("lambda", f"lambda {value:g}", replace(_FULL, entropy=value)) for value in _LAMBDAS),
        _row("tau", _BASE, _NONE),
        *(_row("tau", f"tau {value:g}", replace(_FULL, temperature=value)) for value in _TAUS),
        *_ends("16 epochs", "longer", epochs=16, evaluate_every=16),
        *_ends("learning rate 0.1", "slower", optimizer=SGD(0.1)),
        *_ends("LIF", "lif", neuron=LIF(tau=2.0, decay_input=False, detach_reset=True)),
    ),
    source=f"{SOURCE}; after Yu et al., TSER, CVPR 2025, table 3 and figures 3 and 4",
    seeds=(0, 1, 2, 3, 4),
    teacher_seed="kept",
    baseline=_BASE,
    columns=("T = 1", "T = 2"),
    note=NOTE,
)
