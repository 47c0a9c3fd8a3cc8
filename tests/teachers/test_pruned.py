import copy
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils import prune as oracle

from spikedistill.errors import InputError
from spikedistill.methods import KDSNNResponse, Signals, VanillaKD
from spikedistill.recipe import Teacher
from spikedistill.runs import train as runs
from spikedistill.teachers import FromModule, FromRecipe, LoadedTeacher, Pruned
from spikedistill.teachers.pruned import prune

RATIOS = [0.0, 0.1, 0.5, 0.77, 0.99]


class Net(nn.Sequential):
    def __init__(self):
        torch.manual_seed(1)
        conv = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 5, 3, bias=False)
        super().__init__(*conv, nn.Flatten(), nn.Linear(80, 3))


def zeros(network):
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)]
    return sum(int((w == 0).sum()) for w in weights), sum(w.numel() for w in weights)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_prunes_what_torch_prunes(ratio, scope):
    ours, theirs = Net(), Net()
    convolutions = [(theirs[0], "weight"), (theirs[3], "weight")]
    if scope == "global":
        oracle.global_unstructured(convolutions, oracle.L1Unstructured, amount=ratio)
    else:
        for layer, name in convolutions:
            oracle.l1_unstructured(layer, name, amount=ratio)
    masks = prune(ours, ratio, scope)
    assert list(masks) == ["0", "3"]
    for path in (0, 3):
        assert torch.equal(masks[str(path)], theirs[path].weight_mask.bool())
        assert torch.equal(ours[path].weight, theirs[path].weight)


def test_all_but_the_weights_of_convolutions_stays():
    before, pruned = Net().state_dict(), Net()
    prune(pruned, 0.9, "global")
    changed = {key for key, value in pruned.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"0.weight", "3.weight"}


def test_of_equal_weights_as_many_go_as_asked_for():
    network = nn.Sequential(nn.Conv2d(2, 5, 1, bias=False))
    nn.init.constant_(network[0].weight, -0.5)
    prune(network, 0.3, "global")
    assert zeros(network) == (3, 10)


def test_a_weight_that_two_convolutions_share_counts_once():
    network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1))
    network[1].weight = network[0].weight
    masks = prune(network, 0.5, "layerwise")
    assert list(masks) == ["0"]
    assert int((network[0].weight == 0).sum()) == 8


@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_masks_are_kept_and_counted(scope, taught, teacher, load):
    loaded = load(taught(VanillaKD(), teacher=Pruned(FromRecipe(teacher), 0.3, scope)))
    assert sum(pruned for pruned, _ in loaded.counts.values()) == pytest.approx(zeros(loaded.network)[0], abs=1)
    assert sum(total for _, total in loaded.counts.values()) == zeros(loaded.network)[1]
    modules = dict(loaded.network.named_modules())
    for path, mask in loaded.masks.items():
        assert torch.equal(modules[path].weight != 0, mask)
    shares = [pruned / total for pruned, total in loaded.counts.values()]
    if scope == "layerwise":
        assert shares == pytest.approx([0.3] * len(shares), abs=0.02)


def test_ratio_0_is_self_distillation(taught, teacher, load, some):
    dense = load(taught(VanillaKD(), teacher=FromRecipe(teacher)))
    itself = load(taught(VanillaKD(), teacher=Pruned(FromRecipe(teacher), 0.0)))
    assert all(mask.all() for mask in itself.masks.values())
    batch = some(teacher.data.load().train)
    assert torch.equal(itself.answers(batch).logits, dense.answers(batch).logits)


def test_the_dense_teacher_stays_as_it_is(taught, teacher, load, some):
    recipe = taught(VanillaKD(), teacher=FromRecipe(teacher))
    batch = some(teacher.data.load().train)
    before = load(recipe).answers(batch).logits
    sparse = load(replace(recipe, teacher=Pruned(recipe.teacher, 0.9)))
    assert not torch.equal(sparse.answers(batch).logits, before)
    assert torch.equal(load(recipe).answers(batch).logits, before)


def test_identity_says_what_was_pruned(taught, teacher, load):
    kinds = (
        FromRecipe(teacher),
        Pruned(FromRecipe(teacher), 0.3),
        Pruned(FromRecipe(teacher), 0.4),
        Pruned(FromRecipe(teacher), 0.4, "layerwise"),
        Pruned(Pruned(FromRecipe(teacher), 0.3), 0.4),
    )
    assert len({load(taught(VanillaKD(), teacher=kind)).digest for kind in kinds}) == len(kinds)


@dataclass(frozen=True)
class OfAUser(Teacher):
    """A teacher that is no NetworkTeacher and has a network, shared as those of a context are."""

    def load(self, context):
        return LoadedOfAUser({"kind": "OfAUser"}, SHARED)


@dataclass(eq=False)
class LoadedOfAUser(LoadedTeacher):
    asked: nn.Module

    @property
    def network(self):
        return self.asked

    def answers(self, batch):
        return Signals(self.asked(batch.images.float()).unsqueeze(0))


SHARED = Net().eval().requires_grad_(False)


def test_wraps_any_teacher_with_a_network(taught, load):
    before = copy.deepcopy(SHARED.state_dict())
    loaded = load(taught(VanillaKD(), teacher=Pruned(OfAUser(), 0.5)))
    assert zeros(loaded.network)[0] == round(0.5 * zeros(SHARED)[1])
    assert all(torch.equal(value, before[key]) for key, value in SHARED.state_dict().items())


def test_a_run_has_one_dense_teacher_for_all_ratios(taught, teacher, tmp_path):
    for ratio in (0.0, 0.5):
        recipe = taught(VanillaKD(), teacher=Pruned(FromRecipe(teacher), ratio))
        assert runs.train_recipe(recipe, tmp_path, "cpu").finished
    assert len(list(tmp_path.glob("teacher-*"))) == 1


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 1.5, float("nan")])
def test_a_ratio_outside_0_to_1_is_refused(ratio):
    with pytest.raises(InputError, match=r"prune ratio must be in \[0, 1\)"):
        Pruned(FromModule("a:b"), ratio)


def test_a_teacher_without_a_network_is_refused(taught, load):
    with pytest.raises(InputError, match="A Silent has no network"):
        load(taught(VanillaKD(), teacher=Pruned(Silent())))


@dataclass(frozen=True)
class Silent(Teacher):
    def load(self, context):
        return LoadedTeacher({"kind": "Silent"})


def test_a_network_without_convolutions_is_refused():
    with pytest.raises(InputError, match="Linear has no convolutions"):
        prune(nn.Linear(3, 3), 0.5, "global")
    assert prune(nn.Linear(3, 3), 0.0, "global") == {}


def test_a_computed_weight_is_refused():
    network = nn.Sequential(parametrizations.weight_norm(nn.Conv2d(1, 2, 3)))
    with pytest.raises(InputError, match="'0' computes its weight"):
        prune(network, 0.5, "global")


def test_is_a_kind_of_teacher(taught, teacher):
    recipe = taught(KDSNNResponse(), teacher=Pruned(FromRecipe(teacher), 0.3))
    assert replace(recipe, teacher=Pruned(FromRecipe(teacher), 0.4)).hash != recipe.hash
