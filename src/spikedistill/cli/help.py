"""`train RECIPE --help`: the recipe's options with their values and what they say; a part's on request."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from spikedistill.cli.words import HELP, option
from spikedistill.errors import pick
from spikedistill.recipe import Recipe, Start, Teacher
from spikedistill.values.change import look_up
from spikedistill.values.hints import allows_none, item_of, part_of, without_none
from spikedistill.values.kinds import command_name, named_kinds

WIDTH = 120
INDENT = 34


def show_help(recipe: Recipe, program: str, arguments: Sequence[str]) -> None:
    """Print the options of a recipe, or of the part that follows `--help`, or with `--help-all` of all.

    Raises:
        InputError: the recipe has no such part.
    """
    place = next(k for k, word in enumerate(arguments) if word in HELP)
    asked = arguments[place + 1] if place + 1 < len(arguments) else ""
    whole = arguments[place] == "--help-all"
    part: Any = recipe
    prefix = ""
    if asked and not asked.startswith("-"):
        path = asked.replace("-", "_")
        part = pick("part", path, {one: look_up(recipe, one) for one in _part_paths(recipe)})
        prefix = f"{path}."
    print(f"usage: {program} [--PART KIND] [--PART.FIELD VALUE]\n")
    for line in _lines(part, prefix, whole or bool(prefix)):
        print(line)
    if not prefix:
        print("\nOptions that are not of the recipe: see `spikedistill train --help`.")
    if not whole and not prefix:
        print(f"The teacher's own options: `{program} --help teacher`; all: `{program} --help-all`.")


def _part_paths(value: Any, prefix: str = "") -> Iterator[str]:
    for f in fields(value):
        inner = getattr(value, f.name)
        for name, item in enumerate(inner) if isinstance(inner, tuple) else (("", inner),):
            if is_dataclass(item):
                path = f"{prefix}{f.name}{f'.{name}' if name != '' else ''}"
                yield path
                yield from _part_paths(item, f"{path}.")


def _lines(value: Any, prefix: str, teachers: bool) -> Iterator[str]:
    """Yield the options of a value: its own first, then those of its parts."""
    hints = get_type_hints(type(value))
    kind: Any = type(value)
    said = field_docs(kind)
    for f in fields(value):
        yield from _line(f"{prefix}{f.name}", hints[f.name], getattr(value, f.name), said.get(f.name, ""))
    for f in fields(value):
        inner = getattr(value, f.name)
        for name, item in enumerate(inner) if isinstance(inner, tuple) else ((None, inner),):
            if not is_dataclass(item) or not fields(item) or (isinstance(item, Teacher) and not teachers):
                continue
            path = f"{prefix}{f.name}" if name is None else f"{prefix}{f.name}.{name}"
            yield ""
            yield f"{option(path)} {command_name(type(item))}"
            yield from _lines(item, f"{path}.", teachers)


def _line(path: str, hint: Any, value: Any, doc: str) -> Iterator[str]:
    """Yield the lines of one option: its name, what it takes, its value and what it means."""
    left = f"  {option(path)} {_takes(hint)}"
    first = re.split(r"(?<!Eq)\. (?=[A-Z])", " ".join(doc.partition("\n\n")[0].split()))[0].rstrip(".")
    text = f"{first} [{_shown(value)}]".strip()
    lines = textwrap.wrap(text, WIDTH - INDENT)
    if len(left) < INDENT - 1:
        yield f"{left:{INDENT}}{lines[0]}"
        lines = lines[1:]
    else:
        yield from _wrap_choices(left)
    for line in lines:
        yield f"{'':{INDENT}}{line}"


def _wrap_choices(text: str) -> list[str]:
    """Return lines that end after a comma: no choice is broken in two."""
    lines = textwrap.wrap(
        text.replace(",", ", "), WIDTH, subsequent_indent=" " * 6, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(", ", ",") for line in lines]


def _takes(hint: Any) -> str:
    """Say what an option takes: `{if,lif}`, `INT`, `FLOAT ...`."""
    one = without_none(hint)
    base = part_of(hint) or item_of(hint)
    if base is Teacher:
        return "{RECIPE,RUN,package.module:callable,none}"
    if base is Start:
        return f"{{RECIPE,RUN,package.module:callable,{','.join(named_kinds(base))}}} ..."
    if base is not None:
        return f"{{{','.join(named_kinds(base))}}}" + (" ..." if item_of(hint) else "")
    if get_origin(one) is Literal:
        said = f"{{{','.join(map(str, get_args(one)))}}}"
    elif get_origin(one) is tuple:
        said = f"{get_args(one)[0].__name__.upper()} ..."
    else:
        said = "{true,false}" if one is bool else {str: "TEXT"}.get(one, getattr(one, "__name__", str(one)).upper())
    return f"{said} or none" if allows_none(hint) else said


def _shown(value: Any) -> str:
    if is_dataclass(value) and not isinstance(value, type):
        name = getattr(getattr(value, "recipe", None), "name", None)
        return name if isinstance(value, Teacher) and name else command_name(type(value))
    if isinstance(value, tuple):
        return " ".join(map(_shown, value)) or "empty"
    if value is None or value == "":
        return "none" if value is None else "empty"
    return str(value).lower() if isinstance(value, bool) else str(value)


@cache
def field_docs(kind: type) -> dict[str, str]:
    """Return what a dataclass says of its fields: the text below each, its own and that of the classes above it."""
    said: dict[str, str] = {}
    for cls in reversed(kind.__mro__):
        try:
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        except (OSError, TypeError, SyntaxError, ValueError):  # built in, or typed in at a prompt
            continue
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for line, after in zip(body, [*body[1:], None], strict=True):
            if not isinstance(line, ast.AnnAssign) or not isinstance(line.target, ast.Name):
                continue
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                said[line.target.id] = inspect.cleandoc(str(after.value.value))
    return said
