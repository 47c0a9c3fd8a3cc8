"""The page's figures as files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from spikedistill.report.contents import Contents
from spikedistill.report.items import Item, as_key
from spikedistill.report.single import items_of
from spikedistill.report.svg import save
from spikedistill.report.together import items_of_all
from spikedistill.runs.folder import make_folder

LONGEST = 80
"""Of a setting's name in a file's name."""


def write_figures(contents: Contents, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write every figure of a page to a folder, which is made; returns the files.

    Raises:
        InputError: there is no such format.
        NotSavedError: a file cannot be written.
    """
    make_folder(folder)
    return [path for name, item in _named(contents) for path in save(item.figure, folder / name, tuple(formats))]


def _named(contents: Contents) -> Iterator[tuple[str, Item]]:
    for item in items_of_all(contents):
        if isinstance(item, Item):
            yield item.key, item
    for setting in contents.settings:
        for item in items_of(setting):
            if isinstance(item, Item):
                yield f"{as_key(setting.recipe.name)[:LONGEST]}-{item.key}", item
