"""`spikedistill report`: one page of runs, and the papers' figures drawn from them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from spikedistill.cli.parser import Parser, add_import, default_runs, import_files
from spikedistill.errors import InputError, nearest, shown
from spikedistill.machine.terminal import printable

if TYPE_CHECKING:
    from argparse import Namespace

    from spikedistill.report.papers import ShownTable
    from spikedistill.table import Table

BUDGETS = ("paper", "cpu")
FORMATS = ("svg", "png")


def report_command(words: list[str]) -> int:
    """One page of runs that needs nothing beside it: tables, curves, the papers' figures."""
    given = _parser().parse(words)
    _check(given)
    import_files(given.files)

    from spikedistill.machine.state_files import write_atomically
    from spikedistill.recipes import _files as recipe_files
    from spikedistill.report.contents import contents
    from spikedistill.report.files import write_figures
    from spikedistill.report.page import page
    from spikedistill.report.words import counted

    tables = recipe_files.shipped_tables()
    folders, asked = _named(given, tables)
    recipes = {name: recipe_files.load(name) for name in recipe_files.shipped()}
    found = contents(folders, tables, recipes, asked)
    if not found.settings and not found.unread and not asked:
        raise InputError(f"There is no run in {', '.join(map(shown, given.what))}. `spikedistill train` makes some.")
    if given.output:
        write_atomically(Path(given.output), page(found, given.title).encode())
        unread = f", {counted(len(found.unread), 'folder')} not shown (the page says why)" if found.unread else ""
        said = f"{counted(len(found.runs), 'run')} of {counted(len(found.settings), 'setting')}"
        print(printable(f"{given.output}: {said}{unread}"))
    if given.figures:
        written = write_figures(found, Path(given.figures), given.format.split(","))
        print(printable(f"{given.figures}: {counted(len(written), 'file')}"))
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="spikedistill report",
        usage="spikedistill report RUN|FOLDER|TABLE... [-o page.html] [--figures DIR] [--format svg,png]",
        description="Write one HTML page of runs: folders of runs at any depth, single runs, or tables of "
        "`spikedistill table`, whose runs are looked for in --runs. Nothing is measured: what `evaluate --what ...` "
        "has stored is drawn.",
        allow_abbrev=False,
    )
    parser.add_argument("what", metavar="RUN|FOLDER|TABLE", nargs="+", help="what is shown")
    parser.add_argument("-o", "--output", metavar="page.html", help="the page's file")
    parser.add_argument("--figures", metavar="DIR", help="write the figures as files to this folder, which is made")
    parser.add_argument("--format", default="svg,png", help="of these files: svg, png or both, the default")
    parser.add_argument("--title", default="Runs", help="the page's heading; Runs by default")
    parser.add_argument("--budget", choices=BUDGETS, default="paper", help="of tables that are named")
    parser.add_argument(
        "--runs", default=default_runs(), help="folder of the run folders of tables; SPIKEDISTILL_RUNS or runs"
    )
    add_import(parser)
    return parser


def _check(given: "Namespace") -> None:
    """Refuse what cannot be written before anything is drawn."""
    if not given.output and not given.figures:
        raise InputError("Where is it written to? Name the page's file, -o page.html, or --figures DIR.")
    formats = given.format.split(",")
    for name in formats:
        if name not in FORMATS:
            raise InputError(f"There is no format {shown(name)}.{nearest(name, FORMATS)} Allowed: svg, png or svg,png.")
    if not given.output:
        return
    path = Path(given.output)
    if path.is_dir():
        raise InputError(f"-o {shown(str(path))} is a folder. Name a file in it: {path / 'page.html'}.")
    if not path.parent.is_dir():
        raise InputError(f"-o {shown(str(path))} cannot be written: there is no folder {path.parent}.")


def _named(given: "Namespace", tables: "dict[str, Table]") -> "tuple[list[Path], list[ShownTable]]":
    """Return the folders of runs that the words name, and the tables with what has run of them."""
    from spikedistill.report.stored import run_folders_below

    folders: list[Path] = []
    asked: list[ShownTable] = []
    for word in given.what:
        path = Path(word)
        if os.path.isdir(path):
            folders += run_folders_below(path)
        elif os.path.exists(path) and path.suffix != ".py":
            raise InputError(f"{shown(word)} is a file. Name a run's folder, a folder of runs, or a table.")
        else:
            shown_table = _table(word, given, tables)
            asked.append(shown_table)
            folders += [Path(folder) for line in shown_table.lines for folder in line.folders]
    return folders, asked


def _table(name: str, given: "Namespace", tables: "dict[str, Table]") -> "ShownTable":
    from spikedistill.recipes import _files as recipe_files
    from spikedistill.report.papers import asked_table
    from spikedistill.runs.folder import runs_root

    try:
        table = recipe_files.load_table(name)
    except InputError as error:
        if name.partition(":")[0].endswith(".py"):
            raise
        raise InputError(f"There is no folder {shown(name)}, and no table of this name. {error}") from error
    tables[name] = table
    return asked_table(name, table, given.budget, runs_root(given.runs))
