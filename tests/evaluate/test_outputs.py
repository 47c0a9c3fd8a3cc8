"""Mean answers by class, by a loop."""

import numpy as np
import torch

from spikedistill.evaluate.outputs import mean_by_class


def test_means_by_true_class():
    draw = torch.Generator().manual_seed(0)
    probabilities = torch.randn(40, 5, generator=draw).softmax(-1)
    labels = torch.randint(0, 4, (40,), generator=draw)
    labels[labels == 2] = 0
    found = mean_by_class(probabilities, labels)
    assert found[2] is None
    assert found[4] is None
    for true in (0, 1, 3):
        rows = [row for row, label in zip(probabilities.numpy().astype(float), labels, strict=True) if label == true]
        assert np.allclose(found[true], sum(rows) / len(rows), atol=1e-6)
        assert abs(sum(found[true]) - 1) < 1e-5
