"""A measurement in a process of its own: `python -m benchmarks.child ROW[,ROW...] CONTENDER` prints one JSON line.

Steps of several rows alternate, so that all of them meet the same weather. Their memory is not told: what one has freed
the next one takes.
"""

import argparse
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import CONTENDERS, KERNELS, Contender
from benchmarks.rows import ROWS
from benchmarks.tasks import Task

if TYPE_CHECKING:
    import torch

    from benchmarks.work import Work

FIRST_STEPS = 3
"""Steps before the clock starts; memory is measured over them."""
SPINS = "20000"
"""Turns that GNU OpenMP's threads wait awake, about a tenth of a millisecond."""


def main(words: Sequence[str] | None = None) -> None:
    """Parse, prepare the environment, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.child", description=__doc__)
    parser.add_argument("rows", type=_tasks, metavar="ROW[,ROW...]")
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(words)
    contender = CONTENDERS[options.contender]
    prepare(contender, options.threads)
    tasks = [task.quick() if options.quick else task for task in options.rows]
    print(json.dumps(measure(tasks, contender, options.device, options.seconds, 1 if options.quick else 5)))


def _tasks(names: str) -> list[Task]:
    unknown = [name for name in names.split(",") if name not in ROWS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no row {unknown[0]!r}")
    return [ROWS[name].task for name in names.split(",")]


def prepare(contender: Contender, threads: int) -> None:
    """Set what must be set before torch is imported.

    Threads that wait at a barrier spin for a moment, then sleep: where they sleep at once, waking them costs 50 us in
    each of a step's hundreds of parallel regions, and where they spin for long, a barrier costs milliseconds on a
    machine that does something else too.
    """
    os.environ["GOMP_SPINCOUNT"] = SPINS
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ[KERNELS] = contender.kernels


def measure(
    tasks: Sequence[Task], contender: Contender, device_name: str, seconds: float, at_least: int
) -> list[dict[str, Any]]:
    """Everything about one contender at each task."""
    import torch

    from benchmarks.measure import bytes_saved, first_steps, seconds_per_step
    from benchmarks.ours import neuron_steps

    device = torch.device(device_name)
    works, peaks, counted = [], [], [neuron_steps(task) for task in tasks]
    for task in tasks:
        works.append(begin(task, contender, device))
        peak = first_steps(works[-1], device, FIRST_STEPS)
        peaks.append(peak if len(tasks) == 1 else None)
    shared = {
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }
    times = seconds_per_step(works, device, seconds, at_least)
    return [
        shared | {"seconds": time, "peak_bytes": peak, "saved_bytes": bytes_saved(work), "neuron_steps": count}
        for time, peak, work, count in zip(times, peaks, works, counted, strict=True)
    ]


def begin(task: Task, contender: Contender, device: "torch.device") -> "Work":
    """The contender's work, with malloc set for those who have it."""
    from spikedistill.machine.allocator import keep_freed_memory

    if contender.keeps_memory or contender.package == "spikedistill":
        keep_freed_memory()
    work: Work = contender.builder()(task, device)
    return work


if __name__ == "__main__":
    main()
