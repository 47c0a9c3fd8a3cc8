"""`spikedistill predict`: what a finished run's network says of pictures."""

import json
from pathlib import Path

from spikedistill.cli.parser import Parser, add_import, import_files
from spikedistill.cli.run_folders import run_folders
from spikedistill.cli.shown import print_table
from spikedistill.errors import InputError


def predict_command(words: list[str]) -> int:
    """Class and probability of pictures, by a finished run."""
    parser = Parser(prog="spikedistill predict", description=predict_command.__doc__, allow_abbrev=False)
    parser.add_argument("run", help="a run's folder, as `spikedistill train` prints it")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="PNG, JPEG, BMP, GIF, PPM, TIFF or WEBP")
    parser.add_argument("--resize", action="store_true", help="bring pictures of another size to that of the data")
    parser.add_argument("--steps", type=int, help="T; the recipe's own by default")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    parser.add_argument("--json", action="store_true", help="print JSON, with the probabilities of all classes")
    add_import(parser)
    given = parser.parse(words)
    folders = run_folders([given.run])
    if len(folders) > 1:
        raise InputError(f"{given.run} names {len(folders)} runs, and one answers. Name its folder.")

    from spikedistill.runs.folder import open_run
    from spikedistill.runs.predict import predict

    import_files(given.files)
    run = open_run(folders[0])
    answers = predict(run, [Path(image) for image in given.images], given.steps, given.resize, given.device)
    names = run.recipe.data.class_names
    rows = [
        {"image": str(answer.picture), "class": answer.label, "probability": answer.probabilities[answer.label]}
        | ({"name": names[answer.label]} if names else {})
        for answer in answers
    ]
    if given.json:
        everything = [row | {"probabilities": one.probabilities} for row, one in zip(rows, answers, strict=True)]
        print(json.dumps(everything))
    else:
        print_table([row | {"probability": f"{row['probability']:.1%}"} for row in rows])
    return 0
