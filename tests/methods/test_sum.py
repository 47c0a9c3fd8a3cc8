"""A sum of methods against its parts."""

import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.methods import TET, TSER, CrossEntropy, Method, Side, Signals, Sum, VanillaKD
from spikedistill.values.plain import from_json, to_json


def test_is_the_weighted_sum_of_its_parts(draw):
    signals = draw(0).signals()
    parts, factors = (TSER(), VanillaKD(alpha=0.3), CrossEntropy()), (1.0, 0.5, 2.0)
    method = Sum(parts, factors)
    losses = method.losses(*signals)
    expected = sum(f * part.total(part.losses(*signals)).item() for part, f in zip(parts, factors, strict=True))
    assert method.total(losses).item() == pytest.approx(expected, rel=1e-12)


def test_terms_are_raw_and_named_after_their_parts(draw):
    signals = draw(1).signals()
    method = Sum((VanillaKD(alpha=0.5, temperature=4.0), CrossEntropy(), CrossEntropy(0.1)), (0.5, 2.0, 3.0))
    losses = method.losses(*signals)
    assert {name: method.factor_of(name) for name in losses} == {
        "vanilla-kd.cross_entropy": 0.25,
        "vanilla-kd.kl": 4.0,
        "cross-entropy.cross_entropy": 2.0,
        "cross-entropy-2.cross_entropy": 3.0,
    }
    plain = CrossEntropy().losses(*signals)["cross_entropy"]
    assert losses["cross-entropy.cross_entropy"] == losses["vanilla-kd.cross_entropy"] == plain
    assert method.weights.items() <= {name: method.factor_of(name) for name in losses}.items()


def test_sums_nest(draw):
    signals = draw(2).signals()
    method = Sum((Sum((TET(), CrossEntropy()), (1.0, 3.0)), CrossEntropy()), (2.0, 1.0))
    losses = method.losses(*signals)
    assert [method.factor_of(name) for name in losses] == [2.0, 6.0, 1.0]
    assert list(losses)[1] == "sum.cross-entropy.cross_entropy"


def test_flags_are_those_of_its_parts():
    alone, taught = Sum(), Sum((CrossEntropy(), TSER()))
    assert (alone.needs_teacher, taught.needs_teacher, taught.needs_labels) == (False, True, True)
    assert (taught.draws, taught.same_steps) == (False, False)


def test_is_a_value_that_json_holds():
    method = Sum((TSER(alpha=0.9), Sum((TET(),))), (1.0, 0.25))
    assert from_json(Method, to_json(method)) == method
    assert hash(method) == hash(Sum((TSER(alpha=0.9), Sum((TET(),))), (1.0, 0.25)))


class Tapped(CrossEntropy):
    """Remembers which activations it is given."""

    name = "tapped"
    student_taps = ("stages.current", "head")

    def losses(self, student, teacher, labels):
        GIVEN.append((list(student.taps), teacher))
        return super().losses(student, teacher, labels)


class Other(CrossEntropy):
    name = "other"
    student_taps = ("stages",)

    def losses(self, student, teacher, labels):
        GIVEN.append((list(student.taps), teacher))
        return super().losses(student, teacher, labels)


GIVEN: list = []


class Network(torch.nn.Module):
    stages = ("a", "b")


def test_each_part_is_given_what_it_asks_for(draw):
    """A part that looks at all of its activations must not see those of another."""
    student, teacher, labels = draw(3).signals()
    method = Sum((Tapped(), Other(), VanillaKD()))
    assert method.student_taps == ("stages.current", "head", "stages")
    taps = dict.fromkeys(("a.current", "b.current", "head", "a", "b"), student.logits)
    student = Signals(student.logits, taps)
    module = method.build(Side(Network(), student), Side(None, teacher))
    GIVEN.clear()
    module(student, teacher, labels)
    assert GIVEN == [(["a.current", "b.current", "head"], None), (["a", "b"], None)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"parts": ()}, "one part or more"),
        ({"parts": (TET(),), "factors": (1.0, 2.0)}, "A sum of 1 methods has 2 factors"),
        ({"factors": (float("nan"),)}, "factors must be between"),
    ],
)
def test_refuses(wrong, message):
    with pytest.raises(InputError, match=message):
        Sum(**wrong)
