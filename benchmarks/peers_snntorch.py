"""snnTorch 1.0.0's side: `Leaky` with beta = 1 is IF; 0.9 for the MLP, whose graded neuron it has not."""

import snntorch
import torch
from snntorch import surrogate
from torch import Tensor

from benchmarks.looped import Stateful, float32
from benchmarks.tasks import Task
from benchmarks.work import Work


def node(kind: str) -> Stateful:
    """Hard reset to zero, sigmoid surrogate of slope 4: IF's defaults here."""
    leaky = snntorch.Leaky(
        beta=0.9 if kind == "mlp" else 1.0, spike_grad=surrogate.sigmoid(slope=4), reset_mechanism="zero"
    )

    def cell(x: Tensor, state: object) -> tuple[Tensor, object]:
        spikes, v = leaky(x, torch.zeros_like(x) if state is None else state)
        return spikes, v

    return Stateful(cell)


def tutorial(task: Task, device: torch.device) -> Work:
    """Loop over time, float32."""
    return float32(task, device, node)
