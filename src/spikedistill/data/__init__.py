"""Data sets in their published formats, as uint8 tensors, and batched augmentation."""

from spikedistill.data.dataset import Augment, Dataset
from spikedistill.data.split import Batch, Split, Splits, TensorSplit
from spikedistill.values.kinds import shipped_kinds

__all__ = ["Augment", "Batch", "Dataset", "Split", "Splits", "TensorSplit", "datasets"]


def datasets() -> dict[str, type[Dataset]]:
    """All data sets by their names on the command line."""
    return shipped_kinds(Dataset)
