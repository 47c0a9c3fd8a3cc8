"""A module that makes the networks whose twins are tested."""

import sys
import types
from collections.abc import Callable, Iterator

import jaxtyping
import pytest
from torch import nn

from spikedistill.models import Network, Shape, Twin
from spikedistill.neurons import Neuron


@pytest.fixture
def twin(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Network]:
    """A function that builds the twin of what a function makes: of 2 x 8 x 8 images and five classes."""
    zoo = types.ModuleType("zoo_of_twins")
    monkeypatch.setitem(sys.modules, "zoo_of_twins", zoo)

    def build(
        make: Callable[[], nn.Module] | nn.Module, neuron: Neuron, shape: Shape = (2, 8, 8), classes: int = 5
    ) -> Network:
        zoo.net = make  # type: ignore[attr-defined]
        return Twin("zoo_of_twins:net").build(shape, classes, neuron)

    return build


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Types are not checked in calls of the library: torch.fx follows its networks with stand-ins for tensors."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
