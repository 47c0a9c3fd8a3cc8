"""The command line. Torch is imported only by the commands that need it, when they need it."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from spikedistill import __version__
from spikedistill.errors import DivergedError, InputError, Stopped, nearest

EXIT_FAILED = 1
EXIT_WRONG_INPUT = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 1 (a run failed), 2 (wrong input), 130 (stopped by the user)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(words)
    except InputError as error:
        return _say(f"error: {error}", EXIT_WRONG_INPUT)
    except (Stopped, KeyboardInterrupt) as stop:
        return _say(
            f"{str(stop) or 'Stopped.'} A run goes on from what is saved with the same command.", EXIT_INTERRUPTED
        )
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except (DivergedError, OSError) as error:
        return _say(f"error: {error}", EXIT_FAILED)


def _say(text: str, code: int) -> int:
    """Print one line on stderr, whatever an exception's text brings, and return the exit code."""
    print(f"spikedistill: {' '.join(text.split())}", file=sys.stderr)
    return code


class _Parser(argparse.ArgumentParser):
    """argparse with one line per error."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}. `{self.prog} --help` shows what is allowed.")

    def parse(self, words: list[str]) -> argparse.Namespace:
        """Raises InputError, with the nearest option for one that is not known."""
        known, unknown = self.parse_known_args(words)
        if unknown:
            given = unknown[0].partition("=")[0]
            hint = nearest(given, self._option_string_actions)
            raise InputError(f"Unknown option {given!r}.{hint} `{self.prog} --help` lists all.")
        return known


def _dispatch(words: list[str]) -> int:
    parser = _Parser(
        prog="spikedistill", description="Distil knowledge into spiking neural networks.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"spikedistill {__version__}")
    lines = "".join(
        f"  {name:10} {(command.__doc__ or '').partition(chr(10))[0]}\n" for name, command in COMMANDS.items()
    )
    parser.usage = "spikedistill [-h] [--version] COMMAND ..."
    parser.epilog = f"commands:\n{lines}\n`spikedistill COMMAND --help` says more."
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    if not words or words[0].startswith("-"):
        parser.parse(words)
        parser.print_help()
        return 0
    name, *rest = words
    if name not in COMMANDS:
        raise InputError(f"Unknown command {name!r}.{nearest(name, COMMANDS)} Allowed: {', '.join(COMMANDS)}.")
    return COMMANDS[name](rest)


def train_command(words: list[str]) -> int:
    """Train a recipe, or resume it; prints the run's folder last."""
    parser = _Parser(
        prog="spikedistill train",
        usage="spikedistill train RECIPE [--PART KIND] [--PART.FIELD VALUE] [--runs DIR] [--device NAME] "
        "[--import FILE.py]",
        description="Train a recipe: a name from `spikedistill list`, or FILE.py or FILE.py:VARIABLE of your own. "
        "Asking for a recipe that has run returns its folder; one that was interrupted is resumed.",
        epilog="`spikedistill train RECIPE --help` lists the options of that recipe.",
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("recipe", nargs="?")
    parser.add_argument(
        "--runs",
        default=os.environ.get("SPIKEDISTILL_RUNS", "runs"),
        help="folder of run folders; SPIKEDISTILL_RUNS or runs",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    _add_import(parser)
    if not words or words[0] in ("-h", "--help"):
        parser.print_help()
        return 0
    if words[0].startswith("-"):
        raise InputError("The recipe comes first: spikedistill train RECIPE [--options].")
    known, rest = parser.parse_known_args(words)

    from spikedistill.recipes import _files as recipe_files

    _import(known.files)
    recipe = recipe_files.load(known.recipe)

    from spikedistill.cli.options import override
    from spikedistill.machine.progress import reporter
    from spikedistill.runs import train as runs

    recipe = override(recipe, rest, f"spikedistill train {known.recipe}")
    run = runs.train_recipe(recipe, known.runs, known.device, reporter())
    _print_metrics(run.metrics)
    print(run.folder)
    return 0


def evaluate_command(words: list[str]) -> int:
    """Accuracy of a finished run at each time step, at any T."""
    parser = _Parser(prog="spikedistill evaluate", description=evaluate_command.__doc__, allow_abbrev=False)
    parser.add_argument("run", help="a run's folder, as `spikedistill train` prints it")
    parser.add_argument("--steps", type=int, help="T; the recipe's own by default")
    parser.add_argument("--data.root", dest="root", help="folder of the data's files; the recipe's by default")
    parser.add_argument("--split", default="test", help="test (the default), validation or train")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    parser.add_argument("--json", action="store_true", help="print JSON")
    _add_import(parser)
    given = parser.parse(words)

    from spikedistill.runs import train as runs
    from spikedistill.runs.evaluate import evaluate_run

    _import(given.files)
    run = runs.open_run(Path(given.run))
    result = evaluate_run(run, given.steps, given.split, given.root, given.device)
    if given.json:
        print(json.dumps(result))
    else:
        _print_metrics(result)
    return 0


def list_command(words: list[str]) -> int:
    """Recipes, methods, models with parameters and MACs, neurons, data sets."""
    parser = _Parser(prog="spikedistill list", description=list_command.__doc__, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse(words)

    from spikedistill.cli import listing

    parts = listing.everything()
    if given.json:
        print(json.dumps(parts, indent=2))
    else:
        listing.show(parts)
    return 0


def cite_command(words: list[str]) -> int:
    """BibTeX of a recipe or a method."""
    parser = _Parser(prog="spikedistill cite", description=cite_command.__doc__, allow_abbrev=False)
    parser.add_argument("name", help="a recipe or a method, as `spikedistill list` names them")
    given = parser.parse(words)

    from spikedistill.cli import cite as citations

    print(citations.bibtex(given.name))
    return 0


def _add_import(parser: argparse.ArgumentParser) -> None:
    what = "run a file that defines models, methods, ... of your own, which a run's folder names"
    parser.add_argument("--import", dest="files", metavar="FILE.py", action="append", default=[], help=what)


def _import(files: list[str]) -> None:
    from spikedistill.recipes import _files as recipe_files

    for file in files:
        recipe_files.run_file(Path(file))


def _print_metrics(metrics: dict[str, object]) -> None:
    """Print the accuracies of a run as lines for people."""

    def percent(value: object) -> str:
        return f"{value:.2%}" if isinstance(value, float) else str(value)

    for name, value in metrics.items():
        if not name.startswith("accuracy"):
            continue
        shown = "  ".join(map(percent, value)) if isinstance(value, list | tuple) else percent(value)
        print(f"{name.replace('_', ' '):25} {shown}")


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": train_command,
    "evaluate": evaluate_command,
    "list": list_command,
    "cite": cite_command,
}
