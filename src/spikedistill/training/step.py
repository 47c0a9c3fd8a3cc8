"""The step: student, taps and method in one module under one autocast, from images and answers to loss terms."""

from torch import Tensor, nn

from spikedistill.machine.device import Precision, autocast
from spikedistill.methods.method import Losses, MethodModule, Signals
from spikedistill.models import Network
from spikedistill.models.taps import Taps
from spikedistill.neurons import Backward, backward_pass
from spikedistill.randomness import Draws


class Step(nn.Module):
    """What trains: the student, and the method with the trained parts that it may have. The teacher is outside.

    It is what compile and data parallelism wrap.
    """

    def __init__(self, student: Network, taps: Taps, method: MethodModule, precision: Precision) -> None:
        super().__init__()
        self.student = student
        self.method = method
        self.taps = taps
        self.precision = precision

    def forward(
        self,
        images: Tensor,
        steps: int,
        teacher: Signals | None,
        labels: Tensor,
        draws: Draws | None = None,
        backward: Backward = "time",
    ) -> tuple[Tensor, Losses]:
        """Logits [T, B, K] in float32, and the raw loss terms.

        Args:
            images: Normalised, [B, C, H, W] or [T, B, C, H, W].
            steps: T of images that have no time axis.
            teacher: What it says of the images; None for a method without a teacher.
            labels: Class indices [B].
            draws: Random numbers of the batch, for a method that draws; else None.
            backward: Whether the student goes back through time, or once on rates.

        Raises:
            InputError: a tap did not fire.
        """
        with autocast(images.device, self.precision):
            with self.taps.recording(), backward_pass(backward):
                logits = self.student(images, steps).float()
            student = Signals(logits, self.taps.take())
            return logits, self.method(student, teacher, labels, *(() if draws is None else (draws,)))
