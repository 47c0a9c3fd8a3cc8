"""Pictures from files, as users have them."""

import numpy as np
import pytest
import torch
from PIL import Image

from spikedistill.data.colour import luma
from spikedistill.data.picture import read_picture
from spikedistill.errors import InputError

COLOUR = torch.randint(0, 256, (3, 8, 6), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def saved(path, pixels, mode=None, **options):
    array = np.ascontiguousarray(pixels.permute(1, 2, 0).squeeze(-1).numpy())
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tiff", "gif"])
def test_pixels_are_those_of_the_file(suffix, tmp_path):
    grey = COLOUR[:1]
    assert torch.equal(read_picture(saved(tmp_path / f"a.{suffix}", grey), (1, 8, 6)), grey)
    if suffix != "gif":
        assert torch.equal(read_picture(saved(tmp_path / f"b.{suffix}", COLOUR), (3, 8, 6)), COLOUR)


def test_jpeg_and_webp(tmp_path):
    even = torch.full((3, 8, 6), 120, dtype=torch.uint8)
    for name in ("a.jpg", "a.webp"):
        assert (read_picture(saved(tmp_path / name, even), (3, 8, 6)).int() - 120).abs().max() <= 2


def test_colour_to_grey_and_back(tmp_path):
    path = saved(tmp_path / "a.png", COLOUR)
    assert torch.equal(read_picture(path, (1, 8, 6)), luma(COLOUR[None])[0])
    path = saved(tmp_path / "b.png", COLOUR[:1])
    assert torch.equal(read_picture(path, (3, 8, 6)), COLOUR[:1].expand(3, -1, -1))


def test_transparent_is_black_and_cameras_are_turned(tmp_path):
    clear = torch.cat([COLOUR, torch.zeros(1, 8, 6, dtype=torch.uint8)])
    clear[3, :4] = 255
    read = read_picture(saved(tmp_path / "a.png", clear), (3, 8, 6))
    assert torch.equal(read[:, :4], COLOUR[:, :4])
    assert not read[:, 4:].any()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    path = saved(tmp_path / "b.png", COLOUR, exif=exif)
    assert torch.equal(read_picture(path, (3, 6, 8)), COLOUR.rot90(-1, (1, 2)))


def test_another_size(tmp_path):
    path = saved(tmp_path / "a.png", COLOUR)
    with pytest.raises(InputError, match="8 x 6 pixels high and wide, not 6 x 8"):
        read_picture(path, (3, 6, 8))
    assert read_picture(path, (3, 6, 8), resize=True).shape == (3, 6, 8)


def test_what_is_no_picture(tmp_path):
    whole = saved(tmp_path / "a.png", COLOUR).read_bytes()
    damaged = {"cut.png": whole[:-40], "text.png": b"no picture", "empty.png": b"", "odd.png": whole[:20] + whole[24:]}
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name} cannot be decoded as a picture"):
            read_picture(tmp_path / name, (3, 8, 6))
    (tmp_path / "program.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 6\n%%EndComments\n")
    with pytest.raises(InputError, match="cannot be decoded"):
        read_picture(tmp_path / "program.eps", (3, 8, 6))
    for path in (tmp_path, tmp_path / "none.png"):
        with pytest.raises(InputError, match="There is no picture"):
            read_picture(path, (3, 8, 6))
    Image.fromarray(np.zeros((8, 6), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(InputError, match="more than 8 bits"):
        read_picture(tmp_path / "deep.png", (1, 8, 6))
    with pytest.raises(InputError, match="1 or 3 channels, and the network reads 2"):
        read_picture(tmp_path / "a.png", (2, 8, 6))


def test_a_small_file_of_many_pixels(tmp_path):
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    with pytest.raises(InputError, match=r"bomb\.png cannot be decoded"):
        read_picture(tmp_path / "bomb.png", (1, 8, 8), resize=True)
