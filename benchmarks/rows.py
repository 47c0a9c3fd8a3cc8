"""The rows of the tables: each a task and those who do it. `GROUPS` are the names of the command line."""

from dataclasses import dataclass

from benchmarks.tasks import (
    Distillation,
    Inference,
    Net,
    NeuronLayer,
    NormNeuronLayer,
    Pipeline,
    RecipeStep,
    Task,
    Training,
)

MNIST_2CONV = Net(
    "convnet",
    (1, 28, 28),
    sizes=(("channels", (128, 128)), ("hidden", (1152,))),
    tiny=(("channels", (4, 4)), ("hidden", (8,))),
)
WRN16_2 = Net("wrn", (3, 32, 32), sizes=(("depth", 16), ("widen", 2)), tiny=(("depth", 10), ("widen", 1)))
RESNET18 = Net("resnet", (3, 32, 32), sizes=(("width", 64),), tiny=(("width", 4),))
MLP = Net("mlp", (1, 28, 28), sizes=(("hidden", (100,)),), tiny=(("hidden", (6,)),))
NETS = {"mnist-2conv": MNIST_2CONV, "wrn16-2": WRN16_2, "resnet-18": RESNET18, "mlp": MLP}

OURS = ("ours-bf16", "ours-fp32", "ours-reference")
PEERS = ("spikingjelly-best", "spikingjelly-amp", "spikingjelly-tutorial", "snntorch", "norse", "sinabs")
COMPILED = "spikingjelly-best-compile"
NETWORK = (*OURS, *PEERS, COMPILED, "spikingjelly-amp-malloc", "ann", "convolutions")
TRAINED = (*OURS, "ours-bf16-rate", *NETWORK[len(OURS) :])
LAYER = (*OURS, *PEERS, COMPILED, "copy")
SHORT = (
    "ours-bf16",
    "ours-fp32",
    "ours-bf16-rate",
    "spikingjelly-best",
    "spikingjelly-tutorial",
    "ann",
    "convolutions",
)
SOURCES = ("stored", "teacher", "alone")
DISTILLATION = tuple(f"ours-{dtype}-{source}" for dtype in ("bf16", "fp32") for source in SOURCES)
PIPELINE = ("pipeline-and-model", "model-alone", "pipeline-alone")
STEPS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Row:
    """A task, its contenders in the order of their turns, and the first of them is what all others are compared to."""

    name: str
    task: Task
    contenders: tuple[str, ...]

    @property
    def base(self) -> str:
        """The contender that ratios are formed with."""
        return self.contenders[0]


LAYERS = (
    Row("neuron", NeuronLayer(32, 4, (64, 32, 32)), LAYER),
    Row("norm-neuron", NormNeuronLayer(32, 4, (64, 32, 32)), LAYER),
)
TRAINING = (
    Row("train-mnist-2conv", Training(64, 4, MNIST_2CONV), TRAINED),
    Row("train-wrn16-2", Training(32, 4, WRN16_2), TRAINED),
    Row("train-resnet-18", Training(16, 4, RESNET18), TRAINED),
)
LONG = (Row("train-mlp-T128", Training(128, 128, MLP), (*OURS, *PEERS, "ann")),)
INFERENCE = tuple(
    Row(f"infer-{name}-B{batch}", Inference(batch, 4, NETS[name]), NETWORK)
    for name in ("mnist-2conv", "wrn16-2", "resnet-18")
    for batch in (64, 1)
)
OVER_STEPS = tuple(Row(f"train-wrn16-2-T{steps}", Training(8, steps, WRN16_2), SHORT) for steps in STEPS)
TEACHERS = (
    Row(
        "distil-wrn16-2",
        Distillation(32, 4, WRN16_2, RESNET18),
        (*DISTILLATION, "spikingjelly-best-teacher", "ann", "convolutions"),
    ),
)
DATA = (Row("data-pipeline", Pipeline(32, 4, WRN16_2), PIPELINE),)


def _minutes(name: str, batch: int = 64, steps: int = 4, share: float = 0.0, drawn: int = 1) -> Row:
    """A step of a recipe; one with phases has a row for each that differs."""
    part = f"-from-{share:g}" if share else ""
    return Row(f"step-{name}{part}", RecipeStep(batch, steps, name, share, drawn), ("ours-recipe",))


def _ladder(table: str) -> tuple[Row, ...]:
    """The steps of a table of rungs; others cost what one of these does (`benchmarks.minutes.Step`)."""
    return (
        *(_minutes(f"{table}-{name}") for name in ("plain", "short", "whitened", "distilled")),
        _minutes(f"{table}-ann", 128, 1),
        _minutes(f"{table}-rates"),
        _minutes(f"{table}-phases", 256, 1),
        *(_minutes(f"{table}-{name}", drawn=4) for name in ("drawn", "distilled-drawn")),
    )


LADDERS = {
    "cifar10-minutes": (
        *_ladder("cifar10-minutes"),
        _minutes("cifar10-minutes-averaged"),
        _minutes("cifar10-minutes-ann-brief-muon", 128, 1),
        _minutes("cifar10-minutes-muon", drawn=4),
        _minutes("cifar10-minutes-muon", share=0.8),
    ),
    "standin-minutes": _ladder("standin-minutes"),
    "mnist-minutes": (
        _minutes("mnist-minutes-ann", 128, 1),
        _minutes("mnist-minutes-distilled", 256, 1),
        _minutes("mnist-minutes-distilled", share=0.5),
        _minutes("mnist-minutes-half", 256, 1),
        _minutes("mnist-minutes-half", share=0.7),
    ),
}
"""Steps of a table's recipes, which are compared with the first; see `benchmarks.minutes`."""
OPPONENTS_STEP = Row("minutes-opponent", Training(64, 4, WRN16_2), (COMPILED, "spikingjelly-best", "ours-bf16"))
"""The step of `plain` as SpikingJelly does it, augmentation not counted."""
MINUTES = (*(row for rows in LADDERS.values() for row in rows), OPPONENTS_STEP)

GROUPS: dict[str, tuple[Row, ...]] = {
    "layers": LAYERS,
    "training": TRAINING,
    "long": LONG,
    "inference": INFERENCE,
    "over-steps": OVER_STEPS,
    "distillation": TEACHERS,
    "data": DATA,
    "minutes": MINUTES,
}
TOGETHER = tuple(LADDERS.values())
"""Rows that are compared with each other where all of them are asked for: their steps alternate."""
ALL = tuple(row for rows in GROUPS.values() for row in rows)
ROWS = {row.name: row for row in ALL}


def parts_of(name: str) -> list[tuple[Row, ...]]:
    """The rows of this name, those in a part of their own that are measured together.

    Raises:
        KeyError: there is none.
    """
    rows = find(name)
    together = [part for part in TOGETHER if set(part) <= set(rows)]
    return [*together, *((row,) for row in rows if not any(row in part for part in together))]


def find(name: str) -> tuple[Row, ...]:
    """The rows of this name: a row's own, a group's, a ladder's, or `all`.

    Raises:
        KeyError: there is none.
    """
    if name == "all":
        return ALL
    return (GROUPS | LADDERS)[name] if name in GROUPS or name in LADDERS else (ROWS[name],)
