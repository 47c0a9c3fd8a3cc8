"""The names in a recipe file, read from its text: a first look that needs no torch.

What a file's names hold is decided by their values, once it has run (`_files`). Its text says which names there can be,
so that a mistyped one is answered at once: every name that is assigned anywhere at the top level, unless the file
makes names that its text does not show (`globals()["tser_" + ...] = ...`); then there can be any.
"""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
TABLE = "table"
"""Variable of a file's own table, which is called by the file alone."""
_MAKES_NAMES = ("globals", "vars", "locals", "exec", "setattr")


@dataclass(frozen=True)
class Names:
    """What the text of a file says of its top-level names."""

    assigned: tuple[str, ...]
    """Public names that are assigned, in the order of the text."""
    borrowed: frozenset[str]
    """Names that only an import or a loop binds: what they hold is another's, or one of many."""
    any_other: bool
    """Whether there can be names that the text does not show."""


@cache
def names_in(path: Path) -> Names:
    """Read a file. Raises what `ast.parse` raises; the files of this library and those that have run are in order."""
    tree = ast.parse(path.read_bytes())
    statements = list(_top_level(tree.body))
    assigned = {
        name: None
        for node in statements
        for target in _targets(node)
        for name in _bound_names(target)
        if not name.startswith("_")
    }
    bound = {
        (alias.asname or alias.name).partition(".")[0]
        for node in statements
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    bound |= {name for node in statements if isinstance(node, ast.For) for name in _bound_names(node.target)}
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return Names(tuple(assigned), frozenset(bound - assigned.keys()), not called.isdisjoint(_MAKES_NAMES))


def _top_level(body: list[ast.stmt]) -> "list[ast.stmt]":
    """Return the statements that run at the top level, also those in loops, conditions and the like."""
    found: list[ast.stmt] = []
    for node in body:
        found.append(node)
        for part in ("body", "orelse", "finalbody"):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.extend(_top_level(getattr(node, part, [])))
        for handler in getattr(node, "handlers", []):
            found.extend(_top_level(handler.body))
    return found


def _targets(node: ast.stmt) -> list[ast.expr]:
    """Return what a statement assigns to, `(name := ...)` included."""
    targets: list[ast.expr] = list(node.targets) if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets.append(node.target)
    if isinstance(node, ast.Expr | ast.Assign):
        targets += [inner.target for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr)]
    return targets


def _bound_names(target: ast.expr) -> list[str]:
    return [node.id for node in ast.walk(target) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def recipe_files() -> list[Path]:
    """Return this library's recipe files."""
    return sorted(path for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def recipe_name(path: Path, variable: str) -> str:
    """Return what a recipe is called on the command line: `mnist.distilled` is `mnist-distilled`."""
    return f"{path.stem}-{variable}".replace("_", "-")


def table_name(path: Path, variable: str) -> str:
    """Return what a table is called on the command line: `kdsnn_table_1.table` is `kdsnn-table-1`."""
    return path.stem.replace("_", "-") if variable == TABLE else recipe_name(path, variable)


def possible_tables() -> dict[str, Path]:
    """Return the file of each name that may be a table of this library."""
    return {table_name(path, variable): path for path in recipe_files() for variable in names_in(path).assigned}


def possible() -> dict[str, tuple[Path, str]]:
    """Return file and variable of each name that may be a recipe of this library; a helper's name may be among them."""
    return {
        recipe_name(path, variable): (path, variable)
        for path in recipe_files()
        for variable in names_in(path).assigned
        if variable != TABLE
    }


def possible_files(name: str) -> list[Path]:
    """Return the files that may hold a recipe of this name; none where it is mistyped."""
    return [
        path
        for path in recipe_files()
        if name.startswith(recipe_name(path, ""))
        and (names_in(path).any_other or name in {recipe_name(path, one) for one in names_in(path).assigned})
        and name != recipe_name(path, TABLE)
    ]
