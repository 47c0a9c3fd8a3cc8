"""Devices and number formats: what `auto` means on this machine."""

from typing import Literal, TypeVar

import torch
from torch import nn

from spikedistill.errors import InputError, shown

Module = TypeVar("Module", bound=nn.Module)
Precision = Literal["auto", "fp32", "bf16"]
"""What convolutions and linear layers compute in; `auto` until `resolve_precision` has decided."""


def pick_device(name: str) -> torch.device:
    """Return the device of that name; `auto` is a GPU where there is one.

    Raises:
        InputError: torch does not know the device, or it is not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).item()
    except Exception as error:  # each kind of device that is not there has its own
        why = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"Device {shown(name)} is not usable here ({why}). Take cpu.") from error
    return device


def resolve_precision(precision: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """Return `fp32` or `bf16`; `auto` is bf16 where the device has instructions for it."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "fp32"


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Return a context in which convolutions and linear layers run in bfloat16, for `bf16`.

    Raises:
        ValueError: the precision is still `auto`.
    """
    if precision == "auto":
        raise ValueError("Precision auto is decided by resolve_precision before anything is computed.")
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def channels_last(module: Module, device: torch.device) -> Module:
    """Move a module to a device, with the weights of its convolutions in channels_last order."""
    module.to(device=device)
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return module
