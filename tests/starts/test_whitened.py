"""Whitening filters: what they do to patches, which patches they are of, and that they stay as they are."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from spikedistill.data.batches import Batches
from spikedistill.errors import InputError
from spikedistill.machine import state_files
from spikedistill.models import MLP, WRN, ConvNet
from spikedistill.optim import AdamW
from spikedistill.runs import train as runs
from spikedistill.starts import Whitened
from spikedistill.starts.before import Before
from spikedistill.starts.whitened import patch_covariance, whitening


def before(recipe):
    shown = recipe.data.augmented(recipe.data.load().train, recipe.view_seed)
    return Before(recipe, Batches(shown, recipe.batch_size, recipe.seed))


def built(recipe):
    torch.manual_seed(0)
    return recipe.model.build(recipe.data.shape, recipe.data.classes, recipe.neuron, recipe.norm)


def test_the_covariance_of_patches():
    images = torch.randn(40, 2, 6, 5)
    patches = [
        images[i, :, y : y + 3, x : x + 2].double().numpy().ravel()
        for i in range(40)
        for y in range(4)
        for x in range(4)
    ]
    expected = np.cov(np.array(patches), rowvar=False, bias=True)
    np.testing.assert_allclose(patch_covariance(images.split(7), 3, 2), expected, rtol=1e-6, atol=1e-8)
    frames = images.view(4, 10, 2, 6, 5)
    np.testing.assert_allclose(patch_covariance([frames], 3, 2), expected, rtol=1e-6, atol=1e-8)


def test_outputs_of_the_filters_are_uncorrelated_and_of_variance_one(student, augmented):
    recipe = replace(student, data=augmented, model=ConvNet((60,), (8,)), batch_size=40)
    network = built(recipe)
    initial = network.convs[0].weight.detach().clone()
    Whitened(images=120, eps=1e-9)(network, before(recipe))
    images = torch.cat(list(before(recipe).images(120)))
    outputs = F.conv2d(images, network.convs[0].weight.detach()).double().movedim(1, -1).reshape(-1, 60)
    covariance = np.cov(outputs.T.numpy(), bias=True)
    of_one_sign = covariance[:54:2, :54:2]
    np.testing.assert_allclose(of_one_sign, np.eye(27), atol=2e-3)
    np.testing.assert_allclose(covariance[:54:2, 1:54:2], -of_one_sign, atol=1e-3)
    assert torch.equal(network.convs[0].weight[54:], initial[54:])


def test_directions_of_great_variance_come_first():
    rotation, _ = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))
    values = torch.tensor([0.5, 4.0, 1.0, 0.0], dtype=torch.float64)
    rows = whitening(rotation * values @ rotation.T, 0.01)
    lengths = torch.tensor([1 / 4.01, 1 / 1.01, 1 / 0.51, 1 / 0.01], dtype=torch.float64).sqrt()
    torch.testing.assert_close(rows.norm(dim=1), lengths)
    along = rotation[:, [1, 2, 0, 3]].T
    torch.testing.assert_close((rows * along).sum(1).abs(), lengths)
    assert (rows.gather(1, rows.abs().argmax(1, keepdim=True)) > 0).all()


def test_few_channels_have_the_first_pairs(student):
    network = built(replace(student, model=WRN(10, 1)))
    Whitened(images=90)(network, before(student))
    weight = network.stem.weight
    torch.testing.assert_close(weight[::2], -weight[1::2])
    other = built(replace(student, model=WRN(10, 1)))
    Whitened(images=90)(other, before(replace(student, seed=3, batch_size=17)))
    torch.testing.assert_close(other.stem.weight, weight, rtol=1e-4, atol=1e-5)
    images = torch.cat(list(before(student).images(90)))
    rows = whitening(patch_covariance([images], 3, 3), 5e-4)
    torch.testing.assert_close(weight[::2].detach().flatten(1).double(), rows[:8], rtol=1e-3, atol=1e-3)


def test_they_stay_as_they_are_in_training_and_in_average(student, tmp_path):
    recipe = replace(student, start=(Whitened(images=60),), ema=0.9, optimizer=AdamW(0.1))
    network = built(recipe)
    recipe.start[0](network, before(recipe))
    run = runs.train_recipe(recipe, tmp_path, "cpu")
    kept = state_files.load(run.folder / "weights.safetensors")
    torch.testing.assert_close(kept["convs.0.weight"], network.convs[0].weight.detach(), rtol=1e-5, atol=1e-6)
    assert not torch.equal(kept["synapses.0.weight"], network.synapses[0].weight)


@pytest.mark.parametrize("wrong", [{"images": 0}, {"eps": 0.0}])
def test_impossible_numbers(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must be"):
        Whitened(**wrong)


def test_a_network_that_begins_otherwise_is_refused(student, tmp_path):
    with pytest.raises(InputError, match="does not begin with a convolution over all 3 channels"):
        runs.train_recipe(replace(student, model=MLP((4,)), start=(Whitened(),)), tmp_path, "cpu")
    assert not list(tmp_path.iterdir())
