"""One setting in full: what it is, its numbers, its figures, and how each of its runs is made again."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from spikedistill.report.commands import command
from spikedistill.report.contents import Contents
from spikedistill.report.html import Html, element, table
from spikedistill.report.measured import measured
from spikedistill.report.settings import Setting, neuron_words, teacher_words
from spikedistill.report.stored import Stored, number
from spikedistill.report.words import counted, duration, percent
from spikedistill.runs.cells import Numbers
from spikedistill.runs.describe import in_words, short
from spikedistill.values.plain import UNUSED, to_json

MOST_STEPS_IN_A_TABLE = 16


def article(setting: Setting, contents: Contents, figures: Iterable[Html]) -> Html:
    """Return a setting with its runs; the page shows it when it is asked for, and without scripts always."""
    drawn = list(figures)
    heading = f"heading-{setting.key[:10]}"
    return element(
        "article",
        element("h3", setting.label, id=heading),
        element("p", setting.recipe.name, class_="full-name") if setting.label != setting.recipe.name else None,
        _numbers(setting),
        _problems(setting.runs),
        element("div", drawn, class_="figures") if drawn else None,
        _papers(setting, contents),
        _by_step(setting),
        measured(setting),
        element("h4", "Recipe"),
        _facts(setting),
        element(
            "details",
            element("summary", "recipe.json"),
            element("pre", _json(setting), tabindex="0", aria_label="The recipe as JSON"),
        ),
        element("h4", counted(len(setting.runs), "run")),
        [_run(run, contents, setting) for run in setting.runs],
        id=f"setting-{setting.key[:10]}",
        class_="run",
        aria_labelledby=heading,
        tabindex="-1",
    )


def _numbers(setting: Setting) -> Html:
    """The largest numbers of all: what came out."""
    accuracy, best, energy = setting.accuracy, setting.percent("accuracy_best"), setting.first("energy")
    boxes = [("accuracy, last epoch", f"{percent(accuracy)} %" if accuracy else setting.runs[0].state)]
    if best is not None:
        boxes.append(("best epoch", f"{percent(best)} %"))
    if accuracy is not None:
        boxes.append(("runs", f"n = {accuracy.count}"))
    parameters = setting.mean_of(lambda run: run.metrics["parameters"])
    if parameters is not None:
        boxes.append(("weights", f"{parameters.mean:,.0f}"))
    rate = number((energy or {}).get("firing_rate"))
    if rate is not None:
        boxes.append(("firing rate", f"{100 * rate:.1f} %"))
    return element("dl", [_box(name, value) for name, value in boxes], class_="boxes")


def _box(name: str, value: str) -> Html:
    return element("div", element("dt", name), element("dd", value))


def _problems(runs: Sequence[Stored]) -> Html | None:
    said = [element("li", problem) for run in runs for problem in run.problems]
    return element("ul", said, class_="problems", aria_label="What could not be read") if said else None


def _papers(setting: Setting, contents: Contents) -> Html | None:
    rows = [
        (place.table, place.row.title, place.budget, _printed(place.row.paper, place.row.paper_deviation))
        for place in contents.where.get(setting.key, ())
    ]
    if not rows:
        return None
    return Html(
        element("h4", "Rows of tables that it is")
        + table(("table", "row", "budget", "paper"), rows, "The paper's number stands beside ours")
    )


def _printed(paper: float | None, deviation: float | None) -> str:
    return "–" if paper is None else percent(Numbers(paper, deviation, 1))


def _by_step(setting: Setting) -> Html | None:
    alone, together = setting.by_step("accuracy_by_step"), setting.by_step("accuracy_cumulative")
    if not 1 < len(alone) <= MOST_STEPS_IN_A_TABLE or len(alone) != len(together):
        return None
    heads = ["output", *(f"t = {step}" for step in range(1, len(alone) + 1))]
    rows = [
        ["up to this step", *map(percent, together)],
        ["this step alone", *map(percent, alone)],
    ]
    return Html(element("h4", "Accuracy by time step") + table(heads, rows, "Accuracy in % at each time step", "wide"))


def _facts(setting: Setting) -> Html:
    recipe = setting.recipe
    data = recipe.data
    images = data.train_size or sum(data.train_counts) - data.validation
    facts = {
        "data": f"{short(data)}: {images:,} training images of {' x '.join(map(str, data.shape))}, "
        f"{data.classes} classes",
        "network": short(recipe.model),
        "neuron": neuron_words(recipe)
        if "neuron" in recipe.unused
        else f"{short(recipe.neuron)}, T = {recipe.time_steps}",
        "start": ", ".join(map(in_words, recipe.start)),
        "method": short(recipe.method),
        "teacher": teacher_words(recipe),
        "training": f"{counted(recipe.epochs, 'epoch')}, {short(recipe.optimizer)}, {short(recipe.schedule)}, "
        f"batches of {recipe.batch_size}, {recipe.precision}",
    }
    pairs = [element("div", element("dt", name), element("dd", text)) for name, text in facts.items() if text]
    return element("dl", pairs, class_="facts")


def _json(setting: Setting) -> str:
    plain: Any = to_json(setting.recipe, leave_out=(UNUSED,))
    return json.dumps(plain, indent=1, ensure_ascii=False)


def _run(run: Stored, contents: Contents, setting: Setting) -> Html:
    share, best = number(run.metrics.get("accuracy")), number(run.metrics.get("accuracy_best"))
    said = run.state if share is None else f"{100 * share:.2f} %"
    epoch = number(run.metrics.get("accuracy_best_epoch"))
    chosen = run.metrics.get("accuracy_best_chosen_on")
    seconds, speed = number(run.metrics.get("seconds")), number(run.metrics.get("images_per_second"))
    facts = {
        "best epoch": ""
        if best is None
        else f"{100 * best:.2f} %"
        + ("" if epoch is None else f" after epoch {epoch:g}")
        + (f", chosen on the {chosen} images" if chosen else ""),
        "training took": "" if seconds is None else duration(seconds) + (f", {speed:,.0f} images/s" if speed else ""),
        "machine": run.versions.get("machine", ""),
        "versions": ", ".join(f"{name} {value}" for name, value in run.versions.items() if name != "machine" and value),
        "kernels": ", ".join(run.kernels),
        "measured": ", ".join(dict.fromkeys(str(one.get("what")) for one in run.evaluations)),
        "folder": str(run.folder),
    }
    again = command(run, contents.recipes, contents.where.get(setting.key, ()))
    inner = [element("div", element("dt", name), element("dd", text)) for name, text in facts.items() if text]
    return element(
        "details",
        element("summary", f"seed {run.recipe.seed} ", element("strong", said)),
        element("p", "The same again:", class_="label"),
        element("pre", again, class_="command", tabindex="0", aria_label="Command"),
        element("dl", inner, class_="facts"),
        id=f"run-{run.hash}",
        open=len(setting.runs) == 1,
    )
