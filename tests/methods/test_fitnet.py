import numpy as np
import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.methods import FitNet, Side, Signals

LABELS = torch.zeros(3, dtype=torch.int64)


def side(steps, **shapes):
    draw = np.random.default_rng(steps)
    taps = {name: torch.tensor(draw.normal(size=(steps, 3, *shape))) for name, shape in shapes.items()}
    return Side(None, Signals(torch.tensor(draw.normal(size=(steps, 3, 5))), taps))


def regressed(module, x):
    """1x1 convolution, statistics of the batch, ReLU."""
    y = np.einsum("dc,bchw->bdhw", module.regressor.conv.weight.detach().numpy()[:, :, 0, 0], x)
    mean, var = (f(y, axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.var))
    return np.maximum((y - mean) / np.sqrt(var + 1e-5), 0.0)


@pytest.mark.parametrize(("scale", "parts"), [("mean", 3 * 5 * 2 * 2), ("half_sum", 2 * 3)])
def test_is_the_hint_of_the_middle_stages(scale, parts):
    student = side(4, a=(6, 8, 8), b=(4, 4, 4), c=(9, 1, 1))
    teacher = side(1, d=(7, 8, 8), e=(5, 2, 2))
    method = FitNet(scale=scale)
    module = method.build(student, teacher).double()
    losses = module(student.signals, teacher.signals, LABELS)
    guided = student.signals.taps["b"].mean(0).numpy().reshape(3, 4, 2, 2, 2, 2).mean((3, 5))
    target = teacher.signals.taps["e"][0].numpy()
    expected = ((regressed(module, guided) - target) ** 2).sum() / parts
    assert losses["hint"].item() == pytest.approx(expected, rel=1e-9)
    assert method.total(losses).item() == pytest.approx(100 * expected, rel=1e-9)


def test_gradient_of_the_student():
    student, teacher = side(2, a=(4, 3, 3)), side(1, a=(5, 3, 3))
    module = FitNet().build(student, teacher).double()
    leaf = student.signals.taps["a"].requires_grad_()
    module(student.signals, teacher.signals, LABELS)["hint"].backward()
    target = teacher.signals.taps["a"][0].numpy()
    x = leaf.detach().numpy()

    def loss(x):
        return ((regressed(module, x.mean(0)) - target) ** 2).mean()

    for place in [(0, 0, 0, 0, 0), (1, 2, 3, 1, 2)]:
        more, less = x.copy(), x.copy()
        more[place] += 1e-5
        less[place] -= 1e-5
        assert leaf.grad[place].item() == pytest.approx((loss(more) - loss(less)) / 2e-5, rel=1e-4, abs=1e-8)


def test_no_regressor_for_tokens():
    with pytest.raises(InputError, match="a connector matches"):
        FitNet().build(side(2, a=(10, 4)), side(1, a=(5, 3, 3)))


def test_refuses_a_negative_weight():
    with pytest.raises(InputError, match="weight must"):
        FitNet(weight=-1.0)
