"""What a number depends on beside the recipe: versions, commit, machine."""

import platform
import subprocess
from pathlib import Path

import torch

import spikedistill


def versions() -> dict[str, str]:
    """Return versions, the commit of the checkout (empty for an installed package) and the kind of machine.

    `-dirty` after the commit says that files of it had been changed.
    """
    capability = torch.backends.cpu.get_cpu_capability()
    return {
        "spikedistill": spikedistill.__version__,
        "commit": _commit(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, {capability}",
    }


def _commit() -> str:
    here = Path(__file__)
    tracked = _git(here.parent, "ls-files", "--error-unmatch", here.name)
    return _git(here.parent, "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12") if tracked else ""


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints; nothing where it fails or is not there."""
    try:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
