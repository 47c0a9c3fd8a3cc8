"""A first look at an option, without torch: could any value of this library have it?

The names of all fields and kinds are read from the sources. What this look lets pass is judged later by the values
themselves, with a better message; what it refuses no value has.
Where a user's own file may define more, this look is not taken.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from spikedistill.cli.words import HELP, option, path_of
from spikedistill.errors import InputError, nearest, nearest_name, shown

LIBRARY = Path(__file__).parents[1]
_FIELD = re.compile(r"^    ([a-z]\w*) *:(?! *ClassVar)", re.MULTILINE)
_NAME = re.compile(r"""^    name(?: *: *ClassVar\[str\])? *= *["']([\w-]+)["']""", re.MULTILINE)
_CLASS = re.compile(r"^class ([A-Z]\w*)\b", re.MULTILINE)


def check_options(words: Sequence[str], program: str, others: Iterable[str] = ()) -> None:
    """Refuse the first option that no recipe of this library has.

    Args:
        words: What follows the recipe's name.
        program: For the message: whose `--help` lists all.
        others: Options that are not of the recipe, for the message's nearest name.

    Raises:
        InputError: there is no such option.
    """
    for word in words:
        name = word.partition("=")[0]
        if not name.startswith("--") or name in HELP:
            continue
        first, *rest = path_of(name).split(".")
        if _without_no(first) not in recipe_fields():
            hint = nearest(name, [*map(option, recipe_fields()), *others])
        else:
            wrong = [k for k, part in enumerate(rest) if not part.isdigit() and _without_no(part) not in all_names()]
            if not wrong:
                continue
            near = nearest_name(rest[wrong[0]], all_names())
            parts = [first, *rest[: wrong[0]], near or "", *rest[wrong[0] + 1 :]]
            hint = f" Did you mean {option('.'.join(parts))!r}?" if near else ""
        raise InputError(f"Unknown option {shown(name)}.{hint} `{program} --help` lists all.")


@cache
def recipe_fields() -> frozenset[str]:
    """Return the fields of a recipe."""
    text = (LIBRARY / "recipe.py").read_text()
    body = text.partition("\nclass Recipe:")[2].partition("\n    def ")[0]
    return frozenset(_FIELD.findall(body))


@cache
def all_names() -> frozenset[str]:
    """Return every field of every value, and every name that a part can have as one of several."""
    texts = [path.read_text() for path in LIBRARY.rglob("*.py")]
    found = {name for text in texts for name in _FIELD.findall(text)}
    kinds = {name for text in texts for name in [*_NAME.findall(text), *map(str.lower, _CLASS.findall(text))]}
    return frozenset(found | {name.replace("-", "_") for name in kinds})


def _without_no(name: str) -> str:
    return name.removeprefix("no_")
