"""Building the CPU kernels: a few compiler calls on first use, kept per machine and version.

The library lies in SPIKEDISTILL_CACHE, else in XDG_CACHE_HOME/spikedistill, else in ~/.cache/spikedistill, under a key
of its sources, PyTorch's version, the CPU's capability (AVX512, AVX2, ...) and the compiler. It does not use Python's
C interface, so Python's version is no part of the key. Processes that start at once wait for the one that builds.
Beside it lies its checksum: a library that a crash or a full disk has damaged ends the process that loads it, so it is
built again instead.
"""

import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import torch

CACHE_VARIABLE = "SPIKEDISTILL_CACHE"
SOURCES = Path(__file__).parent / "cpu"
LIBRARIES = ("-ltorch_cpu", "-lc10")
CAPABILITY_FLAGS = {
    "AVX512": (
        *("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512cd", "-mavx2", "-mfma"),
        "-mprefer-vector-width=512",
    ),
    "AVX2": ("-mavx2", "-mfma"),
}
"""Flags for what torch.backends.cpu.get_cpu_capability() says; none for the rest."""


class BuildError(Exception):
    """Why there is no library."""


@cache
def load() -> str | None:
    """Build, if it is not there, and load the library; the reason where that cannot be done, else None."""
    try:
        compiler = _compiler()
        path = _path(compiler)
        if not _intact(path):
            _build(compiler, path)
        torch.ops.load_library(path)
    except (BuildError, OSError) as error:
        return str(error).strip()
    from spikedistill.kernels.cpu import ops

    ops.register()
    return None


def state() -> tuple[bool, str]:
    """Whether the library is or can be built, and a few words on that; builds nothing."""
    capability = torch.backends.cpu.get_cpu_capability()
    try:
        compiler = _compiler()
        built = _intact(_path(compiler))
    except (BuildError, OSError) as error:
        return False, str(error).strip()
    reason = load() if built else None
    if reason is not None:
        return False, reason
    return True, f"{capability}, built" if built else f"{capability}, built on first use by {compiler}"


def cache_folder() -> Path:
    """Where libraries are kept.

    Raises:
        BuildError: there is no home directory to keep them in.
    """
    try:
        if folder := os.environ.get(CACHE_VARIABLE):
            return Path(folder).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spikedistill"
    except RuntimeError as error:
        raise BuildError(f"no home directory; name a folder with {CACHE_VARIABLE}") from error


def _compiler() -> str:
    names = [name] if (name := os.environ.get("CXX")) else ["g++", "c++"]
    if sys.platform != "linux":
        raise BuildError(f"they are built on Linux only, not on {sys.platform}.")
    for candidate in names:
        if found := shutil.which(candidate):
            return found
    raise BuildError(f"no C++ compiler ({' or '.join(names)}) was found.")


def _flags() -> list[str]:
    capability = torch.backends.cpu.get_cpu_capability()
    bf16 = torch.cpu.get_capabilities().get("avx512_bf16", False)
    return [
        *("-O3", "-std=c++20", "-fPIC", "-fopenmp", "-w"),
        *("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"),
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
        *CAPABILITY_FLAGS.get(capability, ()),
        *(("-mavx512bf16",) if capability == "AVX512" and bf16 else ()),
    ]


def _path(compiler: str) -> Path:
    sources = sorted([*SOURCES.glob("*.cpp"), *SOURCES.glob("*.h")])
    parts = [torch.__version__, platform.machine(), compiler, *_flags()]
    parts += [f"{source.name}\n{source.read_text()}" for source in sources]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return cache_folder() / "kernels" / f"cpu-{key}.so"


def _build(compiler: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock(path.parent / "build.lock") as held:
        if _intact(path):  # another process was first
            return
        if held:  # so nobody else builds: these are of builds that were killed
            for left in path.parent.glob("tmp*"):
                shutil.rmtree(left, ignore_errors=True)
        if path.exists():
            print(f"{path} is damaged and is built again.", file=sys.stderr, flush=True)
        print("Building CPU kernels (once per machine, about half a minute) ...", file=sys.stderr, flush=True)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            library = Path(folder) / path.name
            _compile(compiler, library)
            checksum = library.with_suffix(".sha256")
            checksum.write_text(_digest(library) + "\n")
            for made in (checksum, library):
                _flush(made)
                made.replace(path.with_suffix(made.suffix))
        print(f"Built CPU kernels in {time.monotonic() - started:.0f} s.", file=sys.stderr, flush=True)


def _intact(path: Path) -> bool:
    """Whether the library is there as it was built."""
    try:
        return path.with_suffix(".sha256").read_text().strip() == _digest(path)
    except (OSError, UnicodeDecodeError):
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Have the disk hold what was written before a name points to it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _compile(compiler: str, library: Path) -> None:
    """Compile all files at once and link them."""
    torch_folder = Path(torch.__file__).parent
    include = torch_folder / "include"
    options = [*_flags(), f"-I{include}", f"-I{include / 'torch' / 'csrc' / 'api' / 'include'}", "-c"]
    objects = {source: library.with_name(f"{source.stem}.o") for source in sorted(SOURCES.glob("*.cpp"))}
    calls = [[compiler, *options, str(source), "-o", str(made)] for source, made in objects.items()]
    with ThreadPoolExecutor(len(calls)) as pool:
        for _ in pool.map(_run, calls):
            pass
    made = [str(made) for made in objects.values()]
    _run([compiler, *made, "-shared", "-fopenmp", "-o", str(library), f"-L{torch_folder / 'lib'}", *LIBRARIES])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
        raise BuildError(f"{command[0]} failed: {errors[0] if errors else done.returncode}")


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Held by one process at a time; where the file system has no locks, two may build, and the last rename counts.

    Yields whether it is held.
    """
    import fcntl

    with path.open("w") as file:
        held = False
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
            held = True
        yield held
