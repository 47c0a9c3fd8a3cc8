"""Norm + residual + neuron in Triton, for GPUs and, with TRITON_INTERPRET=1 set before the import, for tests on a CPU.

Importing this package needs triton.
"""

from spikedistill.kernels.triton.calls import activate, norm_act

__all__ = ["activate", "norm_act"]
