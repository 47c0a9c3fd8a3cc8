"""Weights that do not change for a while, made ready once: cast, and on a CPU folded and in oneDNN's own order.

At batch 1 casting and reordering cost as much as the convolutions themselves. Whether a weight has changed cannot be
asked (PyTorch's fused optimisers do not count their changes), so who knows says so:

    with torch.no_grad(), FrozenWeights():
        for images in batches:
            network(images, steps)
"""

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any

import torch
from torch import Tensor, nn

from spikedistill.neurons import Norm

_active: ContextVar["FrozenWeights | None"] = ContextVar("frozen_weights", default=None)


SHAPES = 2
"""Of each weight, copies for so many shapes of the batch are kept: full batches and the last one, say."""


class FrozenWeights:
    """While it is entered, the weights of networks that are called without gradients are made ready once and kept.

    It may be entered again and still has what it made, until `forget`. oneDNN's order depends on the shape of the
    batch: of each weight, the copies for the last `SHAPES` shapes are kept. Weights that change must not be used with
    it again.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], tuple[Tensor, dict[Any, Tensor]]] = {}
        self._onednn: dict[torch.dtype, bool] = {}
        self._tokens: list[Token[FrozenWeights | None]] = []

    def __enter__(self) -> "FrozenWeights":
        self._tokens.append(_active.set(self))
        return self

    def __exit__(self, *_: object) -> None:
        _active.reset(self._tokens.pop())

    def forget(self) -> None:
        """Give back the memory of what was made; it is made again where it is needed."""
        self._made.clear()

    def cast(self, weight: Tensor, dtype: torch.dtype) -> Tensor:
        """The weight in this dtype."""
        if weight.dtype == dtype:
            return weight
        return self._once(weight, (dtype,), None, lambda: weight.detach().to(dtype))

    def conv2d(self, x: Tensor, conv: nn.Conv2d, norm: Norm | None = None) -> Tensor | None:
        """Return `conv(x)` for x [N, C, H, W] of the dtype to compute in; None where only PyTorch's own way is left.

        oneDNN's operators on reordered weights are those that torch.compile uses; they give what PyTorch's own give. A
        norm in eval mode that follows is folded into the weights.
        """
        plain = conv.padding_mode == "zeros" and not isinstance(conv.padding, str) and conv.bias is None
        if x.dtype not in self._onednn:
            self._onednn[x.dtype] = _has_onednn(x.dtype)
        if not plain or not self._onednn[x.dtype]:
            return None
        padding, stride, dilation = list(conv.padding), list(conv.stride), list(conv.dilation)

        def reorder() -> Tensor:
            scaled = conv.weight.detach() if norm is None else conv.weight.detach() * _scale(norm).view(-1, 1, 1, 1)
            made: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
                scaled.to(x.dtype), padding, stride, dilation, conv.groups, list(x.shape)
            )
            return made

        def shift() -> Tensor:
            assert norm is not None
            return (norm.bias.detach() - norm.running_mean * _scale(norm)).to(x.dtype)

        weight = self._once(conv.weight, (x.dtype, None if norm is None else id(norm.bias)), x.shape, reorder)
        bias = None if norm is None else self._once(norm.bias, (x.dtype,), None, shift)
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, padding, stride, dilation, conv.groups, "none", [], ""
        )
        return y

    def _once(self, weight: Tensor, purpose: tuple[Any, ...], shape: Any, make: Callable[[], Tensor]) -> Tensor:
        key = (id(weight), *purpose)
        if key not in self._made:
            self._made[key] = (weight, {})  # the weight too, so that no other takes its id
        copies = self._made[key][1]
        made = copies.pop(shape) if shape in copies else make()
        copies[shape] = made  # as the one that was used last
        if len(copies) > SHAPES:
            del copies[next(iter(copies))]
        return made


def weights() -> FrozenWeights | None:
    """What is entered, where there are no gradients and nothing is being compiled."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return None
    return _active.get()


def _scale(norm: Norm) -> Tensor:
    """What the norm multiplies by in eval mode [C]."""
    return norm.weight.detach() * (norm.running_var + norm.eps).rsqrt()


def _has_onednn(dtype: torch.dtype) -> bool:
    if not (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled):
        return False
    if not all(hasattr(torch.ops.mkldnn, name) for name in ("_reorder_convolution_weight", "_convolution_pointwise")):
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32
