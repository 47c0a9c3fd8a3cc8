"""`spikedistill evaluate`: finished runs again, at any T, on any split."""

import json
from pathlib import Path

from spikedistill.cli.parser import Parser, add_import, import_files
from spikedistill.cli.shown import print_metrics


def evaluate_command(words: list[str]) -> int:
    """Accuracy of a finished run at each time step, at any T."""
    parser = Parser(prog="spikedistill evaluate", description=evaluate_command.__doc__, allow_abbrev=False)
    parser.add_argument("run", help="a run's folder, as `spikedistill train` prints it")
    parser.add_argument("--steps", type=int, help="T; the recipe's own by default")
    parser.add_argument("--data.root", dest="root", help="folder of the data's files; the recipe's by default")
    parser.add_argument("--split", default="test", help="test (the default), validation or train")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_import(parser)
    given = parser.parse(words)

    from spikedistill.runs import train as runs
    from spikedistill.runs.evaluate import evaluate_run

    import_files(given.files)
    run = runs.open_run(Path(given.run))
    result = evaluate_run(run, given.steps, given.split, given.root, given.device)
    if given.json:
        print(json.dumps(result))
    else:
        print_metrics(result)
    return 0
