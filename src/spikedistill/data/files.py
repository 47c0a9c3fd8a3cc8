"""Where the published files are, and how they come there."""

import hashlib
import http.client
import os
import secrets
import shutil
import stat
import sys
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from spikedistill.errors import InputError, shown

VARIABLE = "SPIKEDISTILL_DATA"
DEFAULT = "~/.cache/spikedistill/data"
BLOCK = 1 << 20
LONGEST_PATH = 4000


def data_root(root: str) -> Path:
    """The folder that `root` names; where it is empty, SPIKEDISTILL_DATA, or else ~/.cache/spikedistill/data.

    Raises:
        InputError: it is no path, or begins with the home of somebody who has none.
    """
    given = root or os.environ.get(VARIABLE, "") or DEFAULT
    try:
        if len(os.fsencode(given)) > LONGEST_PATH or "\0" in given:
            raise ValueError(f"a path has at most {LONGEST_PATH} bytes, and none of them is 0")
        return Path(given).expanduser()
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"{shown(given)} cannot be the folder of data: {error}. Name one: --data.root or {VARIABLE}."
        ) from error


def data_path(given: str, what: str, option: str) -> Path:
    """The file or folder of one's own that a field names.

    Args:
        given: What the field says.
        what: What it should name, for the message.
        option: How it is named on the command line.

    Raises:
        InputError: it names nothing, or is no path.
    """
    if not given:
        raise InputError(f"Name the {what}: {option}.")
    return data_root(given)


def open_file(path: Path, most: int | None = None) -> BinaryIO:
    """Open a file of data; only a regular one: a pipe would be waited for.

    Args:
        path: The file.
        most: Bytes that it may have.

    Raises:
        OSError: it cannot be opened, is not regular, or is larger.
    """
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))  # noqa: SIM115
    about = os.fstat(file.fileno())
    if stat.S_ISREG(about.st_mode) and (most is None or about.st_size <= most):
        return file
    file.close()
    raise OSError(f"{about.st_size} bytes" if stat.S_ISREG(about.st_mode) else "this is no regular file")


def read_text(path: Path, most: int = 10**8) -> str:
    """The text of a file of data. Raises InputError: it cannot be read, is larger, or is no text."""
    try:
        with open_file(path, most) as file:
            return file.read().decode()
    except (OSError, UnicodeDecodeError) as error:
        what = reason(error) if isinstance(error, OSError) else "it is no text"
        raise InputError(f"{path} cannot be read: {what}.") from error


def ensure(
    folder: Path, wanted: Sequence[str], absent: Callable[[], list[str]], root: Path, fetch: Callable[[Path], None]
) -> None:
    """Have `wanted` in `folder`: do nothing where nothing is absent, download where there is no folder or an empty one.

    The download goes to a folder of its own beside `folder` and is moved there in one step, so that a broken download
    leaves nothing behind that looks like data, and processes that download at the same time do not meet.

    Args:
        folder: Where the files belong.
        wanted: Names of all files.
        absent: Says which of them are not there now.
        root: What the option or the variable names, for the message.
        fetch: Puts all files into the folder it is given.

    Raises:
        InputError: some files are there and some are not (they may be of another order: never mix them), or the
            download failed; the message says which files go where.
    """
    by_hand = f"{', '.join(wanted)} into {folder}, below the folder {root} that --data.root or {VARIABLE} names."
    try:
        if not absent():
            return
    except (OSError, ValueError) as error:
        raise InputError(f"{shown(str(folder))} cannot be looked at: {reason(error)}. Put {by_hand}") from error
    if folder.is_dir() and any(folder.iterdir()):
        missing = absent()  # Asked again: another process may just have moved its download in.
        if missing:
            raise InputError(
                f"{folder} lacks {', '.join(missing)}. Put {by_hand} Or delete that folder: all is then downloaded."
            )
        return
    try:
        _move_in(folder, fetch)
    except (OSError, http.client.HTTPException) as error:
        raise InputError(
            f"{folder} is not there and could not be downloaded: {reason(error)}. Put {by_hand}"
        ) from error


def download(url: str, target: Path, md5: str) -> None:
    """Copy `url` to `target`, with a line on standard error.

    Raises:
        OSError: no network, no such address, no space.
        InputError: what came is not what was published.
    """
    digest = hashlib.md5(usedforsecurity=False)
    print(f"Downloading {url}", end="", file=sys.stderr, flush=True)
    try:
        with urllib.request.urlopen(url, timeout=30) as source, target.open("wb") as file:
            total = int(source.headers.get("Content-Length") or 0)
            done = 0
            while block := source.read(BLOCK):
                file.write(block)
                digest.update(block)
                done += len(block)
                if sys.stderr.isatty():
                    of = f" of {total / 1e6:.1f}" if total else ""
                    print(f"\rDownloading {url}: {done / 1e6:.1f}{of} MB", end="", file=sys.stderr, flush=True)
    finally:
        print(file=sys.stderr, flush=True)
    if digest.hexdigest() != md5:
        raise InputError(
            f"{url} came with MD5 {digest.hexdigest()}; {md5} is published. Try again, or get {target.name} elsewhere."
        )


def reason(error: Exception) -> str:
    """What the system says, without the path."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def what_to_replace(path: Path, folder: Path) -> str:
    """What to do about a file that is wrong; ends a message."""
    return f"{path} is not the published file: replace it, or delete {folder} so that all of it is downloaded again."


def _move_in(folder: Path, fetch: Callable[[Path], None]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}-{secrets.token_hex(8)}.part")
    partial.mkdir()
    try:
        fetch(partial)
        partial.rename(folder)
    except OSError:
        # Another process may have moved its own download in first.
        if not (folder.is_dir() and any(folder.iterdir())):
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
