"""A recipe in its folder: train it, open it, evaluate it again, and what its numbers depend on."""

from spikedistill.runs.evaluate import evaluate_run
from spikedistill.runs.folder import Run, open_run
from spikedistill.runs.rehearse import Estimate
from spikedistill.runs.train import check_recipe, train_recipe

__all__ = ["Estimate", "Run", "check_recipe", "evaluate_run", "open_run", "train_recipe"]
