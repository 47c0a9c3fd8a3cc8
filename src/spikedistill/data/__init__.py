"""Data sets in their published formats, as uint8 tensors, and batched augmentation."""

from spikedistill.data.dataset import Augment, Dataset, Split, Splits
from spikedistill.values.found import found

__all__ = ["Augment", "Dataset", "Split", "Splits", "datasets"]


def datasets() -> dict[str, type[Dataset]]:
    """All data sets by their names on the command line."""
    return {dataset.name: dataset for dataset in found("spikedistill.data", Dataset).values()}
