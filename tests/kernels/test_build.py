"""Choosing, building and caching the kernels, with a compiler that only pretends."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from spikedistill import kernels
from spikedistill.errors import InputError
from spikedistill.kernels import build, choice


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """An empty cache folder, nothing loaded yet and nothing said."""
    monkeypatch.setenv(build.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(choice, "_said", set())
    build.load.cache_clear()
    yield tmp_path
    build.load.cache_clear()


def pretend_compiler(folder: Path, commands: str) -> str:
    """A script in the compiler's place; `$library` is what it is asked to write."""
    path = folder / "compiler"
    find = 'while [ "$1" != "-o" ]; do shift; done; library="$2"'
    path.write_text(f"#!/bin/sh\n{find}\n{commands}\n")
    path.chmod(0o755)
    return str(path)


def test_an_unknown_value_is_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(choice.VARIABLE, "cpuu")
    with pytest.raises(InputError, match="Did you mean 'cpu'"):
        kernels.max_pool2d(torch.zeros(1, 1, 2, 2))


def test_reference_builds_nothing(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(choice.VARIABLE, "reference")
    monkeypatch.setenv("CXX", pretend_compiler(fresh, "exit 1"))
    assert choice.implementation("cpu") == "reference"
    assert not (fresh / "cache").exists()


def test_without_a_compiler_the_definitions_are_used_and_that_is_said_once(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(choice.VARIABLE, "auto")
    monkeypatch.setenv("CXX", str(fresh / "nowhere"))
    x = torch.randn(1, 2, 4, 4)
    assert kernels.max_pool2d(x).equal(torch.nn.functional.max_pool2d(x, 2))
    kernels.max_pool2d(x)
    assert capsys.readouterr().err.count("no C++ compiler") == 1
    name, is_active, why = kernels.active()[1]
    assert (name, is_active) == ("cpu", False)
    assert "no C++ compiler" in why
    monkeypatch.setenv(choice.VARIABLE, "cpu")
    with pytest.raises(InputError, match="no C\\+\\+ compiler"):
        kernels.max_pool2d(x)


def test_a_compiler_that_fails_is_quoted(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", pretend_compiler(fresh, "echo 'ops.cpp:1: error: no such thing' >&2; exit 1"))
    reason = build.load()
    assert reason is not None
    assert "no such thing" in reason
    assert list((fresh / "cache" / "kernels").glob("*.so")) == []


def test_a_file_that_is_no_library_is_a_reason_not_a_crash(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", pretend_compiler(fresh, 'echo nothing > "$library"'))
    assert build.load() is not None


def test_of_several_that_start_at_once_one_builds(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = fresh / "log"
    count = f'case "$library" in *.so) echo built >> {log};; esac'
    compiler = pretend_compiler(fresh, f'{count}; sleep 0.2; echo library > "$library"')
    path = build._path(compiler)
    threads = [threading.Thread(target=build._build, args=(compiler, path)) for _ in range(4)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 1.2
    assert log.read_text() == "built\n"
    assert path.read_text() == "library\n"
    assert capsys.readouterr().err.count("Building CPU kernels") == 1
    assert {file.suffix for file in path.parent.iterdir()} == {".so", ".sha256", ".lock"}


DAMAGE = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "a bit flipped": lambda content: bytes([content[0] ^ 1]) + content[1:],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_library_is_not_loaded_but_built_again(
    damage, fresh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """F5: loading it ends the process with SIGBUS or SIGSEGV."""
    compiler = pretend_compiler(fresh, 'echo library > "$library"')
    monkeypatch.setenv("CXX", compiler)
    path = build._path(compiler)
    build._build(compiler, path)
    assert build._intact(path)
    path.write_bytes(damage(path.read_bytes()))
    assert not build._intact(path)
    assert "built on first use" in build.state()[1]
    loaded = []
    monkeypatch.setattr(torch.ops, "load_library", lambda path: loaded.append(path.read_text()))
    monkeypatch.setattr(build, "_flush", lambda file: loaded.append(file.suffix))  # before it has its name
    monkeypatch.setattr("spikedistill.kernels.cpu.ops.register", lambda: None)
    assert build.load() is None
    assert loaded == [".sha256", ".so", "library\n"]
    assert f"{path} is damaged and is built again" in capsys.readouterr().err


def test_a_damaged_checksum_is_a_damaged_library(fresh: Path) -> None:
    compiler = pretend_compiler(fresh, 'echo library > "$library"')
    path = build._path(compiler)
    build._build(compiler, path)
    for content in (b"", b"\xff\xfe", b"0" * 64):
        path.with_suffix(".sha256").write_bytes(content)
        assert not build._intact(path)
    path.with_suffix(".sha256").unlink()
    assert not build._intact(path)


@pytest.mark.usefixtures("cpu_kernels")
def test_a_truncated_library_ends_no_command(tmp_path: Path) -> None:
    """The real one, cut in half: the process says so and begins to build."""
    path = build._path(build._compiler())
    folder = tmp_path / "kernels"
    folder.mkdir()
    content = path.read_bytes()
    (folder / path.name).write_bytes(content[: len(content) // 2])
    (folder / path.with_suffix(".sha256").name).write_text(build._digest(path))
    code = "from spikedistill.kernels import build; build._compile = lambda *_: 1 / 0; build.load()"
    environment = {**os.environ, build.CACHE_VARIABLE: str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "is damaged and is built again" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert done.returncode == 1


def test_what_killed_builds_left_is_cleaned_by_the_next(fresh: Path) -> None:
    """F16: their folders stayed for ever."""
    compiler = pretend_compiler(fresh, 'echo library > "$library"')
    path = build._path(compiler)
    left = path.parent / "tmpdead"
    left.mkdir(parents=True)
    (left / "ops.o").write_text("half an object")
    build._build(compiler, path)
    assert not left.exists()
    assert build._intact(path)


def test_triton_without_a_gpu_says_so(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(choice.VARIABLE, "triton")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [choice.in_use("cpu") for _ in range(2)] == ["reference"] * 2
    assert capsys.readouterr().err.count("SPIKEDISTILL_KERNELS=triton, but there is no GPU") == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(choice, "_said", set())
    assert choice.implementation("cpu") == "reference"  # what is on the CPU beside the GPU
    assert capsys.readouterr().err == ""


def test_triton_by_name_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_has_triton", lambda: False)
    assert choice.implementation("cuda") == "reference"
    monkeypatch.setenv(choice.VARIABLE, "triton")
    with pytest.raises(InputError, match="triton is not installed"):
        choice.implementation("cuda")


@pytest.mark.usefixtures("cpu_kernels")
def test_what_is_in_use_is_a_word_or_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(choice.VARIABLE, "auto")
    assert choice.in_use("cpu") == f"cpu {torch.backends.cpu.get_cpu_capability()}"
    monkeypatch.setattr(choice, "_has_triton", lambda: True)
    assert choice.in_use("cuda") == "triton"
    monkeypatch.setenv(choice.VARIABLE, "reference")
    assert choice.in_use("cpu") == "reference"


def test_the_key_knows_sources_version_and_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    paths = {build._path("/usr/bin/one"), build._path("/usr/bin/two")}
    monkeypatch.setattr(torch, "__version__", "0.0.1")
    paths.add(build._path("/usr/bin/one"))
    (tmp_path / "ops.cpp").write_text("int x;")
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    paths.add(build._path("/usr/bin/one"))
    assert len(paths) == 4


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(build.CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert build.cache_folder() == tmp_path / "spikedistill"
    monkeypatch.setenv(build.CACHE_VARIABLE, str(tmp_path / "mine"))
    assert build.cache_folder() == tmp_path / "mine"


def test_a_user_without_a_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for variable in (build.CACHE_VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert build.state() == (False, f"no home directory; name a folder with {build.CACHE_VARIABLE}")


@pytest.mark.usefixtures("cpu_kernels")
def test_what_is_active_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = {name: (is_active, why) for name, is_active, why in kernels.active()}
    assert lines["reference"][0]
    assert lines["cpu"][0]
    assert "built" in lines["cpu"][1]
    assert not lines["triton"][0]
    monkeypatch.setenv(choice.VARIABLE, "reference")
    assert not {name: is_active for name, is_active, _ in kernels.active()}["cpu"]
