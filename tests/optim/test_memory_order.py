"""N13: steps are those of torch's plain optimisers, however weights and gradients lie in memory."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from spikedistill.optim import SGD, Adam, AdamW

ORDERS = {
    "contiguous": Tensor.clone,
    "channels_last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "permuted": lambda x: x.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0),
    "with gaps": lambda x: torch.stack([x, x + 1.0], -1)[..., 0],
}
PLAIN = {SGD: (torch.optim.SGD, {"momentum": 0.9}), Adam: (torch.optim.Adam, {}), AdamW: (torch.optim.AdamW, {})}


class Weight(nn.Module):
    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)


@pytest.mark.parametrize("kind", PLAIN, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("shape", [(6, 5, 3, 3), (6, 5, 1, 1), (4, 1, 3, 2)], ids=str)
def test_weight_and_gradient_may_lie_in_any_order(kind, shape):
    for of_weight, of_grad in itertools.product(ORDERS.values(), [*ORDERS.values(), lambda x: x[:1].expand(x.shape)]):
        draw = torch.Generator().manual_seed(0)
        first, *grads = torch.randn((4, *shape), generator=draw)
        ours, theirs = Weight(of_weight(first)), Weight(first.double())
        around, storage = ours.weight.data, ours.weight.data_ptr()
        step = kind(0.1).build([ours])
        plain, options = PLAIN[kind]
        slow = plain([theirs.weight], lr=0.1, weight_decay=kind(0.1).weight_decay, foreach=False, **options)
        for grad in grads:
            ours.weight.grad = of_grad(grad)
            theirs.weight.grad = ours.weight.grad.double()
            step.step()
            slow.step()
        torch.testing.assert_close(ours.weight.double(), theirs.weight, rtol=1e-4, atol=1e-5)
        assert ours.weight.data_ptr() == storage  # it is still the user's tensor
        assert ours.weight.stride() == around.stride()
