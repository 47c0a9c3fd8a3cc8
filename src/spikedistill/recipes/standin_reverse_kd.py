"""Reverse KD (Xu et al., 2024, tables 1 and 2) on the stand-in: the prune ratio of sparse-KD, and default-KD.

Sparse-KD's teacher is the student's own network, trained from another seed and pruned; a ratio of 0 is
self-distillation. Default-KD stands beside its control: at T = 1 it is label smoothing.
"""

from spikedistill.methods import CrossEntropy, DefaultKD
from spikedistill.recipes._standin import CANDIDATES, NOTE, SOURCE, pruned, scratch, sparse_kd, taught
from spikedistill.table import Row, Table

GROUP = "experiments"
CITES = ("sparse-kd", "vanilla-kd", "default-kd")
_SPARSE, _DEFAULT = "sparse-KD", "default-KD"
_ALPHA = CANDIDATES["sparse-KD (its own network at ratio 0.3)"].chosen
_WEIGHT = CANDIDATES["default-kd (no teacher)"].chosen
_EPSILON = CANDIDATES["control: label smoothing"].chosen


def _sparse(tenths: int) -> Row:
    ratio = tenths / 10
    recipe = taught(f"sparse-kd-ratio-{ratio:g}", sparse_kd(_ALPHA), pruned(ratio))
    return Row(f"ratio {ratio:g}", recipe, group=_SPARSE)


table = Table(
    "Stand-in: reverse KD",
    (
        Row("student", scratch, group=_SPARSE),
        *map(_sparse, range(10)),
        Row("student", scratch, group=_DEFAULT),
        Row("power", taught("default-kd-power", DefaultKD(_WEIGHT), None), group=_DEFAULT),
        Row("tfkd", taught("default-kd-tfkd", DefaultKD(_WEIGHT, soften="tfkd"), None), group=_DEFAULT),
        Row(
            "control: label smoothing",
            taught("label-smoothing", CrossEntropy(label_smoothing=_EPSILON), None),
            group=_DEFAULT,
        ),
    ),
    source=f"{SOURCE}; after Xu et al., Reversing Structural Pattern Learning, 2024, tables 1 and 2",
    seeds=(0, 1, 2, 3, 4),
    teacher_seed="kept",
    baseline="student",
    note=NOTE,
)
