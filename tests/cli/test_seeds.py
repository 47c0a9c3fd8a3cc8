"""`train --seeds 0-4`: which seeds, whose seed the teacher takes, and what is printed at the end."""

import json
import re
from dataclasses import replace
from statistics import mean, stdev

import pytest

from spikedistill.cli import seeds
from spikedistill.errors import InputError
from spikedistill.recipe import FromModule, FromRecipe

QUICK = ("--epochs", "1", "--batch-size", "32", "--data.train-size", "64", "--device", "cpu")
QUICK_TEACHER = ("--teacher.recipe.epochs", "1", "--teacher.recipe.data.train-size", "128")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0-4", (0, 1, 2, 3, 4)), ("0,2,5", (0, 2, 5)), ("7", (7,)), ("3-3", (3,)), ("8, 0-2", (8, 0, 1, 2))],
)
def test_ranges_and_lists(text, expected):
    assert seeds.parse_seeds(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4-0", "The range 4-0 runs backwards: write 0-4"),
        ("", "a range or a list of whole numbers, 0-4 or 0,2,5, not ''"),
        ("a-b", "not 'a-b'"),
        ("0-", "not '0-'"),
        ("-3", "not '-3'"),
        ("1.5", "not '1.5'"),
        ("0,,2", "not '0,,2'"),
        ("0:4", "not '0:4'"),
        ("٣", "not '٣'"),
        ("0-4,3", "names seed 3 twice"),
        ("0-9999999999", "more than 1000 seeds"),
        ("9" * 10_000, "a range or a list"),
    ],
)
def test_what_is_no_list_of_seeds(text, message):
    with pytest.raises(InputError) as said:
        seeds.parse_seeds(text)
    assert message in str(said.value)
    assert len(str(said.value)) < 300


def test_the_teacher_keeps_its_seed_unless_tied(teacher, taught):
    from spikedistill.methods import KDSNNResponse

    assistant = replace(taught(KDSNNResponse()), seed=5)
    recipe = taught(KDSNNResponse(), teacher=FromRecipe(assistant))
    kept = seeds.seeded(recipe, 3, "kept")
    assert (kept.seed, kept.teacher) == (3, recipe.teacher)
    assert seeds.teacher_note(kept) == "teachers: seeds 0, 5"
    tied = seeds.seeded(recipe, 3, "tied")
    assert (tied.seed, tied.teacher.recipe.seed, tied.teacher.recipe.teacher.recipe.seed) == (3, 3, 3)
    assert seeds.teacher_note(tied) == "teacher: seed 3"
    assert seeds.teacher_note(teacher) == ""
    for without in (teacher, taught(KDSNNResponse(), teacher=FromModule("a.b:c"))):
        with pytest.raises(InputError, match="--teacher-seed tied is for a teacher that a recipe trains"):
            seeds.seeded(without, 3, "tied")


def test_three_seeds_in_one_command(cli, tmp_path):
    """A line for each seed with its folder, then the mean over them; runs that are there are not trained again."""
    code, out, err = cli("train", "digits-kdsnn", *QUICK, *QUICK_TEACHER, "--seeds", "0,2-3")
    assert code == 0, err
    *lines, last = out.splitlines()
    folders = [tmp_path / line.split()[-1] for line in lines]
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in folders]
    assert [one["seed"] for one in metrics] == [0, 2, 3]
    for line, one in zip(lines, metrics, strict=True):
        assert line.startswith(f"seed {one['seed']} ")
        assert f"{one['accuracy']:.2%}" in line
        assert f"best {one['accuracy_best']:.2%}" in line
        assert "teacher: seed 0" in line
    shares = [100 * one["accuracy"] for one in metrics]
    assert f"{mean(shares):.2f} ± {stdev(shares):.2f} % (n = 3) in the last epoch" in last
    assert len(list((tmp_path / "runs").glob("digits-teacher*/metrics.json"))) == 1
    again = cli("train", "digits-kdsnn", *QUICK, *QUICK_TEACHER, "--seeds", "0,2-3")
    assert again[:2] == (0, out)
    assert again[2].count("has run already.") == 3


def test_one_seed_says_the_teachers_too(cli):
    words = ("train", "digits-kdsnn", *QUICK, *QUICK_TEACHER, "--seed", "1")
    code, out, err = cli(*words)
    assert code == 0, err
    assert re.search(r"^seed +1  \(teacher: seed 0\)$", out, re.MULTILINE)
    assert (out, "has run already" in err) == (cli(*words)[1], False)
    code, out, err = cli(*words, "--teacher-seed", "tied")
    assert code == 0, err
    assert re.search(r"^seed +1  \(teacher: seed 1\)$", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--seeds 0-2 --seed 1", "--seed is one seed, --seeds are several"),
        ("--seeds 0-2 --seed=1", "--seed is one seed, --seeds are several"),
        ("--seeds 2-0", "runs backwards"),
        ("--seeds", "--seeds"),
        ("--seeds 9999999999", "seed must be between 0 and"),
        ("--teacher-seed tide", "--teacher-seed"),
        ("--teacher-seed tied", "Leave it out"),
    ],
)
def test_wrong_seeds_get_one_line(words, message, cli):
    code, out, err = cli("train", "digits-scratch", *words.split())
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert message in line
