"""Accuracy against time and latency of a run as lines for people."""

from collections.abc import Sequence
from typing import Any

from spikedistill.cli.answers_text import where
from spikedistill.cli.energy_text import energy, quantity
from spikedistill.cli.shown import print_table
from spikedistill.machine.terminal import printable


def print_anytime(found: dict[str, Any]) -> None:
    """Print what a run of t steps gives, then what stopping sure images early gives."""
    print(printable(f"Anytime, {where(found)}: a run of t steps, of which one of {found['steps']} begins with all"))
    print(
        f"energy: exact, {found['technology']}, mean over {found['images_counted']} images; latency: one image, median",
        end="\n\n",
    )
    print_table(
        [
            {
                "t": one["steps"],
                "accuracy": f"{one['accuracy']:.2%}",
                "SynOps": quantity(one["synops"]),
                "energy": energy(one["energy_mj"]),
                "latency": f"{one['latency_ms']:.2f} ms",
            }
            for one in found["by_steps"]
        ]
    )
    print(
        "\nEarly exit: each image stops once its confidence, of the mean of the logits so far, reaches the threshold;"
    )
    print("energy: the mean image's in the steps that images take", end="\n\n")
    print_table(
        [
            {
                "threshold": f"{one['threshold']:g}",
                "accuracy": f"{one['accuracy']:.2%}",
                "mean steps": f"{one['steps']:.2f}",
                "energy": "-" if one["energy_mj"] is None else energy(one["energy_mj"]),
            }
            for one in found["early_exit"]
        ]
    )


def print_latency(found: dict[str, Any]) -> None:
    """Print how long passes take."""
    about = f"{found['device']}, {found['threads']} threads, {found['precision']}, kernels: {found['kernels']}"
    print(printable(f"Latency from stored images to logits, T = {found['steps']}, {about}"), end="\n\n")
    print_table(
        [
            {
                "images at a time": one["batch"],
                "median": f"{one['ms']:.2f} ms",
                "10 % to 90 %": f"{one['ms_p10']:.2f} to {one['ms_p90']:.2f} ms",
                "passes": one["passes"],
                "images a second": f"{one['images_per_second']:.1f}",
            }
            for one in found["batches"]
        ]
    )
    if found["left_out"]:
        sizes = ", ".join(map(str, found["left_out"]))
        print(f"\nLeft out, too large for the memory or for ten seconds a pass: {sizes}")


def print_latency_of_several(runs: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """Print medians of several runs, each with its name and its setting, a row each."""
    print("Latency from stored images to logits: median at batch 1, and images a second at the largest", end="\n\n")
    print_table(
        [
            {"run": name, "T": one["steps"], "batch 1": f"{one['batches'][0]['ms']:.2f} ms"}
            | {"images a second": f"{one['batches'][-1]['images_per_second']:.1f}", "of": one["batches"][-1]["batch"]}
            | {"on": f"{one['device']}, {one['threads']} threads, {one['precision']}"}
            for name, _, one in runs
        ]
    )
