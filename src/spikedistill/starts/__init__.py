"""What is done to a network before its first step, a file for each way; its ANN twin as start and teacher."""

from spikedistill.starts.ann import ann_of, from_ann
from spikedistill.starts.before import Before
from spikedistill.starts.calibrated import Calibrated
from spikedistill.starts.weights import Weights, copy_weights
from spikedistill.starts.whitened import Whitened

__all__ = ["Before", "Calibrated", "Weights", "Whitened", "ann_of", "copy_weights", "from_ann"]
