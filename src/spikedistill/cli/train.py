"""`spikedistill train`: a recipe, its options, one seed or several."""

import os

from spikedistill.cli.parser import Parser, add_import, import_files
from spikedistill.cli.shown import print_metrics
from spikedistill.errors import InputError


def train_command(words: list[str]) -> int:
    """Train a recipe, or resume it; prints the run's folder last."""
    parser = Parser(
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
    add_import(parser)
    if not words or words[0] in ("-h", "--help"):
        parser.print_help()
        return 0
    if words[0].startswith("-"):
        raise InputError("The recipe comes first: spikedistill train RECIPE [--options].")
    known, rest = parser.parse_known_args(words)

    from spikedistill.recipes import _files as recipe_files

    import_files(known.files)
    recipe = recipe_files.load(known.recipe)

    from spikedistill.cli.options import override
    from spikedistill.machine.progress import reporter
    from spikedistill.runs import train as runs

    recipe = override(recipe, rest, f"spikedistill train {known.recipe}")
    run = runs.train_recipe(recipe, known.runs, known.device, reporter())
    print_metrics(run.metrics)
    print(run.folder)
    return 0
