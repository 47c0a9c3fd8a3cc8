"""The command line. Torch is imported only by the commands that need it, when they need it."""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence

from spikedistill import __version__
from spikedistill.cli import streams
from spikedistill.cli.cache import cache_command
from spikedistill.cli.evaluate import evaluate_command
from spikedistill.cli.parser import Parser, add_import, import_files
from spikedistill.cli.predict import predict_command
from spikedistill.cli.report import report_command
from spikedistill.cli.runs import runs_command
from spikedistill.cli.table import table_command
from spikedistill.cli.train import train_command
from spikedistill.errors import DivergedError, InputError, Stopped, UserCodeError, nearest, pick
from spikedistill.machine.interrupts import interrupt_once
from spikedistill.machine.terminal import prepare_streams

EXIT_FAILED = 1
EXIT_WRONG_INPUT = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 1 (a run failed), 2 (wrong input), 130 (stopped by the user)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    prepare_streams()
    if arguments is None:
        interrupt_once()
    try:
        try:
            return _dispatch(words)
        finally:  # what cannot be written is found here and not in Python's own flush at the end
            sys.stdout.flush()
    except UserCodeError as error:
        streams.say(f"error: {error}")
        streams.say_traceback(error.__cause__ or error)
        return EXIT_WRONG_INPUT
    except InputError as error:
        streams.say(f"error: {error}")
        return EXIT_WRONG_INPUT
    except (Stopped, KeyboardInterrupt) as stop:
        if arguments is None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends already
        streams.say(f"{str(stop) or 'Stopped.'} A run goes on from what is saved with the same command.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        streams.discard_stdout()
        return EXIT_FAILED
    except (DivergedError, OSError) as error:
        streams.say(f"error: {error}")
        streams.discard_stdout_if_full()
        return EXIT_FAILED


def _dispatch(words: list[str]) -> int:
    parser = Parser(
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


def list_command(words: list[str]) -> int:
    """Recipes, methods, models with parameters and MACs, neurons, data sets, ...: all, or one of them."""
    parser = Parser(prog="spikedistill list", description=list_command.__doc__, allow_abbrev=False)
    parser.add_argument("part", nargs="?", help="recipes, methods, models, ...; all by default")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_import(parser)
    given = parser.parse(words)

    from spikedistill.cli import listing

    asked = listing.PARTS if given.part is None else {given.part: pick("part", given.part, listing.PARTS)}
    import_files(given.files)
    parts = {name: rows() for name, rows in asked.items()}
    if given.json:
        print(json.dumps(parts, indent=2))
    elif given.part is None:  # long enough without the tables, which have a command of their own
        count = len(parts.pop("tables"))
        parts["recipes"] = listing.rungs_together(parts["recipes"])
        listing.show(parts)
        print(f"tables\n  {count} of the papers and of ours: `spikedistill table` lists them")
    else:
        listing.show(parts)
    return 0


def cite_command(words: list[str]) -> int:
    """BibTeX of a recipe, a method or a kind of teacher."""
    parser = Parser(prog="spikedistill cite", description=cite_command.__doc__, allow_abbrev=False)
    parser.add_argument("name", help="a recipe or a method of `spikedistill list`, pruned (sparse-kd), or FILE.py")
    add_import(parser)
    given = parser.parse(words)

    from spikedistill.cli import cite as citations

    import_files(given.files)
    print(citations.bibtex(given.name, own=bool(given.files)))
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": train_command,
    "table": table_command,
    "evaluate": evaluate_command,
    "report": report_command,
    "predict": predict_command,
    "runs": runs_command,
    "list": list_command,
    "cite": cite_command,
    "cache": cache_command,
}
