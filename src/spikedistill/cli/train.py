"""`spikedistill train`: a recipe, its options, one seed or several."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spikedistill.cli import seeds
from spikedistill.cli.first_look import check_options
from spikedistill.cli.parser import Parser, add_import, add_runs, import_files
from spikedistill.cli.shown import print_metrics
from spikedistill.errors import InputError
from spikedistill.machine.terminal import printable

if TYPE_CHECKING:
    from spikedistill.machine.progress import Reporter
    from spikedistill.recipe import Recipe

LOGS = ("tensorboard",)
"""What a training can be written for, beside log.jsonl."""


def train_command(words: list[str]) -> int:
    """Train a recipe, or resume it; prints the run's folder last."""
    parser = train_parser()
    if not words or words[0] in ("-h", "--help"):
        parser.print_help()
        return 0
    if words[0].startswith("-"):
        raise InputError("The recipe comes first: spikedistill train RECIPE [--options].")
    known, rest = parser.parse_known_args(words)
    if not known.runs:
        raise InputError("--runs names the folder of the runs, and is empty. Leave it out for runs/.")
    several = None if known.seeds is None else seeds.parse_seeds(known.seeds)
    if several and any(word.partition("=")[0] == "--seed" for word in rest):
        raise InputError("--seed is one seed, --seeds are several. Give one of the two.")

    from spikedistill.recipes import _files as recipe_files

    recipe_files.check_name(known.recipe)
    if not known.files and not known.recipe.partition(":")[0].endswith(".py"):
        check_options(rest, f"spikedistill train {known.recipe}", parser.options)
    import_files(known.files)
    recipe = recipe_files.load(known.recipe)

    from spikedistill.cli.options import override

    recipe = override(recipe, rest, f"spikedistill train {known.recipe}")
    recipes = [seeds.seeded(recipe, seed, known.teacher_seed) for seed in several or (recipe.seed,)]
    if known.check:
        show_check(recipes[0], known.runs, known.device)
    elif several:
        train_seeds(recipes, known.runs, known.device, _reporter(known.log))
    else:
        train_one(recipes[0], known.runs, known.device, _reporter(known.log))
    return 0


def _reporter(log: str | None) -> "Reporter":
    """Return who is told how a training goes."""
    from spikedistill.machine.progress import reporter

    if log is None:
        return reporter()
    from spikedistill.machine.tensorboard import TensorBoard

    return TensorBoard(reporter())


def train_parser() -> Parser:
    """What `train` takes beside the options of the recipe."""
    parser = Parser(
        prog="spikedistill train",
        usage="spikedistill train RECIPE [--PART KIND] [--PART.FIELD VALUE] [--seeds 0-4] [--runs DIR] "
        "[--device NAME] [--log tensorboard] [--check] [--import FILE.py]",
        description="Train a recipe: a name from `spikedistill list`, or FILE.py or FILE.py:VARIABLE of your own. "
        "Asking for a recipe that has run returns its folder; one that was interrupted is resumed.",
        epilog="`spikedistill train RECIPE --help` lists the options of that recipe.",
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("recipe", nargs="?")
    add_runs(parser)
    parser.add_argument("--seeds", help="several seeds, 0-4 or 0,2,5: a run each, then mean ± standard deviation")
    parser.add_argument(
        "--teacher-seed",
        choices=(seeds.KEPT, seeds.TIED),
        default=seeds.KEPT,
        help="a teacher that a recipe trains keeps its own seed (the default), or takes the student's",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    parser.add_argument(
        "--log", choices=LOGS, help="numbers for `tensorboard --logdir DIR` in the run's folder, while it trains"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="train nothing: say whether all fits, how large it is and how long it takes, for one seed",
    )
    add_import(parser)
    return parser


def show_check(recipe: "Recipe", root: str, device: str) -> None:
    """Print what the rehearsal finds: a block for each network that would be trained, teachers first."""
    from spikedistill.machine.progress import span
    from spikedistill.runs import train as runs
    from spikedistill.runs.folder import Run

    total = 0.0
    for one in runs.check_recipe(recipe, root, device):
        if isinstance(one, Run):
            print(f"{one.recipe.name}: has run already, {one.folder}")
            continue
        total += one.seconds
        each = f"{one.recipe.epochs} epochs of batches of {one.recipe.batch_size}"
        time = f"about {span(one.seconds)}, {one.step_seconds * 1000:,.1f} ms a step"
        for name, text in (*one.lines, ("steps", f"{one.steps:,}: {each}"), ("time", time)):
            print(f"{name:10} {printable(text)}")
        print()
    print(f"in all about {span(total)} on this machine, beside reading data and storing answers; nothing was trained")


def train_one(recipe: "Recipe", root: str, device: str, report: "Reporter") -> None:
    """Train a recipe and print its numbers, its folder last."""
    from spikedistill.runs import train as runs

    run = runs.train_recipe(recipe, root, device, report)
    print_metrics(run.metrics)
    note = seeds.teacher_note(recipe)
    print(f"{'seed':25} {recipe.seed}" + (f"  ({note})" if note else ""))
    print(run.folder)


def train_seeds(recipes: "Sequence[Recipe]", root: str, device: str, report: "Reporter") -> None:
    """Train recipes that differ in their seeds; a line for each, then mean ± standard deviation."""
    from spikedistill.runs import train as runs

    metrics = []
    for recipe in recipes:
        run = runs.train_recipe(recipe, root, device, report)
        metrics.append(run.metrics)
        note = seeds.teacher_note(recipe)
        numbers = (
            f"seed {recipe.seed:<3} {run.metrics['accuracy']:.2%}  "
            f"best {run.metrics['accuracy_best']:.2%} (epoch {run.metrics['accuracy_best_epoch']})"
        )
        print("  ".join(filter(None, (numbers, note, str(run.folder)))), flush=True)
    print(f"{recipes[0].name}: {seeds.summary(metrics)}")
