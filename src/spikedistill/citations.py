"""BibTeX of methods and recipes, read from their files' `CITATION` without importing them."""

import ast
from pathlib import Path

from spikedistill import recipe_files
from spikedistill.errors import pick

METHODS = Path(__file__).parent / "methods"


def bibtex(name: str) -> str:
    """Return the BibTeX of a method, or of all that a recipe's file names.

    Raises:
        InputError: there is no method or recipe of that name.
    """
    files = method_files() | {recipe: path for recipe, (path, _) in recipe_files.shipped().items()}
    return _constant(pick("recipe or method", name, files), "CITATION")


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


def _constant(path: Path, name: str) -> str:
    """Return the string that a file assigns to `name` at its top level; empty if there is none."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return str(ast.literal_eval(node.value)).strip()
    return ""
