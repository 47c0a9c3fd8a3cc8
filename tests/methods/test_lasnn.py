import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from spikedistill.errors import InputError
from spikedistill.methods import LaSNN, Side, Signals
from spikedistill.methods.lasnn import attention_transfer

LABELS = torch.zeros(3, dtype=torch.int64)


def attention(x, p):
    """Q(F) / ||Q(F)||, one sample at a time."""
    q = [sum(abs(plane) ** p for plane in sample).ravel() for sample in x]
    return np.array([row / np.sqrt((row**2).sum()) for row in q])


def transfer(s, t, p, mode):
    difference = attention(s, p) - attention(t, p)
    if mode == "code":
        return (difference**2).mean()
    return np.mean([(abs(row) ** p).sum() ** (1 / p) for row in difference])


@pytest.mark.parametrize("mode", ["code", "paper"])
@pytest.mark.parametrize("p", [2.0, 3.0])
def test_attention_transfer_and_its_gradient(p, mode):
    draw = np.random.default_rng(0)
    s, t = draw.normal(size=(3, 4, 2, 3)), draw.normal(size=(3, 5, 2, 3))
    student = torch.tensor(s, requires_grad=True)
    loss = attention_transfer(student, torch.tensor(t), p, mode)
    loss.backward()
    assert loss.item() == pytest.approx(transfer(s, t, p, mode), rel=1e-12)
    for place in [(0, 0, 0, 0), (1, 3, 1, 1), (2, 2, 0, 2)]:
        more, less = s.copy(), s.copy()
        more[place] += 1e-6
        less[place] -= 1e-6
        slope = (transfer(more, t, p, mode) - transfer(less, t, p, mode)) / 2e-6
        assert student.grad[place].item() == pytest.approx(slope, abs=1e-8)


def test_attention_does_not_see_scale_or_the_order_of_channels():
    x = torch.rand(3, 4, 5, 5)
    assert attention_transfer(x, 7.0 * x.flip(1)).item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("mode", ["code", "paper"])
def test_silent_stages_have_finite_gradients(mode):
    student = torch.zeros(3, 4, 5, 5, requires_grad=True)
    attention_transfer(student, torch.rand(3, 4, 5, 5), mode=mode).backward()
    assert torch.isfinite(student.grad).all()


def sides(student_channels=(4, 6), teacher_channels=(5, 6), size=(4, 2), teacher_size=(8, 2), T=4):
    draw = np.random.default_rng(1)

    def side(steps, channels, sizes):
        shapes = zip(channels, sizes, strict=True)
        taps = {f"stage{k}": torch.tensor(draw.normal(size=(steps, 3, c, n, n))) for k, (c, n) in enumerate(shapes)}
        return Side(None, Signals(torch.tensor(draw.normal(size=(steps, 3, 5))), taps))

    return side(T, student_channels, size), side(1, teacher_channels, teacher_size)


def numpy_maps(side, factor=1):
    """Means over time; of the first stage also over patches of factor x factor pixels."""
    first, last = (tap.mean(0).numpy() for tap in side.signals.taps.values())
    b, c, h, w = first.shape
    return first.reshape(b, c, h // factor, factor, w // factor, factor).mean((3, 5)), last


@pytest.mark.parametrize(("mode", "weight"), [("code", 1000.0), ("paper", 500.0)])
def test_is_the_sum_over_stages_of_mean_rates(mode, weight):
    student, teacher = sides()
    method = LaSNN(mode=mode)
    losses = method.build(student, teacher)(student.signals, teacher.signals, LABELS)
    pairs = zip(numpy_maps(student), numpy_maps(teacher, 2), strict=True)
    expected = sum(transfer(s, t, 2.0, mode) for s, t in pairs)
    assert losses["attention"].item() == pytest.approx(expected, rel=1e-12)
    assert method.total(losses).item() == pytest.approx(weight * expected, rel=1e-12)


def test_the_mse_of_public_code_aligns_channels_that_differ():
    student, teacher = sides()
    method = LaSNN(variant="mse")
    module = method.build(student, teacher).double()
    assert [type(layer) for layer in module.aligned] == [nn.Conv2d, nn.Identity]
    conv = module.aligned[0]
    weight, bias = conv.weight.detach().numpy()[:, :, 0, 0], conv.bias.detach().numpy()
    (s0, s1), (t0, t1) = numpy_maps(student), numpy_maps(teacher, 2)
    s0 = np.einsum("dc,bchw->bdhw", weight, s0) + bias[:, None, None]
    expected = (((s0 - t0) ** 2).sum() + ((s1 - t1) ** 2).sum()) / 3
    losses = module(student.signals, teacher.signals, LABELS)
    assert losses["feature"].item() == pytest.approx(expected, rel=1e-12)
    assert method.weights == {"feature": 7e-5}


def test_attention_of_one_pixel_is_refused():
    student, teacher = sides(size=(4, 1))
    with pytest.raises(InputError, match="'stage1' and 'stage1' have one pixel in common"):
        LaSNN().build(student, teacher)
    LaSNN(variant="mse").build(student, teacher)


def test_as_many_stages_are_needed():
    student, teacher = sides()
    del student.signals.taps["stage0"]
    with pytest.raises(InputError, match="student has 1 stages"):
        LaSNN().build(student, teacher)


@pytest.mark.parametrize("wrong", [{"p": 0.5}, {"p": 99.0}, {"beta": -1.0}, {"alpha": -1.0}])
def test_refuses(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must"):
        dataclasses.replace(LaSNN(), **wrong)
