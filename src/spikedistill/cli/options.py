"""Options on the command line that change a recipe: `--method tser --method.alpha 0.3 --epochs 5`.

An option that names a whole part (`--method`, `--neuron.surrogate`, ...) puts another kind in its place, with that
kind's defaults; tyro then reads the fields.
"""

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import tyro

from spikedistill.errors import InputError, nearest, pick
from spikedistill.recipe import Recipe, Teacher
from spikedistill.recipes import _files as recipe_files
from spikedistill.teachers import FromModule, FromRecipe, FromRun
from spikedistill.values.kinds import command_name, named_kinds


def override(recipe: Recipe, arguments: list[str], program: str) -> Recipe:
    """Return the recipe as the options change it.

    Raises:
        InputError: an option is unknown, or its value is not allowed.
        SystemExit: `--help` was asked for and printed.
    """
    recipe, rest = _choose_kinds(recipe, arguments)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            changed, unknown = tyro.cli(
                Recipe,
                prog=program,
                args=rest,
                description=_description(recipe),
                default=recipe,
                config=(tyro.conf.AvoidSubcommands,),
                return_unknown_args=True,
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise InputError(_first_message(said.getvalue())) from None
    if unknown:
        raise InputError(_unknown(recipe, unknown[0].partition("=")[0], program))
    return changed


def options(value: Any, prefix: str = "--") -> Iterator[str]:
    """Yield the options that a recipe has."""
    for name, inner in ((f.name, getattr(value, f.name)) for f in fields(value)):
        option = f"{prefix}{name.replace('_', '-')}"
        if is_dataclass(inner):
            yield from options(inner, f"{option}.")
        else:
            yield option
        if _base(value, name):
            yield option


def _unknown(recipe: Recipe, given: str, program: str) -> str:
    """Say what is wrong with an option: of a part that is there, which fields that part has."""
    *path, _ = given.removeprefix("--").replace("-", "_").split(".")
    part: Any = recipe
    for name in path:
        part = getattr(part, name, None)
    if not path or not is_dataclass(part) or isinstance(part, type):
        return f"Unknown option {given!r}.{nearest(given, options(recipe))} `{program} --help` lists all."
    names = [f"--{'.'.join(path)}.{f.name}".replace("_", "-") for f in fields(part)]
    allowed = ", ".join(names) or "none"
    return f"Unknown option {given!r}.{nearest(given, names)} Options of {command_name(type(part))}: {allowed}."


def _description(recipe: Recipe) -> str:
    """What tyro does not know: whole parts, and the options that are not of the recipe."""
    return "\n".join(
        [
            "These options put another kind of part in place, with that kind's defaults:",
            *_parts(recipe, "--"),
            "--teacher {RECIPE, RUN, package.module:callable, none}",
            "",
            "Options that are not of the recipe: --runs DIR, --device NAME, --import FILE.py",
        ]
    )


def _parts(value: Any, prefix: str) -> Iterator[str]:
    for name, inner in ((f.name, getattr(value, f.name)) for f in fields(value)):
        base = _base(value, name)
        if base is None or base is Teacher:
            continue
        option = f"{prefix}{name.replace('_', '-')}"
        yield f"{option} {{{','.join(named_kinds(base))}}}"
        yield from _parts(inner, f"{option}.")


def _choose_kinds(recipe: Recipe, arguments: list[str]) -> tuple[Recipe, list[str]]:
    """Apply the options that name a part, in order, and return the others."""
    rest: list[str] = []
    tokens = iter(arguments)
    for token in tokens:
        option, equals, given = token.partition("=")
        path = option.removeprefix("--").replace("-", "_").split(".")
        if not option.startswith("--") or not _is_part(recipe, path):
            rest.append(token)
            continue
        if not equals:
            given = next(tokens, "")
        recipe = _replace_part(recipe, path, given)
    return recipe, rest


def _is_part(value: Any, path: list[str]) -> bool:
    for name in path[:-1]:
        value = getattr(value, name, None)
    return is_dataclass(value) and path[-1] in {f.name for f in fields(value)} and _base(value, path[-1]) is not None


def _base(value: Any, name: str) -> type | None:
    """Return the base class of a field that can hold several kinds, else None."""
    hint = get_type_hints(type(value))[name]
    if get_origin(hint) is tuple:
        return None
    for kind in get_args(hint) or (hint,):
        if is_dataclass(kind) and isinstance(kind, type) and len(named_kinds(kind)) > 1:
            return kind
    return None


def _replace_part(value: Any, path: list[str], given: str) -> Any:
    name = path[0]
    if len(path) > 1:
        return replace(value, **{name: _replace_part(getattr(value, name), path[1:], given)})
    base: Any = _base(value, name)
    if base is Teacher:
        return replace(value, **{name: _teacher(given)})
    return replace(value, **{name: pick(name, given, named_kinds(base))()})


def _teacher(given: str) -> Teacher | None:
    """Return the teacher that a word names: none, a run's folder, module:callable, or a recipe."""
    if given.lower() == "none":
        return None
    if Path(given).is_dir():
        return FromRun(given)
    if ":" in given and not given.partition(":")[0].endswith(".py"):
        return FromModule(given)
    try:
        return FromRecipe(recipe_files.load(given))
    except InputError as error:
        raise InputError(f"A teacher is a recipe, a run's folder or module:callable. {error}") from error


def _first_message(box: str) -> str:
    """Return the message of the box that tyro prints, as one line."""
    lines = [re.sub(r"^[│|\s]+|[│|\s]+$", "", line) for line in box.splitlines()]
    rules = [number for number, line in enumerate(lines) if re.search(r"[─-]{4}", line)]  # dashes without Unicode
    text = lines[rules[0] + 1 : rules[1]] if len(rules) > 1 else lines
    message = " ".join(text) or "The options cannot be read."
    message = re.sub(r"^Error parsing (--\S+|\S+): ", lambda m: f"{m[1]}: " if m[1].startswith("--") else "", message)
    message = re.sub(r"invalid literal for int\(\) with base 10: ", "must be a whole number, not ", message)
    return message.replace("could not convert string to float: ", "must be a number, not ")
