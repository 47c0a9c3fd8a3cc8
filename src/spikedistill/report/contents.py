"""What a page holds: settings, the papers' rows that they are, tables, and what could not be read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spikedistill.recipe import Recipe
from spikedistill.report.papers import Place, ShownTable, matched_tables, places
from spikedistill.report.settings import Setting, settings_of
from spikedistill.report.stored import Stored, Unread, read_all
from spikedistill.table import Table


@dataclass(frozen=True)
class Contents:
    """All that a page is made of."""

    settings: tuple[Setting, ...]
    unread: tuple[Unread, ...] = ()
    where: Mapping[str, Sequence[Place]] = field(default_factory=dict)
    """Rows of tables that a setting is, by its key."""
    tables: tuple[ShownTable, ...] = ()
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    """This library's, by name."""

    @property
    def runs(self) -> list[Stored]:
        """All runs, setting by setting."""
        return [run for setting in self.settings for run in setting.runs]


def contents(
    folders: Iterable[Path],
    known: Mapping[str, Table],
    recipes: Mapping[str, Recipe],
    asked: Sequence[ShownTable] = (),
) -> Contents:
    """Return what a page of these folders holds.

    Args:
        folders: Of runs.
        known: Tables in which the runs are looked for, by name.
        recipes: This library's, by name.
        asked: Tables that are shown as they are, instead of what of them is found here.
    """
    runs, unread = read_all(folders)
    settings = settings_of(runs)
    where = places(settings, known)
    given = {one.name for one in asked}
    matched = [one for one in matched_tables(settings, known, where) if one.name not in given]
    return Contents(tuple(settings), tuple(unread), where, (*asked, *matched), recipes)
