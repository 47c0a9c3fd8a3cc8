"""Spikes and energy of a run as lines for people."""

from typing import Any

from spikedistill.cli.shown import print_table
from spikedistill.machine.terminal import printable

ABOUT = {
    "exact": "spikes times their fan-out; norms and means folded; the image read once",
    "syops": "syops-counter's rules; sums and means of spikes count as dense; the image read in each step",
    "neurobench": "NeuroBench's rules; zeros are never multiplied; the image read in each step",
}


def print_energy(found: dict[str, Any], technology: str) -> None:
    """Print firing rates, then operations and energy of an image by each convention, the teacher's below."""
    where = f"{found['images']} of {found['data']['samples']} {found['split']} images of {found['data']['name']}"
    print(printable(f"Spikes of an image, T = {found['steps']}, mean over {where}"), end="\n\n")
    if found["firing_rates"]:
        print_table(_rates(found))
        print()
    print(f"Operations and energy of an image, arithmetic alone, {technology}", end="\n\n")
    rows = _conventions("network", found, technology)
    teacher = found["teacher"]
    if teacher is not None and "conventions" in teacher:
        rows += _conventions("teacher", teacher, technology)
    print_table(rows)
    print()
    for name, about in ABOUT.items():
        print(f"{name}: {about}")
    if teacher is not None and "problem" in teacher:
        print(printable(f"The teacher is not counted: {teacher['problem']}"))


def _rates(found: dict[str, Any]) -> list[dict[str, str]]:
    """Return a row for each layer of neurons, with what the synapses that it feeds cost."""
    rows = []
    for one in found["firing_rates"]:
        by_step = " ".join(f"{share:.1%}" for share in one["by_step"][:8])
        more = " ..." if len(one["by_step"]) > 8 else ""
        rows.append(
            {"layer": one["layer"], "neurons": f"{one['neurons']:.0f}", "firing rate": f"{one['rate']:.2%}"}
            | {"by step": by_step + more}
        )
    neurons = sum(one["neurons"] for one in found["firing_rates"])
    rows.append(
        {"layer": "all", "neurons": f"{neurons:.0f}", "firing rate": f"{found['firing_rate']:.2%}", "by step": ""}
    )
    return rows


def _conventions(of: str, found: dict[str, Any], technology: str) -> list[dict[str, str]]:
    return [
        {
            "of": of,
            "convention": name,
            "MACs": quantity(counted["macs"]),
            "ACs": quantity(counted["acs"]),
            "if nothing were 0": quantity(counted["dense"]),
            "energy": energy(counted["energy_mj"][technology]),
        }
        for name, counted in found["conventions"].items()
    ]


def quantity(number: float) -> str:
    """Return a number of operations: `12.20 M`."""
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.2f} {sign}"
    return f"{number:.0f}"


def energy(millijoules: float) -> str:
    """Return an energy: `0.42 mJ`, `6.31 uJ`."""
    for size, sign in ((1.0, "mJ"), (1e-3, "uJ")):
        if millijoules >= 0.1 * size:
            return f"{millijoules / size:.2f} {sign}"
    return f"{millijoules * 1e6:.2f} nJ"
