"""A student written with SpikingJelly, snnTorch or torch alone."""

import json
import os
import signal
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spikedistill.errors import InputError, Stopped, UserCodeError
from spikedistill.machine.progress import Reporter
from spikedistill.methods import KDSNNResponse
from spikedistill.models import Model, TorchModule
from spikedistill.models.taps import attach
from spikedistill.neurons import IF, LIF, ReLU
from spikedistill.recipe import Recipe
from spikedistill.runs import train as runs
from spikedistill.values.plain import from_json, to_json

SHAPE = (3, 8, 8)


def jelly(mode: str) -> nn.Module:
    """A SpikingJelly network for 8x8 images of three classes."""
    from spikingjelly.activation_based import functional, layer, neuron, surrogate

    def fires() -> nn.Module:
        return neuron.LIFNode(surrogate_function=surrogate.ATan())

    network = nn.Sequential(
        layer.Conv2d(3, 4, 3, padding=1, bias=False),
        layer.BatchNorm2d(4),
        fires(),
        layer.MaxPool2d(2),
        layer.Flatten(),
        layer.Linear(64, 3),
    )
    functional.set_step_mode(network, mode)
    return network


class Torch(nn.Module):
    """An snnTorch network; it counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        import snntorch

        self.synapses = nn.Sequential(nn.Flatten(), nn.Linear(192, 16))
        self.neurons = snntorch.Leaky(beta=0.9, init_hidden=True)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.neurons(self.synapses(x)))


class TorchWithTime(Torch):
    """As snnTorch's tutorials are written: the image is shown for a number of steps that is the network's own."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([super(TorchWithTime, self).forward(x) for _ in range(3)])


MADE = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
ZOO: dict[str, Any] = {
    "multi_step": lambda: jelly("m"),
    "single_step": lambda: jelly("s"),
    "Torch": Torch,
    "TorchWithTime": TorchWithTime,
    "ann": lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 3)),
    "five": lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 5)),
    "pair": lambda: nn.LSTM(8, 8),
    "made": MADE,
    "same": lambda: MADE,
    "image": nn.Identity,
    "nothing": lambda: None,
    "fails": lambda: 1 / 0,
    "leaves": lambda: sys.exit(0),
}
NETWORKS = {
    "spikingjelly, multi-step": TorchModule("zoo_of_students:multi_step"),
    "spikingjelly, single-step": TorchModule("zoo_of_students:single_step", "step"),
    "snntorch, step": TorchModule("zoo_of_students:Torch", "step"),
    "snntorch, image": TorchModule("zoo_of_students:TorchWithTime", "image"),
    "torch": TorchModule("zoo_of_students:ann", "image", spiking=False),
}
EVERY = pytest.mark.parametrize("model", NETWORKS.values(), ids=NETWORKS.keys())


class StopAfter(Reporter):
    """Sends this process SIGINT in the third step."""

    steps = 3

    def advance(self) -> None:
        self.steps -= 1
        if self.steps == 0:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module that makes the networks."""
    module = types.ModuleType("zoo_of_students")
    vars(module).update(ZOO)
    monkeypatch.setitem(sys.modules, "zoo_of_students", module)


@EVERY
def test_trained_kept_and_evaluated(
    model: TorchModule, student: Recipe, taught: Callable[..., Recipe], tmp_path: Path
) -> None:
    run = runs.train_recipe(taught(KDSNNResponse(), model=model, epochs=2), tmp_path, "cpu")
    kept = json.loads((run.folder / "recipe.json").read_text())
    assert "neuron" not in kept
    assert kept["model"] == {
        "kind": "TorchModule",
        "target": model.target,
        "takes": model.takes,
        "spiking": model.spiking,
    }
    assert kept["teacher"]["recipe"]["neuron"]["kind"] == "ReLU"
    assert run.metrics["accuracy"] > 0.5
    assert len(run.metrics["accuracy_by_step"]) == (3 if model.spiking else 1)
    images = student.data.load().test.take(torch.arange(4), 0).float()
    network = runs.open_run(run.folder).network()
    assert torch.equal(network(images, 3), run.network()(images, 3))


@EVERY
def test_a_run_that_was_stopped_ends_as_one_that_was_not(model: TorchModule, student: Recipe, tmp_path: Path) -> None:
    recipe = replace(student, model=model)
    whole = runs.train_recipe(recipe, tmp_path / "whole", "cpu")
    with pytest.raises(Stopped):
        runs.train_recipe(recipe, tmp_path / "parts", "cpu", StopAfter())
    ended = runs.train_recipe(recipe, tmp_path / "parts", "cpu")
    for name, value in whole.network().state_dict().items():
        assert torch.equal(value, ended.network().state_dict()[name]), name


@EVERY
def test_nothing_is_left_over_from_a_pass(model: TorchModule) -> None:
    network = model.build(SHAPE, 3, IF()).eval()
    images = torch.randn(2, *SHAPE)
    first = network(images, 3)
    network(torch.randn(5, *SHAPE), 3)
    assert torch.equal(network(images, 3), first)
    assert first.shape == (3 if model.spiking else 1, 2, 3)


def test_multi_step_and_single_step_modules_are_the_same_network() -> None:
    networks = [NETWORKS[f"spikingjelly, {way}"].build(SHAPE, 3, IF()).eval() for way in ("multi-step", "single-step")]
    networks[1].load_state_dict(networks[0].state_dict())
    frames = torch.randn(4, 2, *SHAPE)
    torch.testing.assert_close(networks[0](frames), networks[1](frames))
    torch.testing.assert_close(networks[0](frames[0], 3), networks[1](frames[:1].expand(3, -1, -1, -1, -1)))


def test_the_neuron_of_the_recipe_is_not_in_the_hash(student: Recipe) -> None:
    own = replace(student, model=NETWORKS["snntorch, step"])
    assert own.hash == replace(own, neuron=LIF()).hash == replace(own, neuron=ReLU()).hash
    assert own.time_steps == replace(own, neuron=ReLU()).time_steps == 3
    assert replace(own, model=NETWORKS["torch"]).time_steps == 1
    assert student.hash != replace(student, neuron=LIF()).hash
    checked = runs.check(replace(own, neuron=LIF()))
    assert checked == runs.check(own)


def test_its_neurons_have_no_backward_pass_on_rates(student: Recipe) -> None:
    with pytest.raises(InputError, match="neurons of its own, which go back through time"):
        runs.check(replace(student, model=NETWORKS["snntorch, step"], backward="rate"))


def test_a_recipe_whose_model_needs_a_neuron_must_name_one(student: Recipe) -> None:
    plain = to_json(student)
    del plain["neuron"]
    with pytest.raises(InputError, match=r"Missing key recipe\.neuron"):
        from_json(Recipe, plain, "recipe")
    plain["model"] = to_json(NETWORKS["torch"])
    assert from_json(Recipe, plain, "recipe").neuron == IF()


def test_modules_that_see_whole_sequences_can_be_tapped(student: Recipe) -> None:
    network = NETWORKS["spikingjelly, multi-step"].build(SHAPE, 3, IF())
    taps = attach(network, ("module.2",))
    with taps.recording():
        network(torch.randn(2, *SHAPE), 3)
    assert taps.take()["module.2"].shape == (3, 2, 4, 8, 8)
    with pytest.raises(InputError, match="called in another way than once"):
        attach(NETWORKS["snntorch, step"].build(SHAPE, 3, IF()), ("module.head",))


@pytest.mark.parametrize(
    ("model", "kind", "says"),
    [
        (TorchModule(), InputError, "needs the name of what makes it"),
        (TorchModule("zoo_of_students"), InputError, "not of the form package.module:callable"),
        (TorchModule("no_such_zoo:make"), UserCodeError, "cannot be imported: ModuleNotFoundError"),
        (TorchModule("zoo_of_students:multistep"), InputError, "Did you mean 'multi_step'"),
        (TorchModule("zoo_of_students:fails"), UserCodeError, "ZeroDivisionError"),
        (TorchModule("zoo_of_students:leaves"), UserCodeError, "SystemExit"),
        (TorchModule("zoo_of_students:nothing"), InputError, "made as NoneType, not as a torch.nn.Module"),
        (TorchModule("zoo_of_students:single_step"), UserCodeError, r"cannot take images of shape \(3, 8, 8\)"),
        (TorchModule("zoo_of_students:pair"), UserCodeError, "--model.takes sequence, step or image"),
        (TorchModule("zoo_of_students:five", "image"), InputError, "answers with 5 classes; the data set has 3"),
        (TorchModule("zoo_of_students:image", "image"), InputError, r"answers 2 images with \(2, 3, 8, 8\)"),
    ],
)
def test_what_cannot_be_a_student_is_said_at_once(model: Model, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        model.build(SHAPE, 3, IF())


@pytest.mark.parametrize("name", ["made", "same"])
def test_one_network_for_several_runs_is_refused(name: str) -> None:
    """The second run would begin with the weights of the first."""
    model = TorchModule(f"zoo_of_students:{name}", "image")
    with pytest.raises(InputError, match="same network in every call"):
        _ = [model.build((192, 1, 1), 3, IF()) for _ in range(2)]


def test_another_number_of_steps_than_asked_is_refused() -> None:
    network = NETWORKS["snntorch, image"].build(SHAPE, 3, IF())
    with pytest.raises(InputError, match=r"answers with 3 time steps; asked were 4\. Say --steps 3"):
        network(torch.randn(2, *SHAPE), 4)
    with pytest.raises(InputError, match="these are frames in time"):
        network(torch.randn(3, 2, *SHAPE), 3)
