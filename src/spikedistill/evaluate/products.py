"""Products of matrices that no layer of synapses computes: what the list of a network's layers does not show."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from spikedistill.evaluate.forms import CONNECTIONS
from spikedistill.models.trace import watching

PRODUCTS = frozenset(
    {
        *(
            "convolution",
            "_convolution",
            "mkldnn_convolution",
            "mm",
            "addmm",
            "bmm",
            "baddbmm",
            "addbmm",
            "mv",
            "addmv",
        ),
        *("dot", "linear", "matmul", "lstm", "gru", "rnn_tanh", "rnn_relu", "mkldnn_rnn_layer", "_cudnn_rnn"),
        *("_thnn_fused_lstm_cell", "_thnn_fused_gru_cell", "_native_multi_head_attention"),
        *("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention"),
        *("_scaled_dot_product_efficient_attention", "_scaled_dot_product_attention_math"),
        *("_transformer_encoder_layer_fwd",),
    }
)
"""Operations of torch that multiply numbers with weights, or with each other, and add up."""


def products_outside(network: nn.Module, ask: Callable[[], Any]) -> str:
    """Return the first product that a pass computes elsewhere than in a layer of synapses; empty where there is none.

    Args:
        network: Whose layers are looked at.
        ask: Makes the pass.
    """
    products = _Products()
    with torch.no_grad(), watching(network, products), products:
        ask()
    return products.outside


class _Products(TorchDispatchMode):
    """Finds products that are computed elsewhere than in the layers that are counted."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.inside: list[nn.Module] = []
        self.outside = ""

    def enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:  # noqa: ARG002
        """Before a layer."""
        self.inside.append(module)

    def leave(self, path: str) -> Callable[[nn.Module, Any, Any, Any], Any]:  # noqa: ARG002
        """After it."""

        def gone(module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:  # noqa: ARG001
            self.inside.pop()

        return gone

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        name = str(getattr(func, "__name__", func)).partition(".")[0]
        if name in PRODUCTS and not (self.inside and isinstance(self.inside[-1], CONNECTIONS)):
            where = f" in a {type(self.inside[-1]).__name__}" if self.inside else " between its modules"
            self.outside = self.outside or f"a product ({name}{where})"
        return func(*args, **(kwargs or {}))
