"""The words of a command line, without torch: which options they name, and how an option is spelled."""

import re
from collections.abc import Sequence

from spikedistill.errors import InputError, shown
from spikedistill.values.words import Words

HELP = ("-h", "--help", "--help-all")
_NUMBER = re.compile(r"-\.?\d")


def parse(arguments: Sequence[str]) -> dict[str, Words]:
    """Return the words after each option, by its path: `--method.alpha 0.3` and `--method.alpha=0.3` alike.

    Of an option that is given twice, the last stands.

    Raises:
        InputError: a word follows no option.
    """
    changes: dict[str, Words] = {}
    path = None
    for word in arguments:
        if word.startswith("--"):
            name, equals, given = word.partition("=")
            path = path_of(name)
            changes[path] = Words((given,) if equals else ())
        elif path is None or (word.startswith("-") and not _NUMBER.match(word) and word != "-"):
            raise InputError(f"Unexpected {shown(word)}. Options are --PART KIND and --PART.FIELD VALUE.")
        else:
            changes[path] = Words((*changes[path], word))
    return changes


def path_of(name: str) -> str:
    """Return the path that an option names."""
    return name.removeprefix("--").replace("-", "_")


def option(path: str) -> str:
    """Return the option that names a path."""
    return f"--{path.replace('_', '-')}"


def wants_help(arguments: Sequence[str]) -> bool:
    """Whether the words ask for help."""
    return any(word in HELP for word in arguments)
