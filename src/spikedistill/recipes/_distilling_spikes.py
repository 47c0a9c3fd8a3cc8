"""What the tables of Distilling Spikes (Kushawaha et al., ICPR 2020) share: its networks, data sets and losses.

Fully connected, 784 or 1024 inputs, 100 neurons in each hidden layer, ten output neurons whose spikes are the logits;
6 (teacher), 4 (assistant) and 2 layers (student), the output counted; a batch norm after each synapse; T = 128; Adam at
1e-2 without decay; 100 epochs. Open in the paper, and read off public code whose other constants match: width, decay
0.9, T and batch size. Images are normalised. The paper's weights of the losses are from a grid search and not
published; here 0.2, 0.2, 0.6. Students see no labels.
"""

from dataclasses import replace

from spikedistill.data.cifar10 import CIFAR10
from spikedistill.data.dataset import Dataset
from spikedistill.data.mnist import MNIST, FashionMNIST
from spikedistill.methods import CrossEntropy, DistillingSpikes
from spikedistill.models import MLP
from spikedistill.neurons import GradedReLU
from spikedistill.optim import Adam, Constant
from spikedistill.recipe import Recipe
from spikedistill.teachers import FromRecipe

DATA: dict[str, Dataset] = {
    "MNIST": MNIST(),
    "Fashion-MNIST": FashionMNIST(),
    "CIFAR-10, grey": CIFAR10(channels="grey"),
}
LAYERS = {"teacher": 6, "assistant": 4, "student": 2}
WINDOWS = {
    "MNIST": {"l1": 128, "l2": 32},
    "Fashion-MNIST": {"l1": 32, "l2": 32},
    "CIFAR-10, grey": {"l1": 96, "l2": 32},
}
"""Best length of the sliding windows, as the paper says; for L2 it names CIFAR-10's alone."""
L1 = DistillingSpikes(alpha=1.0, beta=0.0, gamma=0.0)
L2 = DistillingSpikes(alpha=0.0, beta=1.0, gamma=0.0)
KL = DistillingSpikes(alpha=0.0, beta=0.0, gamma=1.0)
SOURCE = "Kushawaha et al., Distilling Spikes, ICPR 2020"
CPU = {"epochs": 20}
NOTE = "Width 100, T = 128, no augmentation; the budget cpu takes 20 epochs, the paper 100."


def scratch(data: str, network: str) -> Recipe:
    """A network from scratch, on labels."""
    return Recipe(
        name=f"distilling-spikes-{network}",
        data=DATA[data],
        model=MLP((100,) * (LAYERS[network] - 1), readout="neuron"),
        neuron=GradedReLU(),
        steps=128,
        method=CrossEntropy(),
        optimizer=Adam(1e-2),
        schedule=Constant(),
        epochs=100,
    )


def distilled(data: str, network: str, teacher: Recipe, method: DistillingSpikes, name: str) -> Recipe:
    """A network that imitates another's spikes."""
    return replace(scratch(data, network), name=f"distilling-spikes-{name}", method=method, teacher=FromRecipe(teacher))


def proposed(data: str) -> DistillingSpikes:
    """The paper's sum: sliding L1, full L2, KL."""
    return DistillingSpikes(l1="sliding", l2="full", window=WINDOWS[data]["l1"])
