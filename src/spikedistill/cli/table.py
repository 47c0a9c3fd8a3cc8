"""`spikedistill table`: the papers' tables and one's own, what has run of them, and the rest trained."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from spikedistill.cli import seeds
from spikedistill.cli.parser import Parser, add_import, add_runs, import_files
from spikedistill.cli.shown import print_table
from spikedistill.errors import Busy, InputError, Stopped, nearest, shown

if TYPE_CHECKING:
    from argparse import Namespace

    from spikedistill.recipe import Recipe
    from spikedistill.runs.queue import Queue, Task, Told
    from spikedistill.runs.worker import Worker
    from spikedistill.table import Row, Table

FORMATS = ("json", "csv", "markdown", "latex")
BUDGETS = ("paper", "cpu", "smoke")
MOST_JOBS = 256


def table_command(words: list[str]) -> int:
    """The papers' tables, or your own: what has run beside the paper's numbers; --run trains the rest."""
    given = _parser().parse(words)
    import_files(given.files)

    from spikedistill.recipes import _files as recipe_files

    if given.table is None:
        _list_tables(given)
        return 0
    table = _with_columns(recipe_files.load_table(given.table), given.columns or "")
    rows = table.chosen(table.patterns(given.rows or ""))
    if given.baseline is not None:
        table = _with_baseline(table, rows, given.baseline)
    chosen_seeds = table.seeds if given.seeds is None else seeds.parse_seeds(given.seeds)
    if given.budget == "smoke":
        return _smoke(table, rows, given)
    return _show_or_run(table, rows, chosen_seeds, given)


def _with_columns(table: "Table", names: str) -> "Table":
    """Return a table that shows more. Raises InputError where there is no such column."""
    from spikedistill.runs.cells import COLUMNS, NUMBERED

    more = [name.strip() for name in names.split(",") if name.strip()]
    for name in more:
        if name not in COLUMNS and name not in table.columns and not NUMBERED.fullmatch(name):
            allowed = f"Allowed: {', '.join(COLUMNS)}, and T = 2 for the accuracy after so many steps."
            raise InputError(f"There is no column {shown(name)}.{nearest(name, COLUMNS)} {allowed}")
    return replace(table, columns=tuple(dict.fromkeys((*table.columns, *more))))


def _with_baseline(table: "Table", rows: "tuple[Row, ...]", label: str) -> "Table":
    """Return a table whose rows are compared with another one. Raises InputError where that is not shown."""
    labels = dict.fromkeys(row.label for row in rows)
    if label not in labels:
        raise InputError(
            f"--baseline {shown(label)} is none of the rows that are shown.{nearest(label, labels)} "
            f"Rows: {', '.join(labels)}."
        )
    return replace(table, baseline=label)


def _parser() -> Parser:
    parser = Parser(
        prog="spikedistill table",
        usage="spikedistill table [NAME] [--run] [--rows LABEL,...] [--seeds 0-4] [--budget cpu] [--jobs N] "
        "[--json | --csv | --markdown | --latex]",
        description="Show a table: the paper's numbers beside ours, last epoch, mean ± standard deviation over seeds "
        "(n). NAME is one that `spikedistill table` lists, or FILE.py or FILE.py:VARIABLE of your own. --run trains "
        "what is missing; stopped or killed, the same command goes on.",
        allow_abbrev=False,
    )
    parser.add_argument("table", metavar="NAME", nargs="?", help="a table; all are listed where there is none")
    parser.add_argument("--run", action="store_true", help="train what is missing, teachers first")
    parser.add_argument("--rows", help="labels or groups of rows, separated by commas; * stands for anything")
    parser.add_argument("--baseline", help="label of the row with which the others of its group are compared, by seed")
    parser.add_argument("--columns", help="more columns: energy, rate, synops, ...; docs/energy.md")
    parser.add_argument("--seeds", help="0-4 or 0,2,5; the table's own by default")
    parser.add_argument(
        "--budget",
        choices=BUDGETS,
        default="paper",
        help="paper (the default): the paper's protocol; cpu: a stated reduction for two cores; smoke: two steps of "
        "each row on random images, which keeps nothing",
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes that train at once")
    parser.add_argument("--threads", type=int, help="threads of each process; 1 by default where --jobs is above 1")
    add_runs(parser)
    parser.add_argument("--cache", default="", help="folder for the answers of teachers: each image is asked once")
    parser.add_argument("--data.root", dest="root", default="", help="folder of the data's files")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    formats = parser.add_mutually_exclusive_group()
    for name in FORMATS:
        formats.add_argument(f"--{name}", dest="format", action="store_const", const=name, help=f"print {name}")
    add_import(parser)
    return parser


def _list_tables(given: "Namespace") -> None:
    from spikedistill.cli.listing import tables

    rows = tables()
    if given.format == "json":
        import json

        print(json.dumps(rows, indent=2))
        return
    print_table([{"table": row["name"], "rows": str(row["rows"]), "what": row["what"]} for row in rows])


def _check(given: "Namespace") -> None:
    if not given.runs:
        raise InputError("--runs names the folder of the runs, and is empty. Leave it out for runs/.")
    for name, most in (("jobs", MOST_JOBS), ("threads", MOST_JOBS)):
        value = getattr(given, name)
        if value is not None and not 1 <= value <= most:
            raise InputError(f"--{name} is a number from 1 to {most}, not {value}.")


def _show_or_run(table: "Table", rows: "tuple[Row, ...]", chosen_seeds: tuple[int, ...], given: "Namespace") -> int:
    from spikedistill.cli.table_text import printed
    from spikedistill.runs.cells import cells, lines
    from spikedistill.runs.folder import runs_root

    _check(given)
    root = runs_root(given.runs)
    made = cells(table, rows, chosen_seeds, root, given.budget, given.device, given.root, given.cache)
    failed: dict[str, str] = {}
    stopped = False
    if given.run:
        queue, stopped = _train(table, [cell.recipe for cell in made if cell.recipe is not None], root, given)
        failed = queue.failed
    said = lines(table, rows, made, root, failed)
    print(printed(given.format or "text", table, said, given.budget))
    if stopped:
        raise Stopped("Stopped.")
    return 1 if given.run and any(line.problem for line in said) else 0


def _train(table: "Table", recipes: "list[Recipe]", root: Path, given: "Namespace") -> "tuple[Queue, bool]":
    """Train what is missing; returns what became of it, and whether the user stopped it."""
    from spikedistill.machine.progress import OneOfMany, reporter
    from spikedistill.runs.queue import queue_of, work_through, work_through_at_once
    from spikedistill.runs.train import train_recipe
    from spikedistill.runs.worker import Worker

    queue = queue_of(recipes, root)
    report = reporter()
    report.say(f"{table.title}: {queue.count('done')} of {len(queue.tasks)} trainings are there")
    ended = _progress(report.say)
    try:
        if given.jobs == 1:
            if given.threads is not None:
                import torch

                torch.set_num_threads(given.threads)

            def work(recipe: "Recipe") -> "Told":
                try:
                    train_recipe(recipe, root, given.device, OneOfMany(report), wait=False)
                except Busy:
                    return "busy"
                return "done"

            work_through(queue, work, ended)
        else:
            own = [given.table.partition(":")[0]] if given.table.partition(":")[0].endswith(".py") else []
            files = tuple(str(Path(file).resolve()) for file in [*given.files, *own])
            workers = [Worker(root, given.device, given.threads or 1, files) for _ in range(given.jobs)]
            work_through_at_once(queue, workers, ended, lambda: _stop_all(workers))
    except Stopped:
        return queue, True
    return queue, False


def _stop_all(workers: "list[Worker]") -> None:
    for worker in workers:
        worker.stop()


def _progress(say: Callable[[str], None]) -> "Callable[[Task, Queue, float], None]":
    """Says after each training how far the whole is, and how long the rest will take at this pace."""
    import time

    from spikedistill.machine.progress import span

    started, trained = time.monotonic(), 0

    def ended(task: "Task", queue: "Queue", seconds: float) -> None:
        nonlocal trained
        trained += 1
        left = queue.count("waiting", "running")
        time_left = (time.monotonic() - started) / trained * left
        how = span(seconds) if task.state == "done" else f"failed: {task.problem}"
        say(
            f"{queue.count('done')} of {len(queue.tasks)}: {task.recipe.name}, seed {task.recipe.seed}, {how}"
            + (f"; about {span(time_left)} left" if left else "")
        )

    return ended


def _smoke(table: "Table", rows: "tuple[Row, ...]", given: "Namespace") -> int:
    import time

    from spikedistill.runs.train import smoke_recipe

    _check(given)
    said = []
    for row in rows:
        recipe = table.recipe(row, table.seeds[0])
        before = time.monotonic()
        try:
            if recipe is not None:
                smoke_recipe(recipe, given.device)
            text = "quoted" if recipe is None else f"{time.monotonic() - before:.1f} s"
        except InputError as error:
            text = f"fails: {error}"
        said.append({"row": row.title, "two steps": text})
    print_table(said)
    return 1 if any(row["two steps"].startswith("fails") for row in said) else 0
