"""The spiking twin of a ReLU network: an engineer's own module, with neurons where its ReLUs were."""

from spikedistill.models.twin.twin import Twin, TwinNetwork

__all__ = ["Twin", "TwinNetwork"]
