"""Where a step spends its time: `python -m benchmarks.profile ROW CONTENDER` prints operators and their shares."""

import argparse
import os
from collections.abc import Sequence

from benchmarks.child import prepare
from benchmarks.contenders import CONTENDERS
from benchmarks.rows import ROWS

FIRST_STEPS, STEPS = 5, 10


def main(words: Sequence[str] | None = None) -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("--quick", action="store_true", help="tiny sizes")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--lines", type=int, default=16)
    options = parser.parse_args(words)
    contender = CONTENDERS[options.contender]
    prepare(contender, options.threads)

    import torch
    from torch.profiler import ProfilerActivity, profile

    from benchmarks.child import begin

    task = ROWS[options.row].task
    work = begin(task.quick() if options.quick else task, contender, torch.device("cpu"))
    for _ in range(FIRST_STEPS):
        work.step()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(STEPS):
            work.step()
    events = sorted(profiled.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    print(f"{options.row}  {options.contender}: {total / STEPS / 1e3:.1f} ms a step, the profiler's own part included")
    for event in events[: options.lines]:
        milliseconds = event.self_cpu_time_total / STEPS / 1e3
        print(
            f"{milliseconds:9.2f} ms {event.self_cpu_time_total / total:6.1%} {event.count / STEPS:6.0f}x  {event.key}"
        )


if __name__ == "__main__":
    main()
