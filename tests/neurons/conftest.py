"""The independent implementations of the same neurons, as fixtures. Without them the tests fail; none is skipped."""

import importlib
from types import ModuleType

import pytest

HOW = "Install them: pip install --no-deps -r tests/oracles.txt -c constraints.txt"


def oracle(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        pytest.fail(f"The oracle {name} of these tests cannot be imported ({error}). {HOW}", pytrace=False)


@pytest.fixture(scope="session")
def spikingjelly() -> ModuleType:
    oracle("spikingjelly.activation_based.neuron")
    oracle("spikingjelly.activation_based.functional")
    oracle("spikingjelly.activation_based.surrogate")
    return oracle("spikingjelly.activation_based")


@pytest.fixture(scope="session")
def snntorch() -> ModuleType:
    oracle("snntorch.surrogate")
    return oracle("snntorch")
