"""Options on the command line that change a recipe: `--method tser --method.alpha 0.3 --epochs 5`.

An option is a path of `spikedistill.values.change` with dashes: one that names a whole part (`--method`,
`--neuron.surrogate`, ...) puts another kind in its place, with that kind's defaults; others set a field.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from spikedistill.cli.words import option, parse, wants_help
from spikedistill.errors import InputError
from spikedistill.recipe import Recipe, Start, Teacher, recipes_of
from spikedistill.recipes import _files as recipe_files
from spikedistill.starts import Weights
from spikedistill.teachers import FromModule, FromRecipe, FromRun
from spikedistill.values.change import change, look_up
from spikedistill.values.words import Words

LONGEST_NAME = 100
"""Characters of a run's name; the hash after it tells runs apart."""


def override(recipe: Recipe, arguments: Sequence[str], program: str) -> Recipe:
    """Return the recipe as the options change it; says on stderr what a part that was exchanged has lost.

    Raises:
        InputError: an option is unknown, or its value is not allowed.
        SystemExit: `--help` was asked for and printed.
    """
    if wants_help(arguments):
        from spikedistill.cli.help import show_help

        show_help(recipe, program, arguments)
        raise SystemExit(0)
    return changed_by_options(recipe, parse(arguments))


def changed_by_options(recipe: Recipe, changes: dict[str, Words]) -> Recipe:
    """Return the recipe with what is given at each path, named after what was overridden."""
    readers = {Teacher: read_teacher, Start: read_start, Recipe: recipe_files.load}
    changed = change(recipe, changes, readers, option, lambda line: print(f"Note: {line}.", file=sys.stderr))
    _check_same_data(recipe, changed, changes)
    return _named(recipe, changed, changes)


def read_teacher(given: str) -> Teacher:
    """Return the teacher that a word names: a run's folder, module:callable, or a recipe."""
    if _is_folder(given):
        return FromRun(given)
    if ":" in given and not given.partition(":")[0].endswith(".py"):
        return FromModule(given)
    try:
        return FromRecipe(recipe_files.load(given))
    except InputError as error:
        raise InputError(f"A teacher is a recipe, a run's folder or module:callable. {error}") from error


def read_start(given: str) -> Start:
    """Return the start that a word names: the weights of what would be a teacher of that name."""
    return Weights(read_teacher(given))


def _is_folder(given: str) -> bool:
    try:
        return Path(given).is_dir()
    except (OSError, ValueError):  # longer than a path can be, or with a zero byte
        return False


def _check_same_data(before: Recipe, after: Recipe, changes: Iterable[str]) -> None:
    """Refuse a data set that the teacher has not been made for, unless it was so already; a start is not asked.

    Weights go with other data of the same shape and classes, which is what a start is often for.
    """
    if type(before.data) is type(after.data) or "teacher" in changes:
        return
    for theirs in recipes_of(after.teacher):
        if type(theirs.data) is not type(after.data):
            raise InputError(
                f"The teacher {theirs.name} learned {theirs.data.name}, and the student is to learn {after.data.name}. "
                f"Name a teacher too (--teacher with a recipe of {after.data.name}), or change what it learns "
                f"(--teacher.recipe.data {after.data.name})."
            )


def _named(before: Recipe, after: Recipe, changes: dict[str, Words]) -> Recipe:
    """Name each recipe after what was overridden in it: `digits-tser+method.alpha=0.3`; a name that was given stands.

    Seeds and places are no difference that a name tells.
    """
    changes = {_field_path(after, path): words for path, words in changes.items()}
    overridden = [
        path for path in changes if not _is_label(after, path) and look_up(before, path) != look_up(after, path)
    ]
    tree: dict[str, str] = {}
    for owner in ("", *(path for path in _owners(changes) if isinstance(look_up(after, path), Recipe))):
        prefix = f"{owner}." if owner else ""
        said = [
            f"{option(path.removeprefix(prefix))[2:]}={_in_a_name(changes[path])}"
            for path in overridden
            if path.startswith(prefix)
        ]
        if said and f"{prefix}name" not in changes:
            name = after.name if not owner else look_up(after, owner).name
            tree[f"{prefix}name"] = _bounded("+".join([name, *said]))
    return change(after, tree) if tree else after


def _field_path(recipe: Recipe, path: str) -> str:
    """Return the path of the field that an option `--part.no-field` turns off."""
    way, dot, name = path.rpartition(".")
    known = {f.name for f in fields(part)} if is_dataclass(part := look_up(recipe, way) if way else recipe) else set()
    turned_off = name not in known and name.removeprefix("no_") in known
    return f"{way}{dot}{name.removeprefix('no_')}" if turned_off else path


def _is_label(recipe: Recipe, path: str) -> bool:
    """Whether a path is a seed, or a field that the hash leaves out."""
    way, _, name = path.rpartition(".")
    part: Any = look_up(recipe, way) if way else recipe
    known = fields(part) if is_dataclass(part) else ()
    metadata: Mapping[str, Any] = next((f.metadata for f in known if f.name == name), {})
    return name == "seed" or any(metadata.get(key) for key in ("place", "label"))


def _owners(changes: Iterable[str]) -> list[str]:
    """Return all beginnings of paths, without the paths themselves, each once."""
    return list(dict.fromkeys(path[:place] for path in changes for place, letter in enumerate(path) if letter == "."))


def _in_a_name(words: Words) -> str:
    """Return words as a name can hold them; of a folder its own name."""
    text = ",".join(words) or "true"
    return re.sub(r"[^\w.,-]+", "-", Path(text).name if "/" in text else text)


def _bounded(name: str) -> str:
    while len(name.encode()) > LONGEST_NAME:
        name = f"{name.removesuffix('...')[:-1]}..."
    return name
