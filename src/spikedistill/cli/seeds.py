"""One recipe over several seeds: `--seeds 0-4`, whose seed the teacher takes, and mean ± standard deviation."""

import re
from collections.abc import Sequence
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from spikedistill.errors import InputError

if TYPE_CHECKING:
    from spikedistill.recipe import Part, Recipe

MOST = 1000
"""Seeds in one command; more is a slip of the finger."""
KEPT, TIED = "kept", "tied"


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return the seeds that `0-4`, `0,2,5` or `0-2,7` names, in that order.

    Raises:
        InputError: it is no such list, a range runs backwards, a seed is named twice, or there are more than `MOST`.
    """
    shape = f"--seeds takes a range or a list of whole numbers, 0-4 or 0,2,5, not {text[:50]!r}."
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,10})(?:\s*-\s*(\d{1,10}))?\s*", part, re.ASCII)
        if not match:
            raise InputError(shape)
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise InputError(f"{shape} The range {part.strip()} runs backwards: write {last}-{first}.")
        if len(seeds) + last - first >= MOST:
            raise InputError(f"--seeds {text[:50]} names more than {MOST} seeds. Take fewer, in several commands.")
        seeds.extend(range(first, last + 1))
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice:
        raise InputError(f"--seeds {text[:50]} names seed {twice[0]} twice. Name each seed once.")
    return tuple(seeds)


def seeded(recipe: "Recipe", seed: int, teacher_seed: str) -> "Recipe":
    """See `spikedistill.table.with_seed`.

    Raises:
        InputError: `tied` is asked for and no teacher or start is trained by a recipe.
    """
    from spikedistill.table import with_seed

    if teacher_seed == TIED and not any(_seeds_of(part) for part in recipe.parts):
        raise InputError(
            "--teacher-seed tied is for a teacher that a recipe trains, and this recipe has none. Leave it out."
        )
    return with_seed(recipe, seed, tied=teacher_seed == TIED)


def teacher_note(recipe: "Recipe") -> str:
    """`start: seed 0, teacher: seed 0`, `teachers: seeds 0, 1`, or nothing where no recipe trains start or teacher."""
    start = sorted({seed for part in recipe.start for seed in _seeds_of(part)})
    teacher = _seeds_of(recipe.teacher) if recipe.teacher is not None else ()
    return ", ".join(_said(what, seeds) for what, seeds in (("start", start), ("teacher", teacher)) if seeds)


def _seeds_of(part: "Part") -> tuple[int, ...]:
    """Return the seeds of the recipes that train a part's networks, their teachers, and so on; each once, ascending."""
    from spikedistill.recipe import recipes_of

    return tuple(sorted({one.seed for one in recipes_of(part)}))


def _said(what: str, seeds: "Sequence[int]") -> str:
    named = ", ".join(map(str, seeds))
    return f"{what}s: seeds {named}" if len(seeds) > 1 else f"{what}: seed {named}"


def mean_and_deviation(shares: Sequence[float]) -> str:
    """Mean and standard deviation (n - 1) of shares, in per cent: `91.8 ± 1.3 %`; of one, that one."""
    deviation = f" ± {100 * stdev(shares):.2f}" if len(shares) > 1 else ""
    return f"{100 * mean(shares):.2f}{deviation} %"


def summary(metrics: Sequence[dict[str, Any]]) -> str:
    """Mean ± standard deviation (n) of the last epoch's accuracy over runs, that of the best epoch beside it."""
    last, best = ([float(one[name]) for one in metrics] for name in ("accuracy", "accuracy_best"))
    chosen_on = metrics[0].get("accuracy_best_chosen_on", "test")
    at_end, at_best = mean_and_deviation(last), mean_and_deviation(best)
    return f"{at_end} (n = {len(last)}) in the last epoch; {at_best} in the best, chosen on {chosen_on}"
