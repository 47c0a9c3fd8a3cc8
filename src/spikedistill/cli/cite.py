"""BibTeX of methods and recipes, read from their files without importing them.

A method's file has it as `CITATION`; a recipe's file names the methods that it cites as `CITES`.
"""

import ast
from pathlib import Path
from typing import Any

from spikedistill.errors import pick
from spikedistill.recipes import _files as recipe_files

METHODS = Path(__file__).parents[1] / "methods"


def bibtex(name: str) -> str:
    """Return the BibTeX of a method, or of all that a recipe's file names.

    Raises:
        InputError: there is no method or recipe of that name.
    """
    cited = {method: (method,) for method in method_files()}
    cited |= {recipe: _constant(path, "CITES") for recipe, (path, _) in recipe_files.shipped().items()}
    entries = [
        _constant(method_files()[method], "CITATION").strip() for method in pick("recipe or method", name, cited)
    ]
    return "\n\n".join(entries)


def method_files() -> dict[str, Path]:
    """Return the file of each method by its name on the command line, without importing torch."""
    named = {}
    for path in sorted(METHODS.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            for line in node.body if isinstance(node, ast.ClassDef) else []:
                value = line.value if isinstance(line, ast.Assign | ast.AnnAssign) else None
                target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
                if isinstance(target, ast.Name) and target.id == "name" and isinstance(value, ast.Constant):
                    named[str(value.value)] = path
    return named


def _constant(path: Path, name: str) -> Any:
    """Return the literal that a file assigns to `name` at its top level.

    Raises:
        LookupError: it assigns none.
    """
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise LookupError(f"{path} has no {name}.")
