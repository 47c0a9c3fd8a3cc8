"""Distillation methods: one file per paper.

A method is found here by being here: `methods()` lists whatever the modules of this folder define.
"""

from spikedistill.methods.bkdsnn import BKDSNN
from spikedistill.methods.ckdsnn import CKDSNN
from spikedistill.methods.confidence_penalty import ConfidencePenalty
from spikedistill.methods.cross_entropy import CrossEntropy
from spikedistill.methods.default_kd import DefaultKD
from spikedistill.methods.distilling_spikes import DistillingSpikes
from spikedistill.methods.dkd import DKD
from spikedistill.methods.etc import ETC
from spikedistill.methods.fitnet import FitNet
from spikedistill.methods.hta_kl import HTAKL
from spikedistill.methods.kdsnn import KDSNNResponse
from spikedistill.methods.kdsnn_feature import KDSNNFeature
from spikedistill.methods.lasnn import LaSNN
from spikedistill.methods.logit_standardization import LogitStandardization
from spikedistill.methods.method import Losses, Method, MethodModule, Side, Signals, Weights
from spikedistill.methods.sta import STA
from spikedistill.methods.strong_weak import StrongToWeak, WeakToStrong
from spikedistill.methods.sum import Sum
from spikedistill.methods.tet import TET
from spikedistill.methods.tks import TKS
from spikedistill.methods.tpd import TPD
from spikedistill.methods.tser import TSER
from spikedistill.methods.twsnn import TWSNN
from spikedistill.methods.vanilla_kd import VanillaKD
from spikedistill.values.kinds import shipped_kinds

__all__ = [
    "BKDSNN",
    "CKDSNN",
    "DKD",
    "ETC",
    "HTAKL",
    "STA",
    "TET",
    "TKS",
    "TPD",
    "TSER",
    "TWSNN",
    "ConfidencePenalty",
    "CrossEntropy",
    "DefaultKD",
    "DistillingSpikes",
    "FitNet",
    "KDSNNFeature",
    "KDSNNResponse",
    "LaSNN",
    "LogitStandardization",
    "Losses",
    "Method",
    "MethodModule",
    "Side",
    "Signals",
    "StrongToWeak",
    "Sum",
    "VanillaKD",
    "WeakToStrong",
    "Weights",
    "methods",
]


def methods() -> dict[str, type[Method]]:
    """All methods by their names on the command line, in alphabetical order."""
    return shipped_kinds(Method)
