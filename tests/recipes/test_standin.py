"""The stand-in's tables: none of the methods is forgotten, and what chooses sees no test image."""

from spikedistill.cli import cite as citations
from spikedistill.methods import CrossEntropy, Method, Sum
from spikedistill.recipe import recipes_of
from spikedistill.recipes import _files as recipe_files
from spikedistill.recipes import standin_choice, standin_methods, standin_reverse_kd, standin_tser
from spikedistill.recipes._standin import CANDIDATES, LEARNING_RATE, LEARNING_RATES
from spikedistill.values.kinds import shipped_kinds

TABLES = [file.table for file in (standin_choice, standin_methods, standin_reverse_kd, standin_tser)]


def methods_of(method):
    return [inner for part in method.parts for inner in methods_of(part)] if isinstance(method, Sum) else [method]


def test_every_method_of_this_library_has_a_row():
    rows = [type(one) for row in standin_methods.table.rows for one in methods_of(row.recipe.method)]
    assert set(rows) == set(shipped_kinds(Method).values()) - {Sum}
    labels = [row.label for row in standin_methods.table.rows]
    assert "control: label smoothing" in labels
    assert "control: confidence penalty" in labels


def test_every_method_is_cited():
    cited = citations.bibtex("standin-methods")
    kinds = {kind.name for kind in shipped_kinds(Method).values()}
    assert [name for name in sorted(kinds - {"sum"}) if citations.bibtex(name) not in cited] == []


def test_labels_say_who_needs_a_spiking_teacher_or_none():
    for row in standin_methods.table.rows:
        recipe = row.recipe
        if recipe.teacher is None:
            assert "no teacher" in row.label or row.label.startswith("control: ")
        else:
            (teacher,) = recipes_of(recipe.teacher)
            spiking = teacher.model.spikes(teacher.neuron)
            assert spiking == ("spiking teacher" in row.label or "its own network" in row.label)


def test_the_chosen_values_are_among_those_that_were_tried():
    assert LEARNING_RATE in LEARNING_RATES
    for one in CANDIDATES.values():
        assert one.chosen in one.values
    tried = {row.recipe.hash for row in standin_choice.table.rows}
    for row in standin_methods.table.rows:
        assert row.recipe.hash in tried


def test_all_runs_are_of_one_setting_but_for_method_teacher_and_learning_rate():
    plain = standin_methods.table.rows[0].recipe
    for table in TABLES:
        for row in table.rows:
            recipe = row.recipe
            assert (recipe.data, recipe.model, recipe.batch_size) == (plain.data, plain.model, plain.batch_size)
            assert recipe.epochs == (16 if row.group == "16 epochs" else plain.epochs)
            for teacher in recipes_of(recipe.teacher):
                assert teacher.data == plain.data
                assert table.recipe(row, 3).seed == 3
                assert {one.seed for one in recipes_of(table.recipe(row, 3).teacher)} == {100}
    assert plain.data.validation == 5000
    assert isinstance(plain.method, CrossEntropy)


def test_they_are_called_stand_ins():
    for name, table in recipe_files.shipped_tables().items():
        if table in TABLES:
            assert name.startswith("standin-")
            assert table.title.startswith("Stand-in: ")
            assert table.note.startswith("Stand-in: ")
