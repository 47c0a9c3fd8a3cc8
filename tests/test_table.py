"""Tables as values: rows, seeds, budgets, sweeps."""

from dataclasses import replace

import pytest

from spikedistill.errors import InputError
from spikedistill.methods import KDSNNResponse
from spikedistill.recipe import recipes_of
from spikedistill.table import Row, Table, simplex, sweep, with_seed


def table(*rows, **fields):
    return Table("a table", rows, **fields)


def test_a_row_with_a_seed_ties_its_teachers(taught):
    recipe = taught(KDSNNResponse())
    row = Row("taught", recipe)
    seeded = table(row).recipe(row, 7)
    assert (seeded.seed, [one.seed for one in recipes_of(seeded.teacher)]) == (7, [7])
    kept = table(row, teacher_seed="kept").recipe(row, 7)
    assert (kept.seed, [one.seed for one in recipes_of(kept.teacher)]) == (7, [0])
    assert table(Row("quoted", paper=1.0), row).recipe(Row("quoted", paper=1.0), 7) is None


def test_the_budget_for_two_cores_reduces_teachers_too_and_says_so(taught):
    recipe = taught(KDSNNResponse(), epochs=9)
    row = Row("taught", recipe, cpu={"batch_size": 15})
    reduced = table(row, cpu={"epochs": 3}).recipe(row, 0, "cpu")
    teacher = next(recipes_of(reduced.teacher))
    assert (reduced.epochs, reduced.batch_size, reduced.name) == (3, 15, "student-cpu")
    assert (teacher.epochs, teacher.batch_size, teacher.name) == (3, 30, "teacher-cpu")
    paper = table(row, cpu={"epochs": 3}).recipe(row, 0)
    assert (paper.epochs, paper.name) == (9, "student")


def test_a_reduction_that_changes_nothing_is_the_same_run(taught):
    recipe = taught(KDSNNResponse())
    row = Row("taught", recipe)
    assert table(row, cpu={}).recipe(row, 0, "cpu") == recipe


def test_without_a_stated_reduction_there_is_no_such_budget(student):
    row = Row("one", student)
    with pytest.raises(InputError, match="states no reduction for two cores"):
        table(row).recipe(row, 0, "cpu")


def test_rows_are_chosen_by_label_group_and_pattern(student):
    rows = [Row(label, student, group=group) for group in ("MNIST", "CIFAR-10") for label in ("full L1", "full KL")]
    whole = table(*rows)
    assert whole.chosen([]) == tuple(rows)
    assert whole.chosen(["mnist"]) == tuple(rows[:2])
    assert whole.chosen(["*l1"]) == (rows[0], rows[2])
    assert whole.chosen(["CIFAR-10: full L1", "full kl"]) == (rows[1], rows[2], rows[3])
    with pytest.raises(InputError, match=r"No row is called 'full L2'\. Did you mean 'full L1'"):
        whole.chosen(["full L2"])


def test_a_comma_of_a_name_is_no_separator(student):
    whole = table(*(Row(label, student, group="CIFAR-10, grey") for label in ("L1", "L1, 32", "L1, 32, 8")))
    for text, patterns in (
        ("", ()),
        ("L1,l1, 32", ("L1", "l1, 32")),
        ("L1, 32, 8, CIFAR-10, grey: L1,", ("L1, 32, 8", "CIFAR-10, grey: L1")),
        ("L1, *,none", ("L1", "*", "none")),
        ("cifar-10, grey", ("cifar-10, grey",)),
    ):
        assert whole.patterns(text) == patterns


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda recipe: table(), "needs rows"),
        (lambda recipe: table(Row("one", recipe), Row("one", recipe)), "two rows 'one'"),
        (lambda recipe: table(Row("one", recipe), seeds=()), "seeds"),
        (lambda recipe: table(Row("one", recipe), seeds=(1, 1)), "seeds"),
        (lambda recipe: table(Row("one", recipe), baseline="on"), "Did you mean 'one'"),
        (lambda recipe: Row(" ", recipe), "label"),
        (lambda recipe: Row("one", recipe, paper=float("nan")), "paper"),
    ],
)
def test_what_is_no_table_is_refused(make, says, student):
    with pytest.raises(InputError, match=says):
        make(student)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("Table('t', ('a row',))", "needs rows"),
        ("Table('t', (Row('one', 'mnist-teacher'),))", "is a Recipe"),
        ("Table('t', (Row(3, scratch),))", "label"),
        ("Table('t', (Row('one', scratch),), teacher_seed='mine')", "teacher_seed"),
    ],
)
def test_values_of_other_types_in_a_users_file_are_refused(command, tmp_path, written, says):
    """In a process of its own: here the types of all calls are checked."""
    head = "from spikedistill.recipes.digits import scratch\nfrom spikedistill.table import Row, Table\n"
    (tmp_path / "wrong.py").write_text(f"{head}t = {written}\n")
    said = command("table", "wrong.py")
    assert said.returncode == 2
    assert says in said.stderr
    assert said.stderr.count("\n") == 1


def test_a_sweep_has_a_row_for_each_combination(taught):
    recipe = taught(KDSNNResponse())
    rows = sweep(recipe, {"method.alpha": (0.1, 0.5), "neuron.threshold": (0.5, 1.0, 2.0)}, group="g")
    assert [row.label for row in rows[:2]] == ["alpha 0.1, threshold 0.5", "alpha 0.1, threshold 1.0"]
    found = [(row.recipe.method.alpha, row.recipe.neuron.threshold) for row in rows]
    assert found == [(alpha, threshold) for alpha in (0.1, 0.5) for threshold in (0.5, 1.0, 2.0)]
    assert {row.group for row in rows} == {"g"}
    with pytest.raises(InputError, match="alhpa"):
        sweep(recipe, {"method.alhpa": (0.1,)})


def test_a_recipe_without_a_name_is_called_as_its_row(student):
    row = Row("full L1 (ours)", replace(student, name="recipe"), group="MNIST, grey")
    assert table(row).recipe(row, 0).name == "mnist-grey-full-l1-ours"
    assert table(row, cpu={"epochs": 1}).recipe(row, 0, "cpu").name == "mnist-grey-full-l1-ours-cpu"
    assert table(row).recipe(row, 0).hash == student.hash


def test_the_simplex_in_tenths_has_66_points():
    points = list(simplex())
    assert len(points) == len(set(points)) == 66
    assert all(sum(point) == pytest.approx(1) and min(point) >= 0 for point in points)
    assert (0.2, 0.2, 0.6) in points


def test_changes_of_a_row_reach_its_teacher_by_path(taught):
    row = Row("taught", taught(KDSNNResponse()), cpu={"epochs": 4, "teacher.recipe.epochs": 2})
    reduced = table(row, cpu={"epochs": 3}).recipe(row, 0, "cpu")
    assert (reduced.epochs, next(recipes_of(reduced.teacher)).epochs) == (4, 2)


def test_a_seed_alone_or_with_the_teachers(taught):
    recipe = taught(KDSNNResponse())
    assert with_seed(recipe, 2) == replace(recipe, seed=2)
    assert next(recipes_of(with_seed(recipe, 2, tied=True).teacher)).seed == 2
