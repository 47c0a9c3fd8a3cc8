"""norse 1.1.0's side: `IAFCell`; for the MLP too, since norse has neither a graded neuron nor a single-state LIF."""

import torch
from norse.torch.functional.iaf import IAFParameters
from norse.torch.module.iaf import IAFCell

from benchmarks.looped import Stateful, float32
from benchmarks.tasks import Task
from benchmarks.work import Work


def node(kind: str) -> Stateful:  # noqa: ARG001
    """Hard reset to zero at a threshold of one; norse's own surrogate."""
    return Stateful(IAFCell(p=IAFParameters(v_th=torch.tensor(1.0), v_reset=torch.tensor(0.0))))


def tutorial(task: Task, device: torch.device) -> Work:
    """Loop over time, float32."""
    return float32(task, device, node)
