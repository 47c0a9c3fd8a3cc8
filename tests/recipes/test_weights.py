"""Networks that are kept under weights/: each opens, is what its card says, and belongs to a recipe of this library."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from spikedistill import open_run
from spikedistill.recipes import _files as recipe_files
from spikedistill.runs.evaluate import evaluate_run

WEIGHTS = Path(__file__).parents[2] / "weights"
KEPT = sorted(info.parent for info in WEIGHTS.glob("*/run.json"))
LARGEST = 3_000_000


def test_there_are_some():
    assert KEPT


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_it_opens_and_is_what_its_card_says(folder):
    run, card = open_run(folder), (folder / "README.md").read_text()
    weights = (folder / "weights.safetensors").read_bytes()
    assert len(weights) <= LARGEST
    assert f"| SHA-256 | {hashlib.sha256(weights).hexdigest()} |" in card
    assert f"| accuracy | {run.metrics['accuracy']:.2%} on the test images" in card
    assert f"hash {run.recipe.hash} |" in card
    assert "licence" in card
    assert folder.name.endswith(f"-{run.recipe.hash}")
    network = run.network()
    assert sum(parameter.numel() for parameter in network.parameters()) == run.metrics["parameters"]
    assert str(Path.home()) not in json.dumps([path.read_text() for path in folder.glob("*.json*")])


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_its_recipe_is_of_this_library(folder):
    recipe = open_run(folder).recipe
    assert recipe.name in recipe_files.shipped()
    assert recipe.hash in json.loads((WEIGHTS.parent / "results" / "hashes.json").read_text()).values()


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("SPIKEDISTILL_DATA"), reason="SPIKEDISTILL_DATA is not set")
@pytest.mark.slow
@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_it_is_as_good_as_it_says(folder):
    """To a few images: bf16 rounds otherwise on another machine."""
    run = open_run(folder)
    assert evaluate_run(run, device="cpu")["accuracy"] == pytest.approx(run.metrics["accuracy"], abs=2e-3)
