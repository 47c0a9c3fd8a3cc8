import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikedistill.data.subset import balanced, proportional, rest

labelled = st.lists(st.integers(0, 4), min_size=1, max_size=200).flatmap(
    lambda labels: st.tuples(st.just(torch.tensor(labels)), st.integers(0, len(labels)))
)


@given(labelled)
@settings(deadline=None)
def test_balanced_fills_all_classes_evenly(case):
    labels, size = case
    index = balanced(labels, size)
    assert index.tolist() == sorted(set(index.tolist()))
    assert len(index) == size
    taken, there = torch.bincount(labels[index], minlength=5), torch.bincount(labels, minlength=5)
    # A class gives less than another only by one, or because it has no more.
    assert all(taken[a] >= taken.max() - 1 or taken[a] == there[a] for a in range(5))


@given(labelled)
@settings(deadline=None)
def test_proportional_keeps_the_shares(case):
    labels, size = case
    index = proportional(labels, size)
    assert index.tolist() == sorted(set(index.tolist()))
    assert len(index) == size
    taken, there = torch.bincount(labels[index], minlength=5), torch.bincount(labels, minlength=5)
    # Each class is off by a half from one share of all, and that share is off by a half for each class.
    allowed = 0.5 + there * len(there.nonzero()) / (2 * len(labels))
    assert ((taken - there * size / len(labels)).abs() <= allowed + 1e-5).all()


def test_larger_subsets_contain_smaller_ones():
    labels = torch.arange(1000) % 10
    small, large = balanced(labels, 100), balanced(labels, 500)
    assert set(small.tolist()) < set(large.tolist())


def test_choice_is_random_within_a_class_and_always_the_same():
    labels = torch.zeros(1000, dtype=torch.int64)
    index = balanced(labels, 500)
    assert torch.equal(index, balanced(labels, 500))
    assert 400 < float(index.double().mean()) < 600
    assert index.tolist() != list(range(500))


def test_rest_is_the_complement():
    assert rest(torch.tensor([3, 0]), 5).tolist() == [1, 2, 4]
