"""`spikedistill cache`: which stores of teachers' answers a folder holds, and away with those that nobody needs.

A store is a folder that says so itself: it is named after the digest of its key.json and holds views and nothing else
(see `spikedistill.teachers.stored`). What is anything else is neither listed nor touched.
"""

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from spikedistill.cli.parser import Parser
from spikedistill.cli.shown import print_table
from spikedistill.errors import InputError, nearest
from spikedistill.values.plain import digest, parse_json

SECONDS_A_DAY = 86_400
KEY_FILE = "key.json"
KEY_DIGITS = 16
FILES = re.compile(r"key\.json|\.lock|view-\d{5,}\.safetensors|\.(key\.json|view-\d{5,}\.safetensors)\..*partial")
"""All that a store holds."""
ABOUT = "about"
"""Part of key.json that is for people and not of the key."""


@dataclass(frozen=True)
class Store:
    """The stored answers of one key."""

    folder: Path
    said: dict[str, Any]
    """Its key.json."""

    @property
    def views(self) -> int:
        """Number of stored views."""
        return len(list(self.folder.glob("view-*.safetensors")))

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(path.stat().st_size for path in self.folder.iterdir())

    @property
    def last_use(self) -> float:
        """Seconds since 1970."""
        return (self.folder / KEY_FILE).stat().st_mtime

    def delete(self) -> None:
        """Remove it: a deletion that is interrupted leaves a smaller store.

        Raises:
            InputError: a run is filling it.
        """
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise InputError(f"{self.folder} is being filled by a run. Delete it when that has ended.") from None
        try:
            for path in sorted(self.folder.iterdir(), key=lambda path: path.name == KEY_FILE):
                if path.name != ".lock":
                    path.unlink()
        finally:
            lock.release()
        (self.folder / ".lock").unlink(missing_ok=True)
        self.folder.rmdir()


def cache_command(words: list[str]) -> int:
    """Stored answers of teachers: list them, delete them."""
    parser = Parser(prog="spikedistill cache", description=cache_command.__doc__, allow_abbrev=False)
    parser.add_argument("folder", metavar="DIR", help="what --cache named")
    parser.add_argument("--delete", metavar="KEY", nargs="+", default=[], help="delete the stores of these keys")
    parser.add_argument("--older-than", metavar="DAYS", type=float, help="delete those that no run has used since")
    given = parser.parse(words)
    found = stores(Path(given.folder))
    if given.older_than is not None and not given.older_than >= 0:
        raise InputError(f"--older-than is a number of days, not {given.older_than}.")
    chosen = [_named(found, key) for key in given.delete]
    if given.older_than is not None:
        since = time.time() - given.older_than * SECONDS_A_DAY
        chosen += [store for store in found if store.last_use < since and store not in chosen]
    for store in chosen:
        size = store.size
        store.delete()
        print(f"deleted {store.folder} ({megabytes(size)})")
    if given.delete or given.older_than is not None:
        return 0
    if not found:
        print(f"{given.folder} holds no stored answers.")
        return 0
    print_table([_row(store) for store in sorted(found, key=lambda store: -store.last_use)])
    return 0


def stores(folder: Path) -> list[Store]:
    """Return the stores in a folder.

    Raises:
        InputError: there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder. Name the one that runs were given with --cache.")
    found = (_store(path) for path in sorted(folder.iterdir()))
    return [store for store in found if store is not None]


def _store(folder: Path) -> Store | None:
    """Return the store in a folder; None where it is anything else."""
    if folder.is_symlink() or not (folder / KEY_FILE).is_file():
        return None
    if any(path.is_symlink() or not path.is_file() or not FILES.fullmatch(path.name) for path in folder.iterdir()):
        return None
    try:
        said = parse_json((folder / KEY_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(said, dict):
        return None
    key = {name: value for name, value in said.items() if name != ABOUT}
    return Store(folder, said) if digest(key)[:KEY_DIGITS] == folder.name else None


def _named(found: list[Store], key: str) -> Store:
    named = {store.folder.name: store for store in found}
    if key not in named:
        raise InputError(f"There is no store {key!r}.{nearest(key, named)} Keys: {', '.join(named) or 'none'}.")
    return named[key]


def _row(store: Store) -> dict[str, str]:
    about = store.said.get(ABOUT)
    return {
        "key": store.folder.name,
        "teacher": teacher_name(store.said.get("teacher")),
        "data": str(about.get("data", "")) if isinstance(about, dict) else "",
        "views": str(store.views),
        "size": megabytes(store.size),
        "last use": time.strftime("%Y-%m-%d %H:%M", time.localtime(store.last_use)),
    }


def teacher_name(identity: Any) -> str:
    """Return a few words for the identity of a teacher: `ResNet, ReLU, Cifar10`, a target, or a kind around others."""
    if not isinstance(identity, dict):
        return "?"
    recipe = identity.get("recipe")
    if isinstance(recipe, dict):
        parts = (recipe.get(name) for name in ("model", "neuron", "data"))
        return ", ".join(str(part.get("kind")) for part in parts if isinstance(part, dict))
    if "target" in identity:
        return str(identity["target"])
    inner = [item for value in identity.values() for item in (value if isinstance(value, list) else [value])]
    named = ", ".join(teacher_name(item) for item in inner if isinstance(item, dict))
    return f"{identity.get('kind', '?')} of {named}" if named else str(identity.get("kind", "?"))


def megabytes(size: int) -> str:
    """Return a size for people."""
    return f"{size / 1e6:,.1f} MB"
