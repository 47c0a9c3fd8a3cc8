"""`python -m benchmarks NAME`: measure a row or a group of rows, print the tables, append to results.csv."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import results
from benchmarks.contenders import CONTENDERS
from benchmarks.harness import Settings, measure
from benchmarks.report import table
from benchmarks.rows import GROUPS, Row, parts_of

CSV = Path(__file__).parent / "results.csv"


def main(words: Sequence[str] | None = None) -> int:
    """Return the exit code: 0, 1 where a contender failed, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", help="a row, a group, all, or list")
    parser.add_argument("--rounds", type=int, default=5, help="5 by default; 1 with --quick")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=2.0, help="timed seconds of each process, at least")
    parser.add_argument("--only", default="", help="contenders, or beginnings of their names, separated by commas")
    parser.add_argument("--also", default="", help="further contenders by name, such as ours-bf16-compile")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round: does it run, not how fast")
    parser.add_argument("--csv", type=Path, default=CSV, help="file to append to")
    options = parser.parse_args(words)
    if options.names == ["list"]:
        print(listing())
        return 0
    try:
        parts = [part for name in options.names for part in parts_of(name)]
    except KeyError as error:
        parser.error(f"no row or group {error}; `python -m benchmarks list` shows them")
    unknown = [name for name in _split(options.also) if name not in CONTENDERS]
    if unknown:
        parser.error(f"--also: no contender {unknown[0]!r}; `python -m benchmarks list` shows them")
    rounds, seconds = (1, 0.0) if options.quick else (options.rounds, options.seconds)
    if rounds < 1 or options.threads < 1:
        parser.error("--rounds and --threads must be 1 or more")
    settings = Settings(rounds, options.threads, seconds, options.device, options.quick)
    failed = False
    for part in parts:
        chosen = {row: choose(row, _split(options.only), _split(options.also)) for row in part}
        measured = measure(chosen, settings, lambda line: print(line, file=sys.stderr, flush=True))
        for row, of_row in measured.items():
            lines = results.lines(row, of_row, settings)
            results.append(options.csv, lines)
            print(table(lines), end="\n\n", flush=True)
            failed |= any(result.note.startswith("failed") for result in of_row.values())
    return int(failed)


def choose(row: Row, only: Sequence[str], also: Sequence[str]) -> list[str]:
    """The row's contenders whose names begin with one of `only`, and those of `also`; the base is always among them."""
    named = [name for name in row.contenders if name == row.base or not only or name.startswith(tuple(only))]
    return [*named, *(name for name in also if name not in named)]


def listing() -> str:
    """Groups, their rows, and all contenders."""
    lines = []
    for group, rows in GROUPS.items():
        lines += [
            group,
            *(f"  {row.name:24} {type(row.task).__name__}, B {row.task.batch}, T {row.task.steps}" for row in rows),
        ]
    lines += ["contenders", *(f"  {name:26} {contender.about}" for name, contender in CONTENDERS.items())]
    return "\n".join(lines)


def _split(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


if __name__ == "__main__":
    sys.exit(main())
