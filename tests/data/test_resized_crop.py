"""Parts have torchvision's distribution, by a loop written from its documentation; pixels are Pillow's."""

import math
import random

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from spikedistill.data import ResizedCrop, TensorSplit
from spikedistill.data import pictures as room
from spikedistill.data.pictures import Fit, PictureSplit
from spikedistill.data.resized_crop import cut_and_resize
from spikedistill.data.transform import Augmented
from spikedistill.errors import InputError
from spikedistill.randomness import Draws


def drawn_by_a_loop(height, width, least=0.08, ratio=4 / 3):
    for _ in range(10):
        area = height * width * random.uniform(least, 1.0)
        aspect = math.exp(random.uniform(-math.log(ratio), math.log(ratio)))
        wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < high <= height:
            return random.randint(0, height - high), random.randint(0, width - wide), high, wide
    high = height if width / height >= 1 / ratio else round(width * ratio)
    wide = width if width / height <= ratio else round(height * ratio)
    return (height - high) // 2, (width - wide) // 2, high, wide


@pytest.mark.parametrize("size", [(375, 500), (64, 64), (40, 300), (500, 60)])
def test_parts_have_the_usual_distribution(size):
    random.seed(0)
    height, width = size
    theirs = np.array([drawn_by_a_loop(height, width) for _ in range(4000)])
    crop = ResizedCrop()
    mine = crop.boxes(crop.numbers(Draws(0, 0, torch.arange(4000))), height, width).numpy()
    for k in range(4):
        assert stats.ks_2samp(mine[:, k], theirs[:, k]).pvalue > 0.001
    assert stats.ks_2samp(mine[:, 2] * mine[:, 3], theirs[:, 2] * theirs[:, 3]).pvalue > 0.001
    ends = mine[:, :2] + mine[:, 2:]
    assert mine.min() >= 0
    assert (ends <= size).all()
    assert (mine[:, 2:] >= 1).all()


def test_pixels_are_pillows_to_a_grey_level():
    images = torch.randint(0, 256, (40, 3, 20, 15), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    crop, draws = ResizedCrop(), Draws(4, 2, torch.arange(40))
    shown = crop(images, draws)
    for image, part, (top, left, high, wide) in zip(
        images, shown, crop.boxes(crop.numbers(draws), 20, 15).tolist(), strict=True
    ):
        picture = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
        cut = picture.crop((left, top, left + wide, top + high)).resize((15, 20), Image.Resampling.BILINEAR)
        difference = np.asarray(cut).astype(int) - part.permute(1, 2, 0).numpy()
        assert np.abs(difference).max() <= 1
        assert (difference == 0).mean() > 0.7


def test_the_whole_picture_is_itself():
    images = torch.randint(0, 256, (4, 2, 9, 7), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    whole = torch.tensor([[0, 0, 9, 7]]).expand(4, -1)
    assert torch.equal(cut_and_resize(images, whole), images)
    assert torch.equal(
        ResizedCrop(least=1.0, ratio=1.0)(images[:, :, :7], Draws(0, 0, torch.arange(4))), images[:, :, :7]
    )


@pytest.fixture
def files(tmp_path):
    """Pictures of many sizes, larger than what is read of them."""
    draw = np.random.default_rng(0)
    paths = []
    for k in range(8):
        size = (int(draw.integers(30, 90)), int(draw.integers(30, 90)), 3)
        paths.append(tmp_path / f"{k}.png")
        Image.fromarray(draw.integers(0, 256, size, dtype=np.uint8)).save(paths[-1])
    return PictureSplit(torch.arange(8), tuple(paths), Fit(3, 16, 16, "crop"))


def test_parts_are_cut_from_the_pictures_in_their_files(files):
    """Whichever part of the data they are, and in any order; what follows sees the part."""
    crop = ResizedCrop()
    some = files[torch.tensor([6, 1, 3])]
    shown = Augmented(some.labels, some, (crop,), 5).take(torch.tensor([2, 0]), 7)
    for place, number in ((0, 2), (1, 0)):
        picture = Image.open(files.files[[6, 1, 3][number]])
        numbers = crop.numbers(Draws(5, 7, torch.tensor([number])))
        top, left, high, wide = crop.boxes(numbers, picture.height, picture.width)[0].tolist()
        part = picture.crop((left, top, left + wide, top + high)).resize((16, 16), Image.Resampling.BILINEAR)
        assert torch.equal(shown[place], torch.from_numpy(np.array(part)).permute(2, 0, 1))
    in_memory = TensorSplit(some.first(3), some.labels)
    assert not torch.equal(Augmented(some.labels, in_memory, (crop,), 5).take(torch.tensor([2, 0]), 7), shown)


def test_other_transformations_see_the_cut_middle(files):
    from spikedistill.data import Flip

    shown = Augmented(files.labels, files, (Flip(), ResizedCrop()), 0).take(torch.arange(8), 1)
    draws = Draws(0, 1, torch.arange(8))
    assert torch.equal(shown, ResizedCrop()(Flip()(files.first(8), draws), draws))


@pytest.mark.parametrize("size", [(300, 400), (513, 300), (224, 224), (90, 100)])
def test_the_middle_is_cut_as_torchvision_does(tmp_path, size):
    """Resize(256) and CenterCrop(224), written from their documentation."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))
    picture.save(tmp_path / "a.png")
    height, width = size
    between = (int(256 * width / height), 256) if height <= width else (256, int(256 * height / width))
    scaled = picture.resize(between, Image.Resampling.BILINEAR)
    left, top = round((between[0] - 224) / 2), round((between[1] - 224) / 2)
    expected = np.asarray(scaled.crop((left, top, left + 224, top + 224)))
    with room.bombs_refused():
        assert np.array_equal(Fit(3, 224, 224, "crop").read(tmp_path / "a.png").permute(1, 2, 0), expected)


def test_many_threads_decode_what_one_does(files, monkeypatch):
    one = files.first(8)
    monkeypatch.setattr(room.torch, "get_num_threads", lambda: 5)
    monkeypatch.setattr(room, "AT_ONCE", 3)
    assert torch.equal(files.first(8), one)
    files.files[3].write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"3\.png cannot be decoded as a picture"):
        files.first(8)


def test_a_ribbon_is_no_picture(tmp_path):
    Image.fromarray(np.zeros((3, 900), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="3 x 900 pixels high and wide, which is no picture"):
        PictureSplit(torch.arange(1), (tmp_path / "a.png",), Fit(3, 16, 16, "crop")).first(1)


@pytest.mark.parametrize("fields", [{"least": 0.0}, {"least": 1.5}, {"ratio": 0.5}, {"ratio": math.nan}])
def test_impossible_parts_are_refused(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        ResizedCrop(**fields)
