"""Accuracies on corrupted and attacked images as lines for people: of one run by severity, of several side by side."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from spikedistill.cli.answers_text import where
from spikedistill.cli.seeds import mean_and_deviation
from spikedistill.cli.shown import print_table
from spikedistill.machine.terminal import printable


def print_robustness(found: dict[str, Any]) -> None:
    """Print the accuracies of a run at each severity of each corruption."""
    print(printable(f"Accuracy on corrupted images and under attack, {_asked(found)}"), end="\n\n")
    severities = max((one["severity"] for one in found["corruptions"]), default=0)
    rows = [{"corruption": "none (clean)"} | _columns([], severities, found["clean"])]
    for name, shares in _by_name(found).items():
        rows.append({"corruption": name} | _columns(shares, severities, sum(shares) / len(shares)))
    print_table(rows)
    print()
    if found["attacks"]:
        print_table(_attacks(found))
        print()
    print("\n".join(_conventions(found)))


def print_robustness_of_several(runs: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """Print the means over severities of several runs, each a column, and a column for those of one setting.

    Args:
        runs: What to call each run, its setting (what it has in common with runs that differ in their seeds alone), and
            what was found of it.
    """
    print("Accuracy on corrupted images, mean over severities, and under attack", end="\n\n")
    columns = {f"run {number}": _means(found) for number, (_, _, found) in enumerate(runs, 1)}
    for column, (name, _, found) in zip(columns, runs, strict=True):
        print(printable(f"{column}: {name}; {_asked(found)}"))
    print()
    groups: dict[str, list[str]] = {}
    for column, (_, setting, _) in zip(columns, runs, strict=True):
        groups.setdefault(setting, []).append(column)
    rows = []
    for name in dict.fromkeys(name for means in columns.values() for name in means):
        found_in = {column: means[name] for column, means in columns.items() if name in means}
        row = {"": name} | {column: f"{found_in[column]:.2%}" if column in found_in else "" for column in columns}
        for group in groups.values():
            if len(group) > 1:
                shares = [found_in[column] for column in group if column in found_in]
                row[f"mean ± sd of {', '.join(group)}"] = mean_and_deviation(shares) if shares else ""
        rows.append(row)
    print_table(rows)
    print()
    print("\n".join(dict.fromkeys(line for _, _, found in runs for line in _conventions(found))))


def _asked(found: dict[str, Any]) -> str:
    return where(found) + (", without the noise that it learned with" if "without_noise" in found["data"] else "")


def _conventions(found: dict[str, Any]) -> list[str]:
    groups = {one["group"] for one in found["corruptions"]}
    lines = [f"Severities 1 to 5: {found['severities']}" + "; kdsnn: levels of KDSNN's table 2" * ("kdsnn" in groups)]
    if found["attacks"]:
        lines.append("FGSM, PGD: greatest change of a pixel, of black to white; by the surrogate, so an upper bound")
    if found["left_out"]:
        left_out = "; ".join(f"{one['name']} ({one['why']})" for one in found["left_out"])
        lines.append(printable(f"Left out: {left_out}"))
    return lines


def _attacks(found: dict[str, Any]) -> list[dict[str, str]]:
    """Return a row for each attack, with a column for each epsilon."""
    rows: dict[str, dict[str, str]] = {}
    for one in found["attacks"]:
        row = rows.setdefault(_called(one), {"attack": _called(one), "0": f"{found['clean']:.2%}"})
        row[_shown(one["epsilon"])] = f"{one['accuracy']:.2%}"
    return list(rows.values())


def _called(attack: dict[str, Any]) -> str:
    return f"{attack['name']}-{attack['iterations']}" if attack["iterations"] > 1 else str(attack["name"])


def _shown(epsilon: float) -> str:
    """An epsilon in grey levels."""
    return f"{255 * epsilon:.3g}/255"


def _by_name(found: dict[str, Any]) -> dict[str, list[float]]:
    """Return the accuracies of each corruption by severity."""
    parts = groupby(found["corruptions"], lambda one: str(one["name"]))
    return {name: [one["accuracy"] for one in part] for name, part in parts}


def _means(found: dict[str, Any]) -> dict[str, float]:
    """Return what stands in a run's column: the groups' means after them, and attacks."""
    by_name = {name: sum(shares) / len(shares) for name, shares in _by_name(found).items()}
    groups = {one["name"]: one["group"] for one in found["corruptions"]}
    means = {}
    for group in dict.fromkeys(groups.values()):
        shares = [share for name, share in by_name.items() if groups[name] == group]
        if len(shares) > 1:
            means[f"mean of {group}"] = sum(shares) / len(shares)
    attacks = {f"{_called(one)} {_shown(one['epsilon'])}": one["accuracy"] for one in found["attacks"]}
    return {"none (clean)": found["clean"]} | by_name | means | attacks


def _columns(shares: Sequence[float], severities: int, mean: float) -> dict[str, str]:
    shown = [f"{share:.2%}" for share in shares] + [""] * (severities - len(shares))
    return {str(severity): share for severity, share in enumerate(shown, 1)} | {"mean": f"{mean:.2%}"}
