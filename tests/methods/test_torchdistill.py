"""Ours against torchdistill's losses, where it has them (`LogitStandardization` is compared in its own tests)."""

import pytest
import torch

from spikedistill.methods import LaSNN, Side, Signals, VanillaKD

theirs = pytest.importorskip(
    "torchdistill.losses.mid_level", reason="pip install --no-deps -r tests/oracles.txt -c constraints.txt"
)


def said(student, teacher):
    """What their losses read: outputs by module."""
    return (
        {path: {"output": x} for path, x in student.items()},
        {path: {"output": x} for path, x in teacher.items()},
    )


def gradient(loss, leaf):
    return torch.autograd.grad(loss, leaf)[0]


@pytest.mark.parametrize("alpha", [0.3, 0.9])
def test_vanilla_kd_is_their_kd(draw, alpha):
    """Their alpha is the labels' share."""
    student, teacher, labels = draw(4, T=1).signals()
    loss = theirs.KDLoss("student", "output", "teacher", "output", 5.0, alpha=1.0 - alpha)
    expected = loss(*said({"student": student.logits[0]}, {"teacher": teacher.logits[0]}), labels)
    method = VanillaKD(alpha, 5.0)
    ours = method.total(method.losses(student, teacher, labels))
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradient(ours, student.logits), gradient(expected, student.logits))


@pytest.mark.parametrize(("mode", "factor"), [("code", 1.0), ("paper", 0.5)])
def test_lasnn_is_their_attention_transfer(mode, factor):
    """Theirs is without the 1/2 of Eq. (2); of two stages with other channels."""
    torch.manual_seed(0)
    student = {f"stage{k}": torch.randn(5, 3 + k, 4, 4, dtype=torch.float64, requires_grad=True) for k in range(2)}
    teacher = {f"stage{k}": torch.randn(5, 6, 4, 4, dtype=torch.float64) for k in range(2)}
    io = [{"io": "output", "path": path} for path in student]
    pairs = {each["path"]: {"teacher": each, "student": each, "weight": 1000.0} for each in io}
    expected = theirs.ATLoss(pairs, mode)(*said(student, teacher))
    logits = torch.zeros(1, 5, 10, dtype=torch.float64)
    sides = [Side(None, Signals(logits, {path: x[None] for path, x in one.items()})) for one in (student, teacher)]
    method = LaSNN(mode=mode, beta=1000.0)
    losses = method.build(*sides)(sides[0].signals, sides[1].signals, torch.zeros(5, dtype=torch.int64))
    ours = method.total(losses)
    torch.testing.assert_close(ours, factor * expected, rtol=1e-9, atol=1e-9)
    for leaf in student.values():
        torch.testing.assert_close(
            torch.autograd.grad(ours, leaf, retain_graph=True)[0],
            factor * torch.autograd.grad(expected, leaf, retain_graph=True)[0],
        )
