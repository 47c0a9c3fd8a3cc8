import threading
from pathlib import Path

import pytest

from spikedistill.data.files import data_root
from spikedistill.data.mnist import MNIST
from spikedistill.errors import InputError


def test_root_is_the_field_then_the_variable_then_the_cache(monkeypatch):
    monkeypatch.setenv("SPIKEDISTILL_DATA", "/from/variable")
    assert data_root("/from/field") == Path("/from/field")
    assert data_root("") == Path("/from/variable")
    monkeypatch.setenv("SPIKEDISTILL_DATA", "")
    assert data_root("") == Path.home() / ".cache" / "spikedistill" / "data"
    assert data_root("~/x") == Path.home() / "x"


def test_absent_files_are_downloaded_once(published, tmp_path, capsys):
    root = tmp_path / "new" / "root"
    assert len(published(root=str(root)).load().train) == 30
    assert capsys.readouterr().err.count("Downloading file://") == 4
    assert sorted(path.name for path in (root / "MNIST").iterdir()) == ["raw"]
    assert len(published(root=str(root)).load().train) == 30
    assert capsys.readouterr().err == ""


def test_an_empty_folder_is_filled(published, tmp_path):
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    assert len(published(root=str(tmp_path)).load().test) == 20


def test_a_download_with_another_checksum_is_refused_and_leaves_nothing(published, tmp_path):
    source = tmp_path / "network" / "t10k-labels-idx1-ubyte.gz"
    source.write_bytes(source.read_bytes() + b"x")
    with pytest.raises(InputError, match="MD5"):
        published(root=str(tmp_path)).load()
    assert list((tmp_path / "MNIST").iterdir()) == []


def test_without_a_network_the_message_says_which_files_go_where(tmp_path, small):
    class Unreachable(small):
        address = "http://127.0.0.1:9/"

    with pytest.raises(InputError) as caught:
        Unreachable(root=str(tmp_path)).load()
    message = str(caught.value)
    for name in MNIST.files:
        assert f"{name}.gz" in message
    assert str(tmp_path / "MNIST" / "raw") in message
    assert "--data.root" in message
    assert "SPIKEDISTILL_DATA" in message
    assert list((tmp_path / "MNIST").iterdir()) == []


def test_files_of_two_sources_are_never_mixed(published, small_root):
    (small_root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match=r"lacks t10k-labels-idx1-ubyte.gz\."):
        published(root=str(small_root)).load()


def test_other_files_in_the_folder_are_left_alone(published, tmp_path):
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    note = tmp_path / "MNIST" / "raw" / "note"
    note.write_text("mine")
    with pytest.raises(InputError, match="lacks"):
        published(root=str(tmp_path)).load()
    assert note.read_text() == "mine"


def test_a_root_that_cannot_be_made_is_told(published, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="could not be downloaded"):
        published(root=str(tmp_path / "file")).load()


@pytest.mark.parametrize("made", [False, True])
def test_loads_at_the_same_time_do_not_meet(published, tmp_path, made):
    if made:
        (tmp_path / "root" / "MNIST" / "raw").mkdir(parents=True)
    barrier = threading.Barrier(4)
    results = []

    def load():
        barrier.wait()
        results.append(len(published(root=str(tmp_path / "root")).load().train))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [30] * 4
    assert [path.name for path in (tmp_path / "root" / "MNIST").iterdir()] == ["raw"]


@pytest.mark.parametrize(
    "root",
    ["/tmp/" + "a" * 300, "/tmp/" + "a/" * 2500, "/tmp/a\0b", "~nobody-of-this", "\ud800", "/tmp/\udcff/x"],
)
def test_odd_paths_end_in_one_line(root, small):
    class Unreachable(small):
        address = "http://127.0.0.1:9/"

    with pytest.raises(InputError) as caught:
        Unreachable(root=root).load()
    assert len(str(caught.value)) < 1500
    assert "--data.root" in str(caught.value)
