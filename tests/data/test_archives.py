"""Archives as somebody malicious would write them: nothing leaves the folder, and nothing grows beyond its bounds."""

import hashlib
import io
import stat
import tarfile
import zipfile
from typing import ClassVar

import pytest

from spikedistill.data import CIFAR10
from spikedistill.data.archives import unpack_zip
from spikedistill.errors import InputError


def write(path, *entries, mode=None, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.filename = name  # as it is: ZipInfo would mend it
            info.compress_type = compression
            if mode is not None:
                info.external_attr = mode << 16
            file.writestr(info, content)


def unpacked(tmp_path, most=1000):
    folder = tmp_path / "in" / "folder"
    folder.mkdir(parents=True, exist_ok=True)
    unpack_zip(tmp_path / "a.zip", folder, "top", lambda name: not name.startswith("no/"), most)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_wanted_files_without_their_top_folder(tmp_path):
    write(
        tmp_path / "a.zip", ("top/a/b.txt", b"1"), ("top/c", b"22"), ("top/no/d", b"3"), ("other/e", b"4"), ("f", b"5")
    )
    assert unpacked(tmp_path) == {"a/b.txt": b"1", "c": b"22"}


@pytest.mark.parametrize(
    "name",
    ["../x", "top/../../x", "/tmp/x", "top/a/../../../x", "..\\x", "top\\..\\..\\x", "C:/x", "C:x", "top/..", "//x"],
)
def test_an_archive_that_writes_outside_its_folder_is_refused_before_anything_is_written(tmp_path, name):
    write(tmp_path / "a.zip", ("top/a", b"1"), (name, b"evil"))
    with pytest.raises(InputError, match="would write outside its folder"):
        unpacked(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.zip"]


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o600, stat.S_IFCHR | 0o600])
def test_links_and_devices_are_refused(tmp_path, mode):
    write(tmp_path / "a.zip", ("top/link", b"/etc"), mode=mode)
    with pytest.raises(InputError, match="holds a link or a device"):
        unpacked(tmp_path)


def test_an_archive_that_unpacks_to_more_than_it_should_is_refused(tmp_path):
    write(tmp_path / "a.zip", ("top/zeros", bytes(10**6)))
    with pytest.raises(InputError, match="unpacks to more than 1000 bytes"):
        unpacked(tmp_path)


def test_sizes_that_lie_do_not_help(tmp_path):
    """The directory says 10 bytes of a million: no more are written, and their checksum is wrong."""
    write(tmp_path / "a.zip", ("top/zeros", bytes(10**6)))
    content = bytearray((tmp_path / "a.zip").read_bytes())
    for at in (content.find(b"PK\x03\x04") + 22, content.find(b"PK\x01\x02") + 24):
        content[at : at + 4] = (10).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpacked(tmp_path)
    assert all(path.stat().st_size <= 10 for path in (tmp_path / "in").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "spoil",
    [lambda whole: b"", lambda whole: whole[:-30], lambda whole: whole[:40] + b"\xff" * 8 + whole[48:]],
)
def test_damaged_archives_are_named(tmp_path, spoil):
    write(tmp_path / "a.zip", ("top/a", bytes(range(256)) * 3))
    (tmp_path / "a.zip").write_bytes(spoil((tmp_path / "a.zip").read_bytes()))
    with pytest.raises(InputError, match=r"a\.zip cannot be unpacked"):
        unpacked(tmp_path)


def test_a_name_that_is_there_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        write(tmp_path / "a.zip", ("top/a", b"1"), ("top/a", b"2"))
    assert unpacked(tmp_path) == {"a": b"2"}


def test_the_archive_of_cifar_gives_its_own_files_and_no_others(tmp_path):
    """Members are asked for by name; a tar that also holds names that lead elsewhere writes nothing there."""
    archive = tmp_path / "network" / "cifar.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("../../evil", "/tmp/spikedistill-evil", "cifar-10-batches-py/../evil"):
            info = tarfile.TarInfo(name)
            info.size = 4
            tar.addfile(info, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        link.type, link.linkname = tarfile.SYMTYPE, "../../../../../etc/passwd"
        tar.addfile(link)

    class Evil(CIFAR10):
        address: ClassVar[str] = archive.as_uri()
        checksum: ClassVar[str] = hashlib.md5(archive.read_bytes()).hexdigest()

    with pytest.raises(InputError, match="is not the published archive"):
        Evil(root=str(tmp_path / "root")).load()
    assert not list(tmp_path.rglob("*evil*"))
    assert not list((tmp_path / "root").glob("**/data_batch*"))
