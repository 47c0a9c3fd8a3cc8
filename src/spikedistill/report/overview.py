"""The page's table of all settings, seeds folded into them, with what filters and sorts it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from spikedistill.report.contents import Contents
from spikedistill.report.html import Html, element
from spikedistill.report.papers import Place
from spikedistill.report.settings import (
    Setting,
    data_words,
    method_words,
    model_kind,
    model_words,
    neuron_words,
    shortened,
    teacher_words,
)
from spikedistill.report.stored import Stored, number
from spikedistill.report.style import energy_unit
from spikedistill.report.words import percent, short_number
from spikedistill.runs.cells import Numbers

LONGEST = 44


@dataclass(frozen=True)
class Column:
    """A column that is sorted by numbers or by text."""

    head: str
    cell: Callable[[Setting], Html]
    of_run: Callable[[Stored], Html]
    numeric: bool = False
    used: Callable[[Setting], bool] = lambda _setting: True


def table(contents: Contents) -> Html:
    """Return the table; a setting is a group of rows, so that it is sorted and filtered with its seeds."""
    columns = [one for one in _columns(contents) if any(map(one.used, contents.settings))]
    heads = [
        element("th", element("button", one.head, type="button"), scope="col", class_=one.numeric and "number")
        for one in columns
    ]
    caption = "Accuracy in % on the test images after the last epoch: mean ± standard deviation over seeds."
    made = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", heads)),
        [_group(setting, columns) for setting in contents.settings],
        id="runs-table",
    )
    region = element("div", made, class_="scroll runs", tabindex="0", role="region", aria_label="Table of all runs")
    empty = element("p", "No run fits the filter.", id="none", class_="empty", hidden=True)
    return Html(_filters(contents) + region + empty)


def _group(setting: Setting, columns: Sequence[Column]) -> Html:
    first = element("tr", [one.cell(setting) for one in columns], class_="setting")
    seeds = [element("tr", [one.of_run(run) for one in columns], class_="seed") for run in setting.runs]
    recipe = setting.recipe
    words = [recipe.name, data_words(recipe), model_words(recipe), neuron_words(recipe), recipe.method.name]
    words += [teacher_words(recipe), *(run.hash for run in setting.runs)]
    return element(
        "tbody",
        first,
        seeds if len(seeds) > 1 else None,
        data_data=data_words(recipe),
        data_model=model_kind(recipe),
        data_method=method_words(recipe),
        data_words=" ".join(words).lower(),
    )


def _filters(contents: Contents) -> Html:
    """The controls; a page without scripts shows none of them."""
    choices = {
        "data": ("Data", {data_words(setting.recipe) for setting in contents.settings}),
        "model": ("Model", {model_kind(setting.recipe) for setting in contents.settings}),
        "method": ("Method", {method_words(setting.recipe) for setting in contents.settings}),
    }
    search = element("input", type="search", id="search", autocomplete="off", placeholder="name, part, hash")
    selects = [
        element("label", label, " ", element("select", _options(values), id=f"filter-{name}", data_filter=name))
        for name, (label, values) in choices.items()
    ]
    count = element("output", id="count", aria_live="polite")
    clear = element("button", "Clear", type="button", id="clear", hidden=True)
    asked = element("label", "Search ", search, class_="search")
    return element("form", asked, selects, clear, count, class_="filters", role="search", aria_label="Filter runs")


def _options(values: Iterable[str]) -> list[Html]:
    return [element("option", "all", value=""), *(element("option", one, value=one) for one in sorted(values))]


def _columns(contents: Contents) -> list[Column]:
    def paper(setting: Setting) -> Place | None:
        return next((one for one in contents.where.get(setting.key, ()) if one.row.paper is not None), None)

    energies = (one.mean_of(_energy) for one in contents.settings)
    factor, unit = energy_unit(max((one.mean for one in energies if one is not None), default=1.0))
    return [
        Column("Setting", _name, _seed),
        Column("Accuracy", _accuracy, _accuracy_of_run, numeric=True),
        Column(
            "Best epoch",
            lambda setting: _numeric(setting.percent("accuracy_best"), class_="aside"),
            lambda run: _share(run, "accuracy_best", "aside"),
            numeric=True,
        ),
        Column("Paper", lambda one: _paper(paper(one)), _nothing, True, lambda one: paper(one) is not None),
        Column(
            "Ours - paper",
            lambda one: _difference(one, paper(one)),
            _nothing,
            numeric=True,
            used=lambda one: paper(one) is not None and one.accuracy is not None,
        ),
        _measured(f"Energy, {unit}", lambda run: factor * _energy(run)),
        _measured("Firing rate, %", lambda run: 100 * run.entries("energy")[0]["firing_rate"]),
        _text("Data", lambda setting: data_words(setting.recipe)),
        _text("Network", lambda setting: model_words(setting.recipe), wide=True),
        _text("Neuron", lambda setting: neuron_words(setting.recipe)),
        _text("Method", lambda setting: method_words(setting.recipe)),
        _text("Teacher", lambda setting: teacher_words(setting.recipe), wide=True),
        Column(
            "Weights",
            lambda one: _numeric(one.mean_of(lambda run: run.metrics["parameters"]), written=_plain),
            _nothing,
            numeric=True,
        ),
        Column(
            "Epochs",
            lambda one: element("td", f"{one.recipe.epochs:,}", class_="number", data_v=one.recipe.epochs),
            _nothing,
            numeric=True,
        ),
    ]


def _energy(run: Stored) -> float:
    energy: float = run.entries("energy")[0]["conventions"]["exact"]["energy_mj"]["45nm-fp32"]
    return energy


def _name(setting: Setting) -> Html:
    link = element("a", setting.label, href=f"#setting-{setting.key[:10]}", title=setting.recipe.name)
    several = len(setting.runs) > 1
    unfolds = f"Seeds of {setting.label}"
    button = element("button", "seeds", type="button", class_="unfold", aria_expanded="false", aria_label=unfolds)
    return element("th", link, " " if several else "", button if several else None, scope="row", data_v=setting.label)


def _seed(run: Stored) -> Html:
    return element("th", element("a", f"seed {run.recipe.seed}", href=f"#run-{run.hash}"), scope="row")


def _text(head: str, words: Callable[[Setting], str], wide: bool = False) -> Column:
    def cell(setting: Setting) -> Html:
        full = words(setting)
        cut = shortened(full, LONGEST)
        return element("td", cut, title=None if cut == full else full, data_v=full, class_="wide" if wide else None)

    return Column(head, cell, _nothing, used=lambda setting: bool(words(setting)))


def _measured(head: str, pick: Callable[[Stored], float]) -> Column:
    def of_run(run: Stored) -> Html:
        return _numeric(Setting("", "", (run,)).mean_of(pick), written=short_number)

    return Column(
        head,
        lambda setting: _numeric(setting.mean_of(pick), written=short_number),
        of_run,
        numeric=True,
        used=lambda setting: setting.mean_of(pick) is not None,
    )


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _numeric(numbers: Numbers | None, class_: str = "", written: Callable[[float | None], str] | None = None) -> Html:
    """A number; one that is not there is sorted last."""
    shown = percent(numbers) if written is None else written(None if numbers is None else numbers.mean)
    sorted_by = None if numbers is None else f"{numbers.mean:.6g}"
    return element("td", shown, class_=f"number {class_}".strip(), data_v=sorted_by)


def _nothing(_run: Stored) -> Html:
    return element("td")


def _accuracy(setting: Setting) -> Html:
    accuracy = setting.accuracy
    if accuracy is None:
        return element("td", element("span", setting.runs[0].state, class_="badge"), class_="number")
    missing = len(setting.runs) - len(setting.finished)
    count = f"n = {accuracy.count}" + (f", {missing} unfinished" if missing else "")
    shown = [element("strong", percent(accuracy)), " ", element("small", count)]
    return element("td", shown, class_="number", data_v=f"{accuracy.mean:.6f}")


def _accuracy_of_run(run: Stored) -> Html:
    if run.finished:
        return _share(run, "accuracy")
    return element("td", element("span", run.state, class_="badge"), class_="number")


def _share(run: Stored, name: str, class_: str = "") -> Html:
    share = number(run.metrics.get(name))
    return element("td", "–" if share is None else f"{100 * share:.2f}", class_=f"number {class_}".strip())


def _paper(place: Place | None) -> Html:
    if place is None or place.row.paper is None:
        return element("td", "", class_="number")
    printed = percent(Numbers(place.row.paper, place.row.paper_deviation, 1))
    budget = " (our budget: cpu)" if place.budget == "cpu" else ""
    return element("td", printed, class_="number", title=f"{place.table}{budget}", data_v=place.row.paper)


def _difference(setting: Setting, place: Place | None) -> Html:
    if place is None or place.row.paper is None or setting.accuracy is None:
        return element("td", "", class_="number")
    difference = setting.accuracy.mean - place.row.paper
    return element("td", f"{difference:+.2f}", class_="number", data_v=f"{difference:.6f}")
