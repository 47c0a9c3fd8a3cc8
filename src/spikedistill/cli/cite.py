"""BibTeX of methods, of teachers, of recipes and of tables.

A method's file has it as `CITATION`; so has that of a kind of teacher that a paper is about, with its names as
`CITED_AS`. A recipe's file names what it cites as `CITES`, and one that does not cites its recipe's method and
teacher. The library's own are read from their files, without importing torch.
"""

import ast
import sys
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikedistill.errors import InputError, nearest, pick, shown
from spikedistill.recipes import _files as recipe_files
from spikedistill.recipes._groups import constant
from spikedistill.recipes._names import TABLE, names_in, possible, possible_files, table_name
from spikedistill.recipes._names import recipe_files as recipe_paths

if TYPE_CHECKING:
    from spikedistill.recipe import Recipe

METHODS = Path(__file__).parents[1] / "methods"
TEACHERS = METHODS.parent / "teachers"


def bibtex(name: str, own: bool = False) -> str:
    """Return the BibTeX of a method or a kind of teacher, or of all that a recipe or a table cites.

    Args:
        name: Of a method, of a teacher that a paper is about, of a recipe or a table, or a file of recipes.
        own: Whether files of the user's have been imported, which may define methods.

    Raises:
        InputError: there is no method or recipe of that name, or it has nothing to cite.
    """
    if name in citable():
        entries = [_of(name)]
    elif own and name in own_citations():
        entries = [own_citations()[name]]
    elif name in table_files():
        cites = constant(table_files()[name], "CITES", ())
        entries = [_of(str(cited)) for cited in cites] if isinstance(cites, tuple) else []
    elif name.partition(":")[0].endswith(".py") or possible_files(name):
        entries = [_of(cited) for cited in cited_by(name)]
    else:
        known = [*citable(), *table_files(), *possible(), *(own_citations() if own else ())]
        hint = nearest(name, known)
        raise InputError(f"Unknown recipe or method {shown(name)}.{hint} `spikedistill list` shows all.")
    text = "\n\n".join(dict.fromkeys(entry.strip() for entry in entries if entry.strip()))
    if not text:
        raise InputError(f"{name} has nothing to cite: the file of a method says what, as CITATION.")
    return text


def cited_by(name: str) -> tuple[str, ...]:
    """Return what a recipe cites: what its file names, or the recipe's own methods and teachers."""
    recipe = recipe_files.load(name)
    file = name.partition(":")[0]
    path = Path(file) if file.endswith(".py") else possible_files(name)[0]
    cites = constant(path, "CITES", None)
    return tuple(map(str, cites)) if isinstance(cites, tuple | list) else _methods_of(recipe) + _teachers_of(recipe)


def table_files() -> dict[str, Path]:
    """Return the files of this library's tables by their names."""
    return {table_name(path, TABLE): path for path in recipe_paths() if TABLE in names_in(path).assigned}


def _methods_of(recipe: "Recipe") -> tuple[str, ...]:
    """Return the names of a recipe's method and of the methods in its fields."""

    def within(value: Any) -> list[str]:
        from spikedistill.methods import Method

        if isinstance(value, tuple):
            return [name for item in value for name in within(item)]
        if not isinstance(value, Method):
            return []
        return [value.name, *(name for f in fields(value) for name in within(getattr(value, f.name)))]

    return tuple(dict.fromkeys(within(recipe.method)))


def _teachers_of(recipe: "Recipe") -> tuple[str, ...]:
    """Return the names of its teacher's kind and of those that this wraps, where there is something to cite."""
    from spikedistill.recipe import Teacher
    from spikedistill.values.kinds import command_name

    found, left = [], [recipe.teacher]
    while left:
        teacher = left.pop()
        if isinstance(teacher, Teacher):
            found.append(command_name(type(teacher)))
            left += [inner for inner in teacher.inner() if isinstance(inner, Teacher)]
    return tuple(name for name in found if name in teacher_files())


def own_citations() -> dict[str, str]:
    """Return what the files of methods say that are not of this library, by the method's name."""
    from spikedistill.methods import Method, methods
    from spikedistill.values.kinds import named_kinds

    own: dict[str, type[Method]] = {name: cls for name, cls in named_kinds(Method).items() if name not in methods()}
    return {name: str(getattr(sys.modules.get(cls.__module__), "CITATION", "")) for name, cls in own.items()}


def _of(name: str) -> str:
    if name not in citable():
        return pick("method", name, own_citations())
    return str(constant(citable()[name], "CITATION", ""))


def citable() -> dict[str, Path]:
    """Return the files of this library's methods and teachers by the names that can be cited."""
    return teacher_files() | method_files()


@cache
def teacher_files() -> dict[str, Path]:
    """Return the files of the kinds of teachers that papers are about, by their names."""
    named = {path: constant(path, "CITED_AS", ()) for path in sorted(TEACHERS.glob("*.py"))}
    return {str(name): path for path, names in named.items() if isinstance(names, tuple) for name in names}


@cache
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
