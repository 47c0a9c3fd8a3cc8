"""An oracle that shares no code with the methods: the definitions, in NumPy's 64 bits, one sample at a time."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from spikedistill.methods import Signals

Array = np.ndarray


class Oracle:
    """Every function takes one array of logits per step, [T, B, K], and labels [B]."""

    @staticmethod
    def softmax(z: Array, tau: float = 1.0) -> Array:
        powers = np.exp(np.asarray(z, dtype=np.float64) / tau)
        return powers / powers.sum(axis=-1, keepdims=True)

    @classmethod
    def cross_entropy(cls, z: Array, labels: Array) -> float:
        q = cls.softmax(z)
        return float(np.mean([-math.log(q[t, b, labels[b]]) for t in range(z.shape[0]) for b in range(z.shape[1])]))

    @classmethod
    def kl(cls, teacher: Array, student: Array, tau: float) -> float:
        """KL(teacher || student), the teacher's logits [B, K]."""
        p, q = cls.softmax(teacher, tau), cls.softmax(student, tau)
        each = [
            sum(p[b, k] * math.log(p[b, k] / q[t, b, k]) for k in range(p.shape[-1]))
            for t in range(q.shape[0])
            for b in range(q.shape[1])
        ]
        return float(np.mean(each))

    @classmethod
    def entropy(cls, z: Array, tau: float = 1.0) -> float:
        q = cls.softmax(z, tau)
        return float(np.mean([-sum(x * math.log(x) for x in row) for row in q.reshape(-1, q.shape[-1])]))


class Batch:
    """Random logits in float64, so that comparisons with the oracle can be tight."""

    def __init__(self, seed: int, T: int = 4, B: int = 5, K: int = 7, teacher_T: int = 1, scale: float = 3.0) -> None:
        draw = np.random.default_rng(seed)
        self.student = draw.normal(0.0, scale, (T, B, K))
        self.teacher = draw.normal(0.0, scale, (teacher_T, B, K))
        self.labels = draw.integers(0, K, B)

    @property
    def mean(self) -> Array:
        return self.student.mean(axis=0, keepdims=True)

    @property
    def target(self) -> Array:
        return self.teacher.mean(axis=0)

    def signals(self, dtype: torch.dtype = torch.float64) -> tuple[Signals, Signals, torch.Tensor]:
        student, teacher = (torch.tensor(z, dtype=dtype) for z in (self.student, self.teacher))
        return Signals(student.requires_grad_()), Signals(teacher), torch.tensor(self.labels)


@pytest.fixture(scope="session")
def oracle() -> type[Oracle]:
    return Oracle


@pytest.fixture(scope="session")
def draw() -> Callable[..., Batch]:
    return Batch
