"""Minutes of the ladder: which steps are measured, how they are summed, and when a target is reached."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.results import COLUMNS
from benchmarks.rows import LADDERS, MINUTES

from benchmarks import minutes
from spikedistill.recipe import recipes_of
from spikedistill.recipes._files import load, load_table
from spikedistill.runs.cells import cells
from spikedistill.runs.rehearse import phase_starts

TABLE = load_table(minutes.TABLE)
STANDIN = load_table("standin-minutes")


@pytest.fixture
def measured(tmp_path):
    """A file in which each step takes as many milliseconds as its batch has images, times the T that it draws from."""
    path = tmp_path / "results.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in MINUTES:
            for slower, name in enumerate(reversed(row.contenders), 1):
                took = slower * row.task.batch * getattr(row.task, "drawn", 1)
                line = {
                    "row": row.name,
                    "contender": name,
                    "ms": took,
                    "ms_rounds": took,
                    "quick": 0,
                    "date": "2026-11-21T00:00:00",
                }
                writer.writerow(line | {"cpu": "a machine", "threads": 2})
                writer.writerow(line | {"ms": 1, "quick": 1})
    return path


@pytest.mark.parametrize("row", MINUTES[:-1], ids=lambda row: row.name)
def test_a_row_is_a_phase_of_its_recipe(row):
    recipe = load(row.task.recipe)
    settings = recipe.settings(row.task.share)
    assert row.task.share in phase_starts(recipe)
    assert settings.batch_size == row.task.batch
    drawn = 1 if settings.fewest_steps is None else settings.steps - settings.fewest_steps + 1
    assert drawn == row.task.drawn
    if drawn == 1:
        assert (settings.steps if recipe.neuron.spiking else 1) == row.task.steps


@pytest.mark.parametrize("name", LADDERS)
def test_every_step_of_the_table_is_known(name, measured):
    known = minutes.seconds_of_steps(measured, name).of_recipes
    for row in load_table(name).rows:
        for one in (row.recipe, *(inner for part in row.recipe.parts for inner in recipes_of(part))):
            assert {minutes.step_of(one, share) for share in phase_starts(one)} <= set(known)


def test_each_row_measures_a_step_of_its_own():
    tasks = [row.task for row in MINUTES[:-1]]
    assert len({minutes.step_of(load(task.recipe), task.share) for task in tasks}) == len(tasks)


@pytest.mark.parametrize(
    ("one", "share", "other"),
    [
        ("start", 0.0, "whitened"),
        ("half", 0.0, "whitened"),
        ("taught", 0.0, "distilled"),
        ("rates", 0.67, "distilled"),
        ("phases", 0.6, "whitened"),
        ("drawn", 0.8, "whitened"),
        ("distilled-drawn", 0.8, "distilled"),
    ],
)
def test_what_differs_in_nothing_that_a_step_notices_is_one_step(one, share, other):
    steps = [minutes.step_of(load(f"standin-minutes-{name}"), at) for name, at in ((one, share), (other, 0.0))]
    assert steps[0] == steps[1]


@pytest.mark.parametrize(
    "change",
    [{"batch_size": 32}, {"steps": 2}, {"ema": 0.9}, {"backward": "rate"}, {"start": ()}, {"precision": "fp32"}],
)
def test_what_a_step_notices_is_another_one(change):
    recipe = load("standin-minutes-whitened")
    assert minutes.step_of(replace(recipe, **change), 0.0) != minutes.step_of(recipe, 0.0)


def test_a_step_that_no_row_measures_is_said(measured):
    steps = minutes.seconds_of_steps(measured)
    with pytest.raises(SystemExit, match=r"measures a step of mine at 0 of its training"):
        steps.of(replace(load("standin-minutes-plain"), name="mine", batch_size=7), 0.0)


def test_no_rung_of_the_stand_in_takes_longer_than_training_from_scratch(tmp_path):
    """By the steps that were measured: what is compared there are equal minutes."""
    steps = minutes.seconds_of_steps(minutes.ROOT / "benchmarks" / "results.csv", "standin-minutes")
    made = cells(STANDIN, STANDIN.rows, (0,), tmp_path, device="cpu")
    points = [minutes.point(cell.row, [cell], tmp_path, steps) for cell in made]
    for one in points:
        (plain,) = (other for other in points if (other.rung, other.budget) == ("plain", one.budget))
        assert 0.85 * plain.minutes < one.minutes < 1.02 * plain.minutes, one.line


def test_minutes_are_images_where_an_image_takes_a_millisecond(measured, tmp_path):
    steps = minutes.seconds_of_steps(measured)
    assert steps.machine == "a machine, 2 threads, 2026-11-21"
    made = cells(TABLE, TABLE.rows, (0,), tmp_path, device="cpu")
    points = {cell.row.title: minutes.point(cell.row, [cell], tmp_path, steps) for cell in made}
    epoch = 50_000 // 64 * 64 / 60_000
    of_ann = 50_000 // 128 * 128 / 60_000
    for title, own, others in (
        ("10 minutes: plain", 3, 0),
        ("10 minutes: start", 1, 6),
        ("10 minutes: distilled", 1, 6),  # start and teacher are one: counted once
        ("10 minutes: rates", 2, 4),
        ("10 minutes: phases", 5, 0),
        ("10 minutes: drawn", 4, 0),
        ("10 minutes: muon", 2, 4),
        ("60 minutes: distilled-drawn", 10, 25),
        ("15 minutes: muon from a longer ANN", 2, 8),
        ("60 minutes: muon", 17, 12),
    ):
        assert points[title].own == pytest.approx(own * epoch)
        assert points[title].others == pytest.approx(others * of_ann)
        assert points[title].accuracies == ()


def test_the_opponent_takes_the_steps_of_plain_in_its_own_time(measured):
    steps = minutes.seconds_of_steps(measured)
    plain = minutes.Point("plain", "30 minutes", 30.0, 0.0, (86.0, 85.0))
    (theirs,) = minutes.opponent([plain, minutes.Point("short", "10 minutes", 10.0, 0.0, (80.0,))], steps)
    assert (theirs.rung, theirs.minutes, theirs.accuracies) == ("spikingjelly", 60.0, plain.accuracies)


def test_its_network_is_that_of_plain():
    """What test_contenders compares with ours is what the row measures."""
    recipe, task = load("cifar10-minutes-plain"), MINUTES[-1].task
    assert (task.batch, task.steps) == (recipe.batch_size, recipe.steps)
    assert type(recipe.model)(**task.net.options) == recipe.model
    assert task.net.shape == recipe.data.shape


def test_a_target_is_reached_by_the_smallest_budget_whose_median_does(tmp_path):
    points = [
        minutes.Point("plain", "15 minutes", 15.0, 0.0, (79.0, 84.0, 70.0)),
        minutes.Point("plain", "30 minutes", 30.0, 0.0, (86.0, 85.0, 80.0)),
        minutes.Point("distilled", "15 minutes", 5.0, 10.0, (88.5, 89.0, 88.0)),
        minutes.Point("whitened", "10 minutes", 9.0, 0.0, ()),
    ]
    assert minutes.targets(points)[2:] == [
        "| `plain` | 30.0 | 30.0 | - | - |",
        "| `distilled` | 15.0 | 15.0 | 15.0 | - |",
    ]
    assert points[1].line == "| 30 minutes | `plain` | 30.0 | 0.0 | 30.0 | 83.67 ± 3.21 | 85.00 | 3 |"
    assert points[3].line.endswith("| - | - | 0 |")
    target = tmp_path / "picture.svg"
    minutes.draw(points, "A title", "a machine", target)
    drawn = target.read_text()
    minutes.draw(points, "A title", "a machine", target)
    assert target.read_text() == drawn
    assert "distilled" in drawn
    assert "whitened" not in drawn


def test_a_machine_that_slows_down_for_a_round_slows_no_rung(measured):
    with measured.open(newline="") as file:
        lines = list(csv.DictReader(file))
    for line in lines:
        times = {"plain": "100 100 200", "short": "110 150 220"}.get(line["row"].removeprefix("step-standin-minutes-"))
        if times and line["quick"] == "0":
            line |= {"ms": times.split()[1], "ms_rounds": times}
    with measured.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(lines)
    steps = minutes.seconds_of_steps(measured, "standin-minutes")
    assert steps.of(load("standin-minutes-plain"), 0.0) == pytest.approx(0.1)
    assert steps.of(load("standin-minutes-short"), 0.0) == pytest.approx(0.11)


def test_times_of_two_machines_are_not_mixed(measured):
    """The newest machine is asked, and what only the other one has measured is missing there."""
    with measured.open(newline="") as file:
        lines = list(csv.DictReader(file))

    def measure_again(*rows):
        with measured.open("a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            for line in lines:
                if line["row"] in rows and line["quick"] == "0":
                    ms = 2 * float(line["ms"])
                    writer.writerow(line | {"cpu": "another", "ms": ms, "ms_rounds": ms})

    (first, *others) = (row.name for row in LADDERS["mnist-minutes"])
    measure_again(*others)
    assert minutes.seconds_of_steps(measured, "mnist-minutes").machine == "a machine, 2 threads, 2026-11-21"
    slow = minutes.seconds_of_steps(measured, "mnist-minutes").of_recipes
    measure_again(first)
    found = minutes.seconds_of_steps(measured, "mnist-minutes")
    assert found.machine == "another, 2 threads, 2026-11-21"
    assert found.of_recipes == pytest.approx({step: 2 * seconds for step, seconds in slow.items()})
    measure_again(LADDERS["standin-minutes"][0].name)
    with pytest.raises(SystemExit, match=r"no step-standin-minutes-short of another, 2 threads\. Measure on a quiet"):
        minutes.seconds_of_steps(measured, "standin-minutes")


def test_what_is_not_measured_is_said(measured, tmp_path):
    with measured.open(newline="") as file:
        lines = list(csv.DictReader(file))
    path = Path(tmp_path / "less.csv")
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(line for line in lines if line["row"] != "step-cifar10-minutes-short")
    with pytest.raises(
        SystemExit, match=r"no step-cifar10-minutes-short of a machine, 2 threads\. Measure on a quiet machine"
    ):
        minutes.seconds_of_steps(path)
