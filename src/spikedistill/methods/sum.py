"""A sum of methods: several losses at once, each with a weight of its own.

    Sum((TSER(), Hint()), factors=(1.0, 100.0))

It is not from a paper; cite those of its parts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.methods.cross_entropy import CrossEntropy
from spikedistill.methods.method import Losses, Method, MethodModule, Side, Signals, Weights
from spikedistill.randomness import Draws

CITATION = ""


@dataclass(frozen=True)
class Sum(Method):
    """L = sum over the parts of weight * L_part.

    Terms: those of the parts, as `part.term`, where a part is called by its method's name; the second of a name is
    called `name-2`. Each part is given the activations that it asks for, and no others.
    """

    name: ClassVar[str] = "sum"

    parts: tuple[Method, ...] = (CrossEntropy(),)
    """Methods, sums too."""
    factors: tuple[float, ...] = ()
    """One for each part; all 1 where it is empty."""

    def __post_init__(self) -> None:
        if not self.parts:
            raise InputError("A sum of methods needs one part or more: parts=(CrossEntropy(), ...).")
        if self.factors and len(self.factors) != len(self.parts):
            raise InputError(
                f"A sum of {len(self.parts)} methods has {len(self.factors)} factors. Give one for each part, or none."
            )
        if not all(-1e9 <= factor <= 1e9 for factor in self.factors):
            raise InputError(f"factors must be between -1e9 and 1e9, not {self.factors}.")

    @property
    def needs_teacher(self) -> bool:  # type: ignore[override]
        """Whether a part does."""
        return any(part.needs_teacher for part in self.parts)

    @property
    def needs_labels(self) -> bool:  # type: ignore[override]
        """Whether a part does."""
        return any(part.needs_labels for part in self.parts)

    @property
    def same_steps(self) -> bool:  # type: ignore[override]
        """Whether a part compares time steps."""
        return any(part.same_steps for part in self.parts)

    @property
    def draws(self) -> bool:  # type: ignore[override]
        """Whether a part draws."""
        return any(part.draws for part in self.parts)

    @property
    def student_taps(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the parts ask for, each once."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.student_taps))

    @property
    def teacher_taps(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the parts ask for, each once."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.teacher_taps))

    @property
    def weights(self) -> Weights:
        """Those of the parts, times their factors; see `factor_of` for terms that a part gives none."""
        terms = [f"{called}.{term}" for called, part in self.named.items() for term in part.weights]
        return {term: self.factor_of(term) for term in terms}

    def factor_of(self, term: str) -> float:
        """The part's factor, times the weight that the part gives its term."""
        called, _, inner = term.partition(".")
        factors = dict(zip(self.named, self.factors or (1.0,) * len(self.parts), strict=True))
        return factors[called] * self.named[called].factor_of(inner)

    def at(self, progress: float) -> "Sum":
        """Each part as it is then."""
        parts = tuple(part.at(progress) for part in self.parts)
        unchanged = all(part is before for part, before in zip(parts, self.parts, strict=True))
        return self if unchanged else replace(self, parts=parts)

    @property
    def named(self) -> dict[str, Method]:
        """The parts by what they are called."""
        named: dict[str, Method] = {}
        for part in self.parts:
            number = sum(other.name == part.name for other in named.values()) + 1
            named[part.name if number == 1 else f"{part.name}-{number}"] = part
        return named

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor, draws: Draws | None = None) -> Losses:
        """See the class; for parts without trained layers."""
        if self.needs_teacher:
            self.taught_by(teacher)
        module = self.build(Side(None, student), None if teacher is None else Side(None, teacher))
        return module(student, teacher, labels, draws)  # type: ignore[no-any-return]

    def build(self, student: Side, teacher: Side | None) -> "SumModule":
        """Build all parts, each for the activations that it asks for."""
        return SumModule([Part(called, part, student, teacher) for called, part in self.named.items()])


class Part(nn.Module):
    """A part's module, and what it is given of all signals."""

    def __init__(self, called: str, method: Method, student: Side, teacher: Side | None) -> None:
        super().__init__()
        self.called = called
        self.draws = method.draws
        self.student_paths = _paths(student, method.student_taps)
        self.teacher_paths = _paths(teacher, method.teacher_taps) if teacher and method.needs_teacher else None
        theirs = None
        if teacher is not None and self.teacher_paths is not None:
            theirs = _narrowed(teacher, self.teacher_paths)
        self.module = method.build(_narrowed(student, self.student_paths), theirs)

    def forward(self, student: Signals, teacher: Signals | None, labels: Tensor, draws: Draws | None) -> Losses:
        """The part's terms, by their names in the sum."""
        theirs = None if teacher is None or self.teacher_paths is None else _only(teacher, self.teacher_paths)
        mine = _only(student, self.student_paths)
        losses = self.module(mine, theirs, labels, *((draws,) if self.draws else ()))
        return {f"{self.called}.{term}": loss for term, loss in losses.items()}


class SumModule(MethodModule):
    """The parts, in their order."""

    def __init__(self, parts: Iterable[Part]) -> None:
        super().__init__(self._terms)
        self.parts = nn.ModuleList(parts)

    def _terms(self, student: Signals, teacher: Signals | None, labels: Tensor, draws: Draws | None = None) -> Losses:
        terms: Losses = {}
        for part in self.parts:
            terms |= part(student, teacher, labels, draws)
        return terms


def _narrowed(side: Side, paths: tuple[str, ...]) -> Side:
    """The same with no other activations."""
    batches = side.batches
    if batches is None:
        return Side(side.network, _only(side.signals, paths))
    return Side(side.network, _only(side.signals, paths), lambda: (_only(signals, paths) for signals in batches()))


def _only(signals: Signals, paths: tuple[str, ...]) -> Signals:
    return Signals(signals.logits, {path: signals.taps[path] for path in paths})


def _paths(side: Side, names: Iterable[str]) -> tuple[str, ...]:
    """What the names of a method's taps are called among the signals: "stages" stands for paths of the network."""
    paths: list[str] = []
    for name in names:
        first, _, inside = name.partition(".")
        stages = getattr(side.network, "stages", ()) if first == "stages" and name not in side.signals.taps else ()
        paths += [f"{stage}.{inside}" if inside else stage for stage in stages] or [name]
    return tuple(dict.fromkeys(paths))
