"""Samples as pictures: what Pillow reads back."""

import base64
import io

import numpy as np
import torch
from PIL import Image

from spikedistill.data.png import as_png


def read(png):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))


def test_images_are_read_back():
    draw = torch.Generator().manual_seed(0)
    for channels in (1, 3):
        image = torch.randint(0, 256, (channels, 5, 9), generator=draw, dtype=torch.uint8)
        assert np.array_equal(read(as_png(image)), image.permute(1, 2, 0).numpy().squeeze())
    large = torch.full((3, 100, 50), 70, dtype=torch.uint8)
    assert read(as_png(large, 64)).shape == (64, 32, 3)
    assert (read(as_png(large, 64)) == 70).all()
    assert read(as_png(large[:, :9, :9], 64)).shape == (9, 9, 3), "nothing is made larger"
    assert as_png(torch.zeros(4, 3, 3, dtype=torch.uint8)) is None


def test_frames_are_summed_over_time():
    frames = torch.zeros(3, 2, 4, 5, dtype=torch.uint8)
    frames[:, 0, 1, 2] = 100
    frames[0, 1, 3, 4] = 75
    found = read(as_png(frames))
    assert found[1, 2].tolist() == [0, 0, 255]
    assert found[3, 4].tolist() == [63, 0, 0]
    assert found.sum() == 255 + 63
    assert not read(as_png(torch.zeros_like(frames))).any()
