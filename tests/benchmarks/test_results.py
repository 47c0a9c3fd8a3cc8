"""From what the processes say to lines of the CSV and a table."""

import csv
import subprocess
from dataclasses import replace

import pytest
from benchmarks.__main__ import choose, main
from benchmarks.harness import Measured, Settings, measure
from benchmarks.report import table
from benchmarks.rows import LADDERS, ROWS, parts_of

from benchmarks import harness, results

MIB = 2**20
ROW = ROWS["train-wrn16-2"]


def said(seconds: float, peak: int | None = 100, saved: int | None = 10) -> dict[str, object]:
    return {
        "seconds": seconds,
        "peak_bytes": None if peak is None else peak * MIB,
        "saved_bytes": None if saved is None else saved * MIB,
        "neuron_steps": 5 * MIB,
        "threads": 3,
        "capability": "AVX512",
        "device": "cpu",
    }


def measured() -> dict[str, Measured]:
    return {
        "ours-bf16": Measured("ours-bf16", [said(0.010), said(0.020), said(0.010)], [0.5, 1.5, 1.0]),
        "spikingjelly-best": Measured(
            "spikingjelly-best", [said(0.02, 250, 40), said(0.05, 250, 40), said(0.021, 200, 40)], [1.0] * 3
        ),
        "convolutions": Measured("convolutions", [said(0.009, None, None)] * 3, [1.0] * 3),
        "norse": Measured("norse", note="not installed"),
    }


def lines() -> dict[str, dict[str, object]]:
    return {line["contender"]: line for line in results.lines(ROW, measured(), Settings(rounds=3))}


def test_numbers_of_a_line():
    line = lines()["spikingjelly-best"]
    assert (line["ms"], line["ms_low"], line["ms_high"], line["ms_rounds"]) == ("21", "20", "50", "20 50 21")
    assert (line["time_ratio"], line["time_ratio_low"], line["time_ratio_high"]) == ("2.1", "2", "2.5")
    assert float(line["per_second"]) == pytest.approx(32 / 0.021, rel=1e-3)
    assert (line["peak_mib"], line["peak_ratio"], line["peak_ratio_low"]) == ("250", "2.5", "2")
    assert (line["saved_mib"], line["saved_ratio"], line["saved_bytes_per_neuron_step"]) == ("40", "4", "8")
    assert (line["base"], line["batch"], line["steps"], line["unit"]) == ("ours-bf16", 32, 4, "images")
    assert (line["rounds"], line["threads"]) == (3, 3)


def test_loads_are_the_least_and_the_most_of_the_rounds():
    assert (lines()["ours-bf16"]["load_low"], lines()["ours-bf16"]["load_high"]) == ("0.5", "1.5")


def test_what_is_not_known_is_left_out():
    assert {"peak_mib", "peak_ratio", "saved_mib", "saved_ratio"}.isdisjoint(lines()["convolutions"])
    assert lines()["norse"]["note"] == "not installed"
    assert "ms" not in lines()["norse"]


def test_lines_have_columns_and_every_column_is_written_by_some_line():
    written = set().union(*lines().values())
    assert written == set(results.COLUMNS)
    assert len(set(results.COLUMNS)) == len(results.COLUMNS)


def test_file_gets_one_header_and_keeps_what_it_has(tmp_path):
    path = tmp_path / "results.csv"
    for _ in range(2):
        results.append(path, list(lines().values()))
    with path.open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [line["contender"] for line in read] == [*measured()] * 2
    assert read[1]["time_ratio"] == "2.1"
    assert read[3]["ms"] == ""


def test_file_with_other_columns_is_left_alone(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("date,row\n")
    with pytest.raises(ValueError, match="other columns"):
        results.append(path, list(lines().values()))
    assert path.read_text() == "date,row\n"


def test_table_shows_ratios_with_their_spread():
    drawn = table(list(lines().values()))
    assert "base ours-bf16, 3 rounds" in drawn
    assert "| 2.10 (2.00-2.50) |" in drawn
    assert "| not installed" in drawn
    assert len({len(line) for line in drawn.splitlines()[2:]}) == 1


def test_contenders_take_turns(monkeypatch):
    turns: list[str] = []

    def child(rows: list[str], contender: str, settings: Settings) -> list[dict[str, object]] | str:
        turns.append(contender)
        return "failed: no luck" if contender == "ann" else [said(1.0)]

    monkeypatch.setattr(harness, "run_child", child)
    contenders = ["ours-bf16", "ann", "convolutions"]
    measured = measure({ROW: contenders}, Settings(rounds=3), lambda line: None)[ROW]
    assert turns == ["ours-bf16", "ann", "convolutions", *["ours-bf16", "convolutions"] * 2]
    assert (measured["ann"].note, measured["ann"].rounds) == ("failed: no luck", [])
    assert len(measured["convolutions"].rounds) == len(measured["convolutions"].loads) == 3


def test_rows_that_are_compared_share_a_process(monkeypatch):
    asked: list[tuple[list[str], str]] = []

    def child(rows: list[str], contender: str, settings: Settings) -> list[dict[str, object]]:
        asked.append((rows, contender))
        return [said(1.0 + place) for place, _ in enumerate(rows)]

    monkeypatch.setattr(harness, "run_child", child)
    one, other = (replace(ROW, name=name) for name in ("one", "other"))
    measured = measure({one: ["ann"], other: ["ann", "copy"]}, Settings(rounds=2), lambda line: None)
    assert asked == [(["one", "other"], "ann"), (["other"], "copy")] * 2
    assert [[say["seconds"] for say in measured[row]["ann"].rounds] for row in (one, other)] == [[1.0, 1.0], [2.0, 2.0]]


def test_ladders_are_measured_together_and_other_rows_are_not():
    assert parts_of("minutes")[: len(LADDERS)] == list(LADDERS.values())
    assert parts_of("mnist-minutes") == [LADDERS["mnist-minutes"]]
    assert {len(part) for part in parts_of("training")} == {1}
    assert parts_of("step-mnist-minutes-ann") == [(ROWS["step-mnist-minutes-ann"],)]


def test_a_peer_that_is_not_there_is_not_started(monkeypatch):
    monkeypatch.setattr(
        harness.CONTENDERS["norse"].__class__, "installed", property(lambda self: self.package != "norse")
    )
    monkeypatch.setattr(harness, "run_child", lambda rows, contender, settings: [said(1.0)])
    measured = measure({ROW: ["ours-bf16", "norse"]}, Settings(rounds=1), lambda line: None)[ROW]
    assert measured["norse"].note == "not installed"
    assert len(measured["ours-bf16"].rounds) == 1


@pytest.mark.parametrize(
    ("contender", "last", "note"),
    [
        (
            "norse",
            "ModuleNotFoundError: No module named 'nir'",
            "not installed (ModuleNotFoundError: No module named 'nir')",
        ),
        ("norse", "ValueError: wrong", "failed: ValueError: wrong"),
        (
            "ours-bf16",
            "ModuleNotFoundError: No module named 'nir'",
            "failed: ModuleNotFoundError: No module named 'nir'",
        ),
        ("norse", "", "failed: exit code 1"),
    ],
)
def test_why_there_are_no_numbers(contender, last, note):
    said = f"Traceback:\n  somewhere\n{last}\n" if last else ""
    assert harness.explain(contender, subprocess.CompletedProcess([], 1, "", said)) == note


def test_the_base_is_always_chosen():
    assert choose(ROW, ["spikingjelly"], []) == [
        "ours-bf16",
        *["spikingjelly-best", "spikingjelly-amp", "spikingjelly-tutorial"],
        *["spikingjelly-best-compile", "spikingjelly-amp-malloc"],
    ]
    assert choose(ROW, ["ann"], ["ours-bf16-compile"]) == ["ours-bf16", "ann", "ours-bf16-compile"]
    assert choose(ROW, [], []) == [*ROW.contenders]


@pytest.mark.parametrize("words", [["no-such-row"], ["neuron", "--also", "nobody"], ["neuron", "--rounds", "0"]])
def test_wrong_words_are_refused(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert "error" in capsys.readouterr().err


def test_list_names_every_row(capsys):
    assert main(["list"]) == 0
    assert set(ROWS) <= set(capsys.readouterr().out.split())
