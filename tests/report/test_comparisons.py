"""Which figures a page has: each where the stored numbers suffice for it, and words where they do not."""

import json
from dataclasses import replace

import pytest
from measured import measured

from spikedistill import load_recipe
from spikedistill.cli.main import main
from spikedistill.data.noisy import NoisyMNIST
from spikedistill.data.npz import Npz
from spikedistill.data.own import Facts
from spikedistill.recipes import _files as recipe_files
from spikedistill.report.contents import contents
from spikedistill.report.files import write_figures
from spikedistill.report.items import Item, Problem, as_key
from spikedistill.report.page import page
from spikedistill.report.settings import data_words, distinct, shortened
from spikedistill.report.single import items_of
from spikedistill.report.stored import run_folders_below
from spikedistill.report.together import items_of_all

FACTS = Facts((5,) * 10, (2,) * 10, (1, 28, 28), (0.1,), (0.2,), "train", "abcdef")


def found(tmp_path):
    return contents(run_folders_below(tmp_path / "runs"), {}, {})


def keys(items):
    return [one.key if isinstance(one, Item) else one for one in items]


def test_runs_without_measures_have_their_training_alone(make, scratch, tmp_path):
    make(scratch)
    there = found(tmp_path)
    assert list(items_of_all(there)) == []
    assert [key.split("-")[0] for key in keys(items_of(there.settings[0]))] == ["training"]


def test_a_run_that_was_measured_has_a_figure_of_each_measure(make, scratch, tmp_path):
    make(scratch, evaluations=measured())
    (setting,) = found(tmp_path).settings
    names = [one.rpartition("-")[0] for one in keys(items_of(setting))]
    expected = "training rates spikes-3-test anytime early-exit calibration confusion corruptions attacks noise"
    expected += " features-stages-1"
    assert names == expected.split()


def test_a_network_without_spikes_has_none_of_an_image(make, tmp_path):
    """What is stored of an ANN's image is its one answer."""
    none = {"firing_rates": [], "layers": []}
    make(load_recipe("digits-teacher"), evaluations=[entry | none for entry in measured()])
    (setting,) = found(tmp_path).settings
    items = list(items_of(setting))
    assert not any(isinstance(one, Problem) for one in items)
    assert not any("spikes" in one.key or "rates" in one.key for one in items)


def test_methods_on_one_student_are_compared(make, scratch, taught, tmp_path):
    make(scratch, 0.90, evaluations=measured(0))
    make(taught, 0.92, evaluations=measured(2))
    make(load_recipe("digits-teacher"), 0.98)
    items = {one.key: one for one in items_of_all(found(tmp_path))}
    expected = "pareto steps anytime early-exit energy corruptions attacks outputs"
    assert list(items) == [f"{name}-digits" for name in expected.split()]
    assert "98.00 %" in items["steps-digits"].description  # the teacher's line
    assert [row[-1] for row in items["pareto-digits"].rows] == ["yes", "yes"]
    assert [row[0] for row in items["energy-digits"].rows][:2] == ["digits-scratch", "digits-tser"]


def test_teachers_prune_ratios_and_hyper_parameters_are_swept(make, taught, tmp_path):
    for value in (0.01, 0.05, 0.1):
        make(
            replace(taught, method=replace(taught.method, entropy=value), name=f"tser-lambda-{value}"), 0.9 + value / 10
        )
    for name in ("kdsnn-figure-3", "reverse-kd-figure-2"):
        table = recipe_files.load_table(name)
        for place, row in enumerate(table.rows):
            recipe = table.recipe(row, 0, "cpu")
            if recipe is not None:
                make(replace(recipe, precision="fp32"), 0.5 + 0.01 * place)
    items = [one for one in items_of_all(found(tmp_path)) if isinstance(one, Item)]
    by_source = {one.source: one for one in items if one.source}
    swept = by_source["after TSER, figure 3"].rows
    assert [row[:2] for row in swept] == [("tser-lambda", 0.01), ("tser-lambda", 0.05), ("tser-lambda", 0.1)]
    assert [row[2] for row in swept] == pytest.approx([90.1, 90.5, 91.0])
    teachers = [row[0] for row in by_source["after KDSNN, figure 3"].rows]
    assert teachers == ["from pyramidnet18", "from resnet18", "from wrn28-4"]
    ratios = [str(row[0]) for row in by_source["after reverse KD, figure 2"].rows]
    assert ratios[0] == "ratio 0 (itself)"
    assert ratios[-1] == "no teacher"


def test_windows_are_swept_where_other_fields_leave_no_other_value(make, tmp_path):
    table = recipe_files.load_table("distilling-spikes-figure-3")
    for place, row in enumerate(table.chosen(["MNIST"])):
        make(replace(table.recipe(row, 0, "cpu"), precision="fp32"), 0.9 + 0.001 * place)
    (item,) = [one for one in items_of_all(found(tmp_path)) if one.key.startswith("sweep")]
    assert item.source == "after Distilling Spikes, figure 3"
    assert sorted({row[1] for row in item.rows}) == [32, 64, 96, 128]
    assert {row[0] for row in item.rows} == {"l1", "l2"}


def test_networks_of_other_test_images_are_not_compared(make, scratch, tmp_path):
    images = (NoisyMNIST(variation="rotation", train_size=20), NoisyMNIST(), NoisyMNIST(variation="rotation"))
    for place, data in enumerate(images):
        own = replace(data, facts=replace(FACTS, train_digest=str(place)))
        make(replace(scratch, data=own), 0.5 + place / 10, evaluations=measured(place))
    items = [one for one in items_of_all(found(tmp_path)) if one.key.startswith("pareto")]
    assert [one.title for one in items] == ["Accuracy against energy, noisy-mnist (variation rotation)"]
    assert len(items[0].rows) == 2


def test_of_several_images_and_layers_each_is_drawn(make, scratch, tmp_path):
    entries = {one["what"]: one for one in measured()}
    images = [entries["sample"] | {"index": place} for place in range(6)]
    layers = [entries["features"] | {"layer": name} for name in ("a.b", "c")]
    make(scratch, evaluations=[*images, *layers])
    (setting,) = found(tmp_path).settings
    names = [one.rpartition("-")[0] for one in keys(items_of(setting))]
    assert names == ["training", *(f"spikes-{place}-test" for place in range(4)), "features-a-b", "features-c"]


def test_answers_of_classes_without_images_are_left_out(make, scratch, tmp_path):
    entry = next(one for one in measured() if one["what"] == "outputs")
    by_class = [None if place != 4 else row for place, row in enumerate(entry["by_class"])]
    make(scratch, evaluations=[entry | {"by_class": by_class}])
    (item,) = items_of_all(found(tmp_path))
    assert "images of class 4" in item.description
    make(replace(scratch, epochs=2), evaluations=[entry | {"by_class": [None] * 10}])
    assert not any(one.key.startswith("outputs") for one in items_of_all(found(tmp_path)))


def test_data_that_are_gone_since_are_not_asked_for(make, scratch, tmp_path):
    mine = replace(scratch, data=Npz(path="/nowhere/mine.npz", facts=FACTS))
    make(mine, 0.9, evaluations=measured())
    (setting,) = found(tmp_path).settings
    assert data_words(setting.recipe) == "npz (mine.npz, abcd)"
    assert "npz (mine.npz, abcd)" in page(found(tmp_path))
    other = replace(mine, data=replace(mine.data, facts=replace(FACTS, test_digest="other")))
    assert data_words(other) != data_words(mine)


def test_a_measure_that_was_not_possible_is_said(make, scratch, tmp_path):
    entry = {"what": "features", "problem": "10 images are fewer than the perplexity of 30."}
    teacher = measured()[8] | {"teacher": {"problem": "The teacher is not in runs."}}
    make(scratch, evaluations=[entry])
    make(replace(scratch, epochs=3), evaluations=[teacher])
    first, second = found(tmp_path).settings
    assert list(items_of(first))[1:] == [Problem("Features in the plane (t-SNE)", entry["problem"])]
    assert "The teacher is not in runs." in list(items_of(second))[1].description


@pytest.mark.parametrize("what", [one["what"] for one in measured()])
def test_whatever_an_entry_holds_the_page_is_made(make, scratch, tmp_path, what):
    """Each key of an entry, one at a time, is something else than it should be."""
    entry = next(one for one in measured() if one["what"] == what)
    for place, name in enumerate(sorted(set(entry) - {"what"})):
        broken = (None, "x", float("nan"), [{}])[place % 4]
        make(replace(scratch, epochs=place + 1), evaluations=[entry | {name: broken}])
    there = found(tmp_path)
    for items in (items_of_all(there), *map(items_of, there.settings)):
        for item in items:
            assert isinstance(item, Item | Problem)


def test_figures_are_written_as_files(make, scratch, tmp_path, capsys):
    make(scratch, evaluations=measured()[:2])
    written = write_figures(found(tmp_path), tmp_path / "new" / "figures", ("svg",))
    assert all(path.is_file() and path.suffix == ".svg" for path in written)
    assert any("rates" in path.name for path in written)
    folder = tmp_path / "more"
    assert main(["report", str(tmp_path / "runs"), "--figures", str(folder), "--format", "png"]) == 0
    assert {path.suffix for path in folder.iterdir()} == {".png"}
    assert len(list(folder.iterdir())) == len(written)
    assert json.dumps(str(folder))[1:-1] in capsys.readouterr().out


def test_long_labels_are_cut_and_stay_different():
    assert distinct(["digits-tser", "digits-kdsnn"]) == ["digits-tser", "digits-kdsnn"]
    long = ["kdsnn-cifar10-wrn16-2-responses-of-resnet18-cpu", "kdsnn-cifar10-wrn16-2-responses-of-wrn28-4-cpu"]
    assert distinct(long) == ["resnet18", "wrn28-4"]
    assert distinct(["a" * 30, "a" * 30 + "-b"]) == ["a" * 30, "a" * 30 + "-b"]
    assert shortened("x" * 50, 11) == "xxxxx…xxxxx"
    assert as_key("A b/<c>", 1) == "a-b-c-1"
    assert as_key("中") == "figure"
