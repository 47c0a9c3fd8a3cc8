"""Figures: their numbers are those that were given, and equal ones are equal, on the page and in files."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from measured import CLASSES, measured, png
from PIL import Image

from spikedistill.errors import InputError
from spikedistill.report import figures
from spikedistill.report.figures import Curve, Point
from spikedistill.report.figures.samples import decoded, finite_points
from spikedistill.report.style import SERIES, VARIABLES, clean, energy_unit
from spikedistill.report.svg import Styles, inline, save

ENTRIES = {one["what"]: one for one in measured()}
DRAWN = {
    "curves": lambda: figures.curves([Curve("a", [1, 2, 3], [50.0, None, 70.0]), Curve("b", [1, 2], [1.0, 2.0])]),
    "sweep": lambda: figures.sweep([Curve("a", [0.01, 0.1], [90.0, 91.0], [89.0, 90.5], [91.0, 91.5])], "lambda", True),
    "step_bars": lambda: figures.step_bars({"KD": [74.2, 75.1], "TSER": [76.2, 76.9]}, 79.0),
    "anytime": lambda: figures.anytime({"a": ENTRIES["anytime"]}),
    "early_exit": lambda: figures.early_exit({"a": ENTRIES["anytime"]}),
    "pareto": lambda: figures.pareto([Point("a", "kd", 0.1, 90.0), Point("b", "ANN", 2.0, 95.0, 0.3)]),
    "energy_bars": lambda: figures.energy_bars({"a": ENTRIES["energy"], "teacher": ENTRIES["energy"]["teacher"]}),
    "rates": lambda: figures.rates(ENTRIES["energy"]["firing_rates"]),
    "reliability": lambda: figures.reliability(ENTRIES["calibration"]["bins"]),
    "confusion": lambda: figures.confusion(ENTRIES["confusion"]["matrix"]),
    "outputs": lambda: figures.output_distributions({"a": ENTRIES["outputs"]["by_class"][3]}, 3),
    "raster": lambda: figures.raster(ENTRIES["sample"]),
    "features": lambda: figures.features({"a": ENTRIES["features"]["points"]}),
    "noise_samples": lambda: figures.noise_samples(ENTRIES["robustness"]["samples"]),
    "corruptions": lambda: figures.corruptions({"a": ENTRIES["robustness"], "b": ENTRIES["robustness"]}),
    "attacks": lambda: figures.attacks({"a": ENTRIES["robustness"]}),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_on_the_page_is_svg_that_says_what_it_is_and_changes_with_the_scheme(name):
    styles = Styles()
    made = inline(DRAWN[name](), f"key-{name}", "A <title>", "What it 'shows'", styles)
    root = ElementTree.fromstring(made)
    assert root.get("role") == "img"
    assert root.get("aria-label") == "A <title>. What it 'shows'"
    assert [one.text for one in root][:2] == ["A <title>", "What it 'shows'"]
    assert root.findall(".//{http://www.w3.org/2000/svg}text") or name == "features"  # text is text
    assert "style=" not in made
    assert not set(re.findall("#[0-9a-f]{6}", styles.css)) & set(VARIABLES)
    assert "var(--" in styles.css
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    assert all(one.startswith(f"key-{name}-") for one in ids)
    assert set(re.findall(r"url\(#([^)]+)\)", made)) <= set(ids)
    assert "nan" not in made.lower().replace("&quot;", "")


@pytest.mark.parametrize("name", DRAWN)
def test_equal_figures_are_equal_bytes(name):
    first, second = (inline(DRAWN[name](), "key", "t", "d", Styles()) for _ in range(2))
    assert first == second


def test_every_public_figure_is_drawn_here():
    values = {"Curve", "Point", "pareto_front", "virtual_teacher", "output_distributions"}
    assert set(figures.__all__) - values == set(DRAWN) - {"outputs"}


def test_files_are_svg_and_png_on_white_and_the_same_again(tmp_path):
    figure = figures.step_bars({"KD": [74.2, 75.1]})
    files = save(figure, tmp_path / "bars.v1")
    assert [one.name for one in files] == ["bars.v1.svg", "bars.v1.png"]
    root = ElementTree.fromstring(files[0].read_text())
    texts = {one.text for one in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"1", "2", "time step"} <= texts
    with Image.open(files[1]) as picture:
        assert picture.convert("RGB").getpixel((2, 2)) == (255, 255, 254)
        found = {colour for _, colour in picture.convert("RGB").getcolors(10**6)}
    assert tuple(bytes.fromhex(SERIES[0][1:])) in found
    before = [one.read_bytes() for one in files]
    assert [one.read_bytes() for one in save(figures.step_bars({"KD": [74.2, 75.1]}), tmp_path / "bars.v1")] == before
    with pytest.raises(InputError, match="pdf"):
        save(figure, tmp_path / "bars", ("pdf",))


def test_nothing_of_matplotlib_is_changed_and_a_user_s_own_settings_change_nothing():
    import matplotlib

    first = inline(DRAWN["curves"](), "key", "t", "d", Styles())
    with matplotlib.rc_context({"lines.linewidth": 9.0, "axes.grid": False, "font.size": 30}):
        assert inline(DRAWN["curves"](), "key", "t", "d", Styles()) == first
        assert matplotlib.rcParams["lines.linewidth"] == 9.0
    assert "matplotlib.pyplot" not in sys.modules


def test_the_front_is_what_no_other_beats():
    points = [
        Point(str(k), "", energy, accuracy)
        for k, (energy, accuracy) in enumerate([(1, 80), (2, 79), (2, 85), (3, 85), (5, 90), (0.5, 60)])
    ]
    beaten = {
        one.label
        for one in points
        for other in points
        if other.energy <= one.energy and other.accuracy >= one.accuracy and other != one
    }
    assert [one.label for one in figures.pareto_front(points)] == ["5", "0", "2", "4"]
    assert {one.label for one in points} - beaten == {"5", "0", "2", "4"}


def test_the_virtual_teacher_is_a_distribution_that_is_right():
    answer = figures.virtual_teacher(CLASSES, 3, 0.91)
    assert sum(answer) == pytest.approx(1)
    assert answer[3] == 0.91
    assert answer[0] == pytest.approx(0.01)


def test_bars_are_as_high_as_the_numbers():
    axes = figures.step_bars({"KD": [74.0, 75.0], "TSER": [76.0, 77.0]}, 79.0).axes[0]
    assert sorted(bar.get_height() for bar in axes.patches) == [74.0, 75.0, 76.0, 77.0]
    assert axes.lines[0].get_ydata()[0] == 79.0


def test_a_raster_has_a_mark_for_each_spike():
    sample = ENTRIES["sample"]
    for axes, layer in zip(figures.raster(sample).axes, sample["layers"], strict=False):
        (patch,) = axes.patches
        marks = patch.get_path().vertices.reshape(-1, 2, 2).mean(axis=1)
        assert {(round(t - 1), round(i)) for t, i in marks} == {(t, i) for t, i in layer["spikes"]}


def test_a_raster_without_layers_has_the_probabilities():
    (axes,) = figures.raster(ENTRIES["sample"] | {"layers": []}).axes[:1]
    assert axes.get_ylim() == (0, 102)


def test_a_heat_map_is_the_denser_the_larger_the_rate():
    layers = [{"layer": "a", "by_step": [0.0, 0.1]}, {"layer": "b", "by_step": [0.2, 0.4]}]
    picture = figures.rates(layers).axes[0].images[0].get_array()
    np.testing.assert_allclose(picture[..., 3], 0.75 * np.array([[0.0, 0.25], [0.5, 1.0]]))


def test_many_steps_are_averaged_and_many_points_thinned():
    layers = [{"layer": "a", "by_step": list(np.linspace(0, 1, 256))}]
    assert figures.rates(layers).axes[0].images[0].get_array().shape == (1, 64, 4)
    points = [[float(k), float(k % 7), k % 3] for k in range(5000)]
    drawn = figures.features({"a": points}).axes[0].patches
    assert sum(len(one.get_path().vertices) // 2 for one in drawn) == 400


@pytest.mark.parametrize("name", ["_hidden", "$x^2$", "<b>&", "a\x00b", "\ud800", "é 中", "x" * 200])
def test_any_name_is_a_label(name):
    figure = figures.curves([Curve(name, [1, 2], [1.0, 2.0]), Curve("other", [1, 2], [2.0, 1.0])])
    made = ElementTree.fromstring(inline(figure, "key", name, name, Styles()))
    texts = [one.text for one in made.iter("{http://www.w3.org/2000/svg}text")]
    assert clean(name).strip() in [text.strip() for text in texts if text]


def test_pictures_from_outside_are_small_pngs_or_nothing():
    assert decoded(png(np.zeros((8, 8), np.uint8))).shape == (8, 8)
    assert decoded(png(np.zeros((8, 8, 3), np.uint8))).shape == (8, 8, 3)
    for value in (None, 3, "no base64", "aGFsbG8=", png(np.zeros((300, 300), np.uint8))):
        assert decoded(value) is None


def test_points_that_are_not_finite_are_left_out():
    assert finite_points([[0, 1, 2], [float("nan"), 1, 2], [1, 2], [1, None, 0]]) == [[0.0, 1.0, 2.0]]


@pytest.mark.parametrize(("energy", "unit"), [(3.0, "mJ"), (2e-4, "µJ"), (5e-6, "nJ"), (1e-12, "pJ")])
def test_energies_are_shown_in_a_unit_that_is_easily_read(energy, unit):
    assert energy_unit(energy)[1] == unit


def test_without_matplotlib_the_extra_is_named(tmp_path):
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from spikedistill.cli.main import main\n"
        f"sys.exit(main(['report', {str(tmp_path)!r}, '-o', {str(tmp_path / 'p.html')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install matplotlib" in done.stderr
    assert done.stderr.count("\n") == 1
