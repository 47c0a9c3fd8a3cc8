"""What the stand-in's tables share: a setting that a CPU can run many times. It is not a paper's.

The spiking 32C3-P2-64C3-P2-256FC on 12,500 images of CIFAR-10 (random crops and flips), T = 4, 4 epochs, batches of 64,
SGD with cosine: 15 CPU-seconds an epoch, about a minute a run. 5,000 other training images are held out, and nothing
but them chooses a hyper-parameter (`standin-choice`, one seed). Accuracies are on the test images, after the last
epoch.

There is one teacher of each kind, with a seed of its own (100), for students of all seeds: its answers are stored once
(--cache), and differences between methods do not hold those between teachers. The ANN is 64C3-P2-128C3-P2-512FC,
trained for 10 epochs. Methods that compare time steps have it with spikes, and with as many epochs as the student;
reverse KD has the student's own network.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from spikedistill.data.cifar10 import CIFAR10
from spikedistill.data.dataset import Augment
from spikedistill.methods import (
    BKDSNN,
    CKDSNN,
    DKD,
    ETC,
    HTAKL,
    STA,
    TET,
    TKS,
    TPD,
    TSER,
    TWSNN,
    ConfidencePenalty,
    CrossEntropy,
    DefaultKD,
    DistillingSpikes,
    FitNet,
    KDSNNFeature,
    KDSNNResponse,
    LaSNN,
    LogitStandardization,
    StrongToWeak,
    Sum,
    VanillaKD,
    WeakToStrong,
)
from spikedistill.methods.method import Method
from spikedistill.models import ConvNet
from spikedistill.neurons import IF, ReLU
from spikedistill.optim import SGD, Cosine
from spikedistill.recipe import Recipe, Teacher
from spikedistill.teachers import FromRecipe, Pruned

SOURCE = "A stand-in of ours, no paper's setting"
NOTE = (
    "Stand-in: spiking 32C3-P2-64C3-P2-256FC, T = 4, 12,500 images of CIFAR-10, 4 epochs; one teacher of each kind for "
    "all seeds; hyper-parameters chosen on 5,000 other training images."
)
LEARNING_RATES = (0.03, 0.1, 0.3, 1.0)
LEARNING_RATE = 0.3
"""Chosen by `standin-choice`, as `chosen` below."""
_TEACHER_SEED = 100


def scratch_at(learning_rate: float) -> Recipe:
    """The student from scratch."""
    return Recipe(
        name="standin-scratch",
        data=CIFAR10(train_size=12_500, validation=5_000, augment=Augment(crop=4, flip=True)),
        model=ConvNet((32, 64), (256,)),
        neuron=IF(detach_reset=True),
        steps=4,
        optimizer=SGD(learning_rate),
        schedule=Cosine(warmup_epochs=0.5),
        batch_size=64,
        epochs=4,
        evaluate_every=4,
    )


@dataclass(frozen=True)
class Candidate:
    """A method with the hyper-parameter that `standin-choice` chooses."""

    method: Callable[[float], Method]
    weight: str
    """What the hyper-parameter is called."""
    values: tuple[float, ...]
    chosen: float
    teacher: Teacher | None


scratch = scratch_at(LEARNING_RATE)
teacher = replace(
    scratch,
    name="standin-teacher",
    model=ConvNet((64, 128), (512,)),
    neuron=ReLU(),
    epochs=10,
    evaluate_every=10,
    optimizer=SGD(0.1),
    seed=_TEACHER_SEED,
)
spiking_teacher = replace(scratch, name="standin-teacher-spiking", model=teacher.model, seed=_TEACHER_SEED)
own_teacher = replace(scratch, name="standin-teacher-own", seed=_TEACHER_SEED)
ANN = FromRecipe(teacher)
SPIKING = FromRecipe(spiking_teacher)


def pruned(ratio: float) -> Teacher:
    """The student's own network without a share of its convolutions' weights; with all of them at 0."""
    return Pruned(FromRecipe(own_teacher), ratio)


def sparse_kd(alpha: float) -> Method:
    """Distillation from one's own network, at the temperature of the code that reverse KD builds on."""
    return VanillaKD(alpha, temperature=6.0)


def _with_labels(method: Method) -> Method:
    return Sum((CrossEntropy(), method))


def _both_of_kdsnn(weight: float) -> Method:
    """Soft labels at the alpha that is chosen for them alone, and features."""
    return Sum((candidate("kdsnn").method, KDSNNFeature(weight)))


CANDIDATES: dict[str, Candidate] = {
    "vanilla-kd": Candidate(VanillaKD, "alpha", (0.3, 0.5, 0.9), 0.9, ANN),
    "kdsnn": Candidate(KDSNNResponse, "alpha", (0.3, 0.5, 0.9), 0.9, ANN),
    "tser": Candidate(TSER, "alpha", (0.3, 0.5, 0.9), 0.5, ANN),
    "twsnn": Candidate(TWSNN, "alpha", (0.03, 0.1, 0.2, 0.5), 0.1, ANN),
    "hta-kl": Candidate(HTAKL, "weight", (0.1, 0.3, 1.0, 3.0), 0.3, ANN),
    "dkd": Candidate(lambda beta: DKD(beta=beta), "beta", (0.1, 0.3, 1.0, 2.0, 8.0), 0.3, ANN),
    "logit-standardization": Candidate(LogitStandardization, "weight", (0.3, 1.0, 3.0, 9.0), 1.0, ANN),
    "kdsnn-feature": Candidate(lambda w: _with_labels(KDSNNFeature(w)), "weight", (1e-4, 3e-4, 1e-3), 3e-4, ANN),
    "kdsnn and kdsnn-feature": Candidate(_both_of_kdsnn, "weight", (1e-5, 3e-5, 1e-4, 3e-4, 1e-3), 3e-5, ANN),
    "lasnn": Candidate(lambda beta: _with_labels(LaSNN(beta=beta)), "beta", (100.0, 1000.0, 10_000.0), 1000.0, ANN),
    "fitnet": Candidate(lambda w: _with_labels(FitNet(w)), "weight", (1.0, 10.0, 100.0), 10.0, ANN),
    "bkdsnn": Candidate(BKDSNN, "alpha", (7e-6, 7e-5, 7e-4), 7e-5, ANN),
    "ckdsnn": Candidate(CKDSNN, "samd", (0.1, 0.3, 1.0, 3.0), 0.1, ANN),
    "distilling-spikes (spiking teacher without labels)": Candidate(
        lambda kl: DistillingSpikes((1.0 - kl) / 2, (1.0 - kl) / 2, kl), "gamma", (0.2, 0.6, 1.0), 0.6, SPIKING
    ),
    "vanilla-kd (spiking teacher)": Candidate(VanillaKD, "alpha", (0.3, 0.5, 0.9), 0.5, SPIKING),
    "sparse-KD (its own network at ratio 0.3)": Candidate(sparse_kd, "alpha", (0.3, 0.5, 0.9), 0.5, pruned(0.3)),
    "default-kd (no teacher)": Candidate(DefaultKD, "weight", (0.02, 0.1, 0.5, 0.9), 0.1, None),
    "tet (no teacher)": Candidate(TET, "mse_weight", (0.0, 0.05), 0.05, None),
    "tks (no teacher)": Candidate(TKS, "alpha", (0.1, 0.3, 0.7), 0.1, None),
    "tpd (no teacher)": Candidate(TPD, "weight", (0.1, 0.3, 1.0, 3.0), 1.0, None),
    "sta (no teacher)": Candidate(STA, "weight", (0.015, 0.05, 0.15, 0.5), 0.015, None),
    "etc (no teacher)": Candidate(ETC, "weight", (0.1, 0.3, 1.0), 0.3, None),
    "strong-to-weak (no teacher)": Candidate(StrongToWeak, "weight", (0.1, 0.3, 1.0), 0.3, None),
    "weak-to-strong (no teacher)": Candidate(WeakToStrong, "weight", (0.03, 0.1, 0.3, 1.0), 0.03, None),
    "control: label smoothing": Candidate(CrossEntropy, "label_smoothing", (0.05, 0.1, 0.2), 0.2, None),
    "control: confidence penalty": Candidate(ConfidencePenalty, "beta", (0.01, 0.03, 0.1, 0.3), 0.03, None),
}
"""All methods by their labels; where the least or largest of three values was the best, there is one more beyond it.
Each `chosen` is the best of its values on the validation images."""


def taught(name: str, method: Method, by: Teacher | None) -> Recipe:
    """The student with a method."""
    return replace(scratch, name=f"standin-{name}", method=method, teacher=by)


def candidate(label: str, value: float | None = None) -> Recipe:
    """A method of `CANDIDATES` at a value of its hyper-parameter; at the chosen one by default."""
    one = CANDIDATES[label]
    value = one.chosen if value is None else value
    short = label.replace("control: ", "").split(" (")[0].replace(" ", "-").lower()
    if "spiking teacher" in label and short == "vanilla-kd":
        short = "vanilla-kd-spiking"
    return taught(f"{short}-{one.weight.replace('_', '-')}-{value:g}", one.method(value), one.teacher)
