"""What keeps its meaning between spikes, and what is said of the rest.

ReLUs become neurons. What moves numbers, adds them or weighs them with fixed factors is the same for a spike as for a
number, and so is the maximum of a window: it stays, and works in each time step alone. All else is refused by its name
and place: another activation bends currents where no neuron fires, a softmax or a norm of an image's own features makes
its factors anew in each step, a recurrent layer has a time of its own.
"""

from torch import fx, nn

from spikedistill.errors import InputError
from spikedistill.models import layers
from spikedistill.models.twin.follow import DROPOUT, HANGS, Followed, called
from spikedistill.neurons import Norm

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
DROPOUTS: dict[type[nn.Module], int] = {nn.Dropout: 0, nn.Dropout1d: 1, nn.Dropout2d: 2, nn.Dropout3d: 3}
"""Layers that drop, with the number of axes that share their fate."""
LAYERS = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear),
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    *(nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d),
    *(nn.Upsample, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle, nn.Fold, nn.Unfold),
    *(nn.Flatten, nn.Unflatten, nn.Identity),
)
"""Layers of torch that stay; those with a norm, and dropout, are looked at in their own way."""
OWN_LAYERS = (
    *(layers.Conv2d, layers.Linear, layers.ConvNorm, layers.NormAct, layers.MaxPool2d, layers.AvgPool2d),
    *(layers.GlobalMean, layers.Flatten, layers.Reshape, layers.Add, layers.PadChannels, layers.Dropout, Norm),
    *(layers.Vote, nn.Identity),
)
RELU = "relu"
_names = str.split
RESHAPES = frozenset({"view", "reshape", "flatten", "unflatten"})
MOVES = frozenset(
    _names(
        "squeeze unsqueeze permute transpose movedim swapaxes swapdims contiguous chunk split tensor_split unbind "
        "getitem cat concat concatenate stack narrow select roll flip pixel_shuffle pixel_unshuffle channel_shuffle "
        "pad clone max_pool1d max_pool2d max_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d amax"
    )
)
SUMS = frozenset(
    _names(
        "add sub neg mean sum avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
        "adaptive_avg_pool3d interpolate upsample conv1d conv2d conv3d conv_transpose1d conv_transpose2d "
        "conv_transpose3d linear"
    )
)
PRODUCTS = frozenset({"mul", "div", "truediv", "matmul"})
"""Of one tensor of the images with fixed factors."""
FUNCTIONS = RESHAPES | MOVES | SUMS | PRODUCTS
AT_THE_END = "log_softmax"
"""It changes an image's logits by one number for all classes, which no loss sees."""

_REASONS = {
    "an activation that is no ReLU: put nn.ReLU in its place and train it again": _names(
        "elu selu celu gelu silu swish mish leakyrelu prelu rrelu relu6 hardtanh hardswish hardsigmoid hardshrink "
        "sigmoid logsigmoid tanh tanhshrink softplus softshrink softsign glu threshold clamp clip"
    ),
    "a softmax weighs with factors that it makes anew in each time step; at the end, return the logits without "
    "it": _names("softmax softmax2d softmin logsoftmax multiheadattention scaleddotproductattention"),
    "a norm of an image's own features, made anew in each time step: take BatchNorm, which stands still once "
    "trained": _names(
        "layernorm groupnorm instancenorm instancenorm1d instancenorm2d instancenorm3d localresponsenorm rmsnorm"
    ),
    "it has a time of its own": _names("lstm gru rnn lstmcell grucell rnncell"),
}
"""Why something cannot stay, with the names of layers and functions, in small letters and without underscores."""


def is_relu(followed: Followed, node: fx.Node) -> bool:
    """Whether a call is a ReLU, a layer or a function."""
    module = followed.module(node)
    return isinstance(module, nn.ReLU) or (node.op in ("call_function", "call_method") and _is_torchs(node, RELU))


def check(followed: Followed, nodes: list[fx.Node]) -> None:
    """Raise InputError naming what has no spiking meaning among calls of a module, and where it stands."""
    wrong = [f"{followed.what(node)}: {reason}" for node in nodes if (reason := why_not(followed, node))]
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise InputError(f"{followed.name} has what means nothing between spikes. {'; '.join(wrong[:3])}{more}.")


def why_not(followed: Followed, node: fx.Node) -> str:
    """Return why a call cannot stay as it is; nothing where it can."""
    if node.op in ("placeholder", "get_attr", "output"):
        return ""
    if followed.constant(node):
        return "it is a layer of parameters alone" if node.op == "call_module" else ""
    if not followed.timed(node):
        return "it puts numbers of several images together, or parts them from their image"
    return _why_no_layer(followed, node) if node.op == "call_module" else _why_no_function(followed, node)


def _why_no_layer(followed: Followed, node: fx.Node) -> str:
    module = followed.module(node)
    assert module is not None
    if followed.own:
        neuron = module.act.neuron if isinstance(module, layers.NormAct) else None
        if neuron is not None and neuron.spiking:
            return "it has spiking neurons already"
        return "" if isinstance(module, OWN_LAYERS) else _reason(type(module).__name__)
    if isinstance(module, nn.LogSoftmax) and _ends(node):
        return ""
    if node.kwargs or len(node.args) != 1:
        return "it is given more than one tensor"
    return "" if isinstance(module, (*LAYERS, *NORMS, *DROPOUTS, nn.ReLU)) else _reason(type(module).__name__)


def _why_no_function(followed: Followed, node: fx.Node) -> str:
    name = called(node)
    known = {*FUNCTIONS, RELU, AT_THE_END} if _ends(node) else {*FUNCTIONS, RELU}
    if followed.own or not (node.target in DROPOUT or _is_torchs(node, *known)):
        return _reason(name)
    inputs = [one for one in node.all_input_nodes if followed.timed(one)]
    if not inputs:
        return "it makes a tensor of as many rows as there are images"
    if name in PRODUCTS and (len(inputs) > 1 or (name in ("div", "truediv") and inputs[0] is not node.args[0])):
        return "a product of numbers of the images with each other: their rates' product is not the rate of anything"
    if name not in RESHAPES and any(followed.values[one] is HANGS for one in node.all_input_nodes):
        return "it is given a number that hangs on the images"
    return ""


def _is_torchs(node: fx.Node, *names: str) -> bool:
    """Whether a call is torch's function, Python's operator or a tensor's method of such a name."""
    package = str(getattr(node.target, "__module__", None) or "torch").partition(".")[0]
    return called(node) in names and package in ("torch", "_operator")


def _ends(node: fx.Node) -> bool:
    return all(user.op == "output" for user in node.users)


def _reason(name: str) -> str:
    plain = name.lower().replace("_", "")
    known = (reason for reason, names in _REASONS.items() if plain in names)
    return next(known, "it is not known here what it means between spikes")
