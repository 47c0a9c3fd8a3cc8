"""What the commands' parsers share: an error is one line, and `--import` runs a user's own files."""

import argparse
import os
from pathlib import Path
from typing import NoReturn

from spikedistill.errors import InputError, nearest, shown


class Parser(argparse.ArgumentParser):
    """argparse with one line per error."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}. `{self.prog} --help` shows what is allowed.")

    @property
    def options(self) -> list[str]:
        """All options, as they are spelled."""
        return list(self._option_string_actions)

    def parse(self, words: list[str]) -> argparse.Namespace:
        """Raises InputError, with the nearest option for one that is not known."""
        known, unknown = self.parse_known_args(words)
        if unknown:
            given = unknown[0].partition("=")[0]
            if not given.startswith("-"):
                raise InputError(f"{shown(given)} is one word too many. `{self.prog} --help` says what is asked for.")
            hint = nearest(given, self.options)
            raise InputError(f"Unknown option {given!r}.{hint} `{self.prog} --help` lists all.")
        return known


def default_runs() -> str:
    """Return the folder of run folders where none is named."""
    return os.environ.get("SPIKEDISTILL_RUNS") or "runs"


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Add `--runs DIR`."""
    parser.add_argument("--runs", default=default_runs(), help="folder of run folders; SPIKEDISTILL_RUNS or runs")


def add_import(parser: argparse.ArgumentParser) -> None:
    """Add `--import FILE.py`, whose files end up in `files`."""
    what = "run a file that defines models, methods, ... of your own, which a run's folder names"
    parser.add_argument("--import", dest="files", metavar="FILE.py", action="append", default=[], help=what)


def import_files(files: list[str]) -> None:
    """Run files that define classes of a user's own."""
    from spikedistill.recipes import _files as recipe_files

    for file in files:
        recipe_files.run_file(Path(file))
