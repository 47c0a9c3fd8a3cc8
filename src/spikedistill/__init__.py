"""Distil knowledge into spiking neural networks.

What a program needs first is here, and imported when it is asked for: `import spikedistill` alone is quick.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spikedistill.recipe import Recipe
    from spikedistill.recipes._files import load as load_recipe
    from spikedistill.runs.folder import Run, open_run
    from spikedistill.runs.train import train_recipe as train
    from spikedistill.table import Row, Table
    from spikedistill.teachers import FromModule, FromRecipe, FromRun

__version__ = "0.2.0"
__all__ = ["FromModule", "FromRecipe", "FromRun", "Recipe", "Row", "Run", "Table", "load_recipe", "open_run", "train"]

_PLACES = {"load_recipe": ("recipes._files", "load"), "train": ("runs.train", "train_recipe")} | {
    name: ("runs.folder", name) for name in ("Run", "open_run")
}
_PLACES |= {name: ("table", name) for name in ("Row", "Table")}
_PLACES |= {name: ("teachers", name) for name in ("FromModule", "FromRecipe", "FromRun")}


def __getattr__(name: str) -> Any:
    """Import what `__all__` promises."""
    import importlib

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PLACES.get(name, ("recipe", name))
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
