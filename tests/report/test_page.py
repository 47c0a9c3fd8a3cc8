"""The page: what it says, that it is one file, and that words from outside stay words."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources

import pytest
from measured import measured

from spikedistill import load_recipe
from spikedistill.cli.main import main
from spikedistill.recipes import _files as recipe_files
from spikedistill.report.contents import contents
from spikedistill.report.html import element, table, text
from spikedistill.report.page import MOST_OF_MEASURES, page
from spikedistill.report.stored import run_folders_below
from spikedistill.table import with_seed

TABLES = {name: recipe_files.load_table(name) for name in ("digits", "kdsnn-table-2")}
RECIPES = {name: recipe_files.load(name) for name in ("digits-scratch", "digits-tser")}


class Parts(HTMLParser):
    """Elements and texts of a page, by Python's own parser."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.texts.append(data)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    @property
    def said(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def shown(tmp_path) -> str:
    return page(contents(run_folders_below(tmp_path / "runs"), TABLES, RECIPES))


def test_seeds_of_a_setting_are_one_row_with_mean_and_deviation(make, scratch, tmp_path):
    for seed, accuracy in enumerate((0.90, 0.91, 0.92)):
        make(replace(scratch, seed=seed), accuracy)
    made = Parts(shown(tmp_path))
    assert made.open == []
    assert "91.00 ± 1.00 n = 3" in made.said
    assert "92.00 ± 1.00" in made.said  # best beside it
    assert sum(tag == "tbody" and "data-words" in attributes for tag, attributes in made.elements) == 1
    assert "1 setting" in made.said


def test_a_run_says_the_command_that_makes_it_again(make, scratch, taught, tmp_path):
    make(replace(scratch, seed=3))
    make(replace(taught, seed=0))
    make(replace(scratch, epochs=7))
    make(with_seed(taught, 5, tied=True))
    table = TABLES["kdsnn-table-2"]
    row = next(one for one in table.rows if one.recipe is not None)
    make(replace(table.recipe(row, 1, "cpu"), precision="bf16"))
    said = Parts(shown(tmp_path)).said
    assert "spikedistill train digits-tser --seed 5 --teacher-seed tied" in said
    assert f"spikedistill table kdsnn-table-2 --run --rows '{row.title}' --seeds 1 --budget cpu" in said
    assert "spikedistill train digits-scratch --seed 3" in said
    assert "spikedistill train digits-tser --seed 0" in said
    assert "spikedistill.open_run(" in said  # changed by hand: the folder has the recipe


def test_a_row_of_a_paper_stands_beside_ours(make, tmp_path):
    table = recipe_files.load_table("kdsnn-table-2")
    row = next(one for one in table.rows if one.paper is not None and one.recipe is not None)
    recipe = table.recipe(row, 0, "cpu")
    make(replace(recipe, precision="fp32"), 0.95)
    made = Parts(shown(tmp_path))
    assert f"{95 - row.paper:+.2f}" in made.said
    assert "spikedistill table kdsnn-table-2 --budget cpu" in made.said
    assert "not on this page" in made.said


def test_the_page_is_one_file_and_asks_nothing_of_a_network(make, scratch, tmp_path):
    make(scratch)
    written = shown(tmp_path)
    for tag, attributes in Parts(written).elements:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "xlink:href", "action", "srcset"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/png;base64,")), (tag, value)
    assert "@import" not in written
    assert not re.search(r"url\((?!#)", written)
    policy = next(one["content"] for tag, one in Parts(written).elements if one.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert not re.search(r"<[^>]*\sstyle=", written)


def test_ids_are_unique_and_links_lead_somewhere(make, scratch, taught, tmp_path):
    for seed in (0, 1):
        make(replace(scratch, seed=seed))
    make(taught)
    elements = Parts(shown(tmp_path)).elements
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in elements:
        link = attributes.get("href") or ""
        assert not link.startswith("#") or link[1:] in ids
        labelled = attributes.get("aria-labelledby")
        assert labelled is None or labelled in ids


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_told_from_their_ground(scheme):
    """WCAG 2.2, AA: 4.5 for text, 3 for lines and bars; axe-core does not look into figures."""
    style = resources.files("spikedistill.report").joinpath("page.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", style, re.S)[:2]
    variables = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))
    variables |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", dark)) if scheme == "dark" else {}

    def luminance(name):
        levels = [int(variables[name][place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(name, ground):
        low, high = sorted((luminance(name), luminance(ground)))
        return (high + 0.05) / (low + 0.05)

    for ground in ("paper", "raised", "tint"):
        for name in ("ink", "muted", "link"):
            assert contrast(name, ground) >= 4.5, (name, ground)
    assert contrast("warn", "warn-tint") >= 4.5
    for place in range(1, 9):
        assert contrast(f"c{place}", "paper") >= 3, place


def test_equal_runs_make_equal_pages(make, scratch, tmp_path):
    make(scratch)
    assert shown(tmp_path) == shown(tmp_path)


def test_hostile_words_are_text(make, scratch, tmp_path):
    attack = "<img src=x onerror=alert(1)>\"'&</script><script>alert(2)</script>\x1b[31m\u202e"
    long = replace(scratch, name="a" * 190)
    make(long, metrics={"accuracy_best_chosen_on": attack}, log=[{"epoch": 1, attack: 1.0}])
    make(scratch, evaluations=[{"what": attack}])
    odd = make(replace(scratch, epochs=3))
    odd.rename(odd.with_name("<i>'quoted' & \"so\""))
    folder = make(replace(scratch, seed=1))
    (folder / "recipe.json").write_text('{"kind": "</style><b onclick=alert(3)>"}')
    written = shown(tmp_path)
    made = Parts(written)
    assert written.count("<script") == 1
    assert "alert(1)" in made.said
    assert "alert(3)" in made.said
    assert "<i>'quoted' & \"so\"" in made.said
    assert not any(tag in ("img", "b", "i") or "onerror" in one or "onclick" in one for tag, one in made.elements)
    assert "\x1b" not in written
    assert "\u202e" not in written
    assert "a" * 190 in made.said


def test_unfinished_and_damaged_runs_are_shown_as_such(make, scratch, taught, tmp_path):
    make(scratch, None)
    make(replace(scratch, seed=1), metrics='{"accuracy": Infinity}')
    broken = make(taught)
    (broken / "recipe.json").write_text("{")
    said = Parts(shown(tmp_path)).said
    assert "unfinished, 3 of 200 epochs" in said
    assert "has no accuracy that is a number" in said
    assert "Not shown" in said
    assert broken.name in said


def test_numbers_that_are_none_leave_gaps(make, scratch, tmp_path):
    log = [{"epoch": 1, "accuracy": None}, {"epoch": 2, "accuracy": float("nan")}, {"epoch": 3, "accuracy": 0.9}]
    make(scratch, metrics={"parameters": None, "seconds": float("nan"), "accuracy_cumulative": [0.1, None]}, log=log)
    assert "90.00" in Parts(shown(tmp_path)).said


def test_measures_without_a_figure_stand_in_tables(make, scratch, tmp_path):
    better = {"what": "accuracy", "steps": 8, "split": "test", "weights": "best", "accuracy": 0.93, "images": 360}
    broken = {"what": "agreement", "steps": 4, "agreement": "x", "kl": None}
    gone = {"what": "agreement", "steps": 4, "problem": "The teacher is not in runs."}
    entries = [better | {"accuracy_before": 0.91, "accuracy_top5": 0.99}, broken, gone, *measured()]
    make(scratch, evaluations=entries)
    said = Parts(shown(tmp_path)).said
    assert "93.00 %, among the first five 99.00 % with norms estimated anew, 91.00 % before" in said
    assert "360 test images (best weights)" in said
    assert "the same answer as ann (98.00 %): 93.00 %; KL to it 0.2 nats" in said
    assert "it is not as this version writes it" in said
    assert "The teacher is not in runs." in said
    assert "ECE 6.00 %, Brier 0.110, NLL 0.400" in said
    assert "How long a forward pass takes: cpu, fp32, x86_64, 1 threads, AVX512" in said
    assert "0.38 to 0.5" in said


def test_a_page_of_many_measures_stays_small(make, scratch, tmp_path, monkeypatch):
    for epochs in (1, 2):
        make(replace(scratch, epochs=epochs), evaluations=measured())
    whole = shown(tmp_path)
    monkeypatch.setattr("spikedistill.report.page.MOST_OF_MEASURES", 1000)
    part = shown(tmp_path)
    assert "are left out" not in whole
    assert Parts(part).said.count("are left out") == 1
    each = len(whole) - len(part)
    assert 30_000 < each < 110_000  # bytes of a setting's measures
    assert MOST_OF_MEASURES + each + 50 * 19_000 < 3_000_000  # what fifty runs can come to


def test_elements_escape_whatever_is_no_markup():
    assert element("p", "<b>&", title='"x"') == '<p title="&quot;x&quot;">&lt;b&gt;&amp;</p>'
    assert element("input", hidden=True, disabled=False, class_="a") == '<input hidden class="a">'
    assert element("td", None, ["a", [1, 2.5]]) == "<td>a12.5</td>"
    assert text("a\x00\nb\ud800") == "a\\x00\nb\\xd800"
    assert '<td class="number">0.3333</td>' in table(("a", "b"), [("<i>", 1 / 3)], "c")


@pytest.fixture
def few_tables(monkeypatch):
    """Commands look for runs in two tables, not in all of this library's."""
    monkeypatch.setattr(recipe_files, "shipped_tables", lambda: dict(TABLES))
    monkeypatch.setattr(recipe_files, "shipped", dict)


@pytest.mark.usefixtures("few_tables")
def test_the_command_writes_a_page_and_replaces_one(make, scratch, tmp_path, capsys):
    make(scratch)
    target = tmp_path / "page.html"
    target.write_text("old")
    assert main(["report", str(tmp_path / "runs"), "-o", str(target), "--title", "A & B"]) == 0
    assert "1 run of 1 setting\n" in capsys.readouterr().out
    assert "<h1>A &amp; B</h1>" in target.read_text()
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["page.html"]


def test_a_table_is_found_by_name(make, tmp_path, capsys):
    make(load_recipe("digits-scratch"), 0.9)
    target = tmp_path / "page.html"
    assert main(["report", "digits", "--runs", str(tmp_path / "runs"), "-o", str(target)]) == 0
    made = Parts(target.read_text())
    assert "1 of 3" in made.said
    assert "0 of 3" in made.said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{empty}", "-o", "{tmp}/p.html"], "There is no run in"),
        (["digitz", "-o", "{tmp}/p.html"], "Did you mean 'digits'"),
        (["{file}", "-o", "{tmp}/p.html"], "is a file"),
        (["{runs}", "-o", "{tmp}"], "is a folder"),
        (["{runs}", "-o", "{tmp}/none/p.html"], "there is no folder"),
        (["{runs}"], "Name the page's file"),
        (["{runs}", "--figures", "{tmp}/f", "--format", "svg,pdf"], "There is no format 'pdf'"),
    ],
)
@pytest.mark.usefixtures("few_tables")
def test_what_cannot_be_is_said_in_a_line(make, scratch, tmp_path, capsys, words, said):
    make(scratch)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    places = {"tmp": tmp_path, "runs": tmp_path / "runs", "empty": tmp_path / "empty", "file": tmp_path / "file"}
    assert main(["report", *(word.format(**places) for word in words)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "p.html").exists()
