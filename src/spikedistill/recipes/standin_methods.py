"""All methods side by side on the stand-in, with two controls: what does each gain over vanilla KD?

Label smoothing and the confidence penalty are no distillation: what a method gains over scratch is the teacher's only
as far as it is more than theirs. Methods that need a spiking teacher, or none, say so in their labels.
"""

from spikedistill.recipes._standin import CANDIDATES, NOTE, SOURCE, candidate, scratch
from spikedistill.table import Row, Table

GROUP = "experiments"
CITES = (
    "vanilla-kd",
    "sparse-kd",
    "kdsnn",
    "kdsnn-feature",
    "tser",
    "twsnn",
    "hta-kl",
    "dkd",
    "logit-standardization",
    "lasnn",
    "fitnet",
    "bkdsnn",
    "ckdsnn",
    "distilling-spikes",
    "default-kd",
    "tet",
    "tks",
    "tpd",
    "sta",
    "etc",
    "strong-to-weak",
    "confidence-penalty",
    "cross-entropy",
)

table = Table(
    "Stand-in: all methods side by side",
    (Row("scratch (no teacher)", scratch), *(Row(label, candidate(label)) for label in CANDIDATES)),
    source=SOURCE,
    seeds=(0, 1, 2, 3, 4),
    teacher_seed="kept",
    baseline="vanilla-kd",
    columns=("T = 1", "T = 2", "minutes"),
    note=NOTE,
)
