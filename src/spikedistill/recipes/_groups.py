"""Where a recipe file stands in a list: `GROUP = "experiments"` in the file; published ones say nothing."""

import ast
from pathlib import Path

START, PUBLISHED, EXPERIMENTS = "start here", "published", "experiments"
GROUPS = (START, PUBLISHED, EXPERIMENTS)
"""In the order of the list."""


def group_of(path: Path) -> str:
    """Return the group of a recipe file.

    Raises:
        ValueError: the file says one that there is not.
    """
    group = constant(path, "GROUP", PUBLISHED)
    if group not in GROUPS:
        raise ValueError(f"GROUP of {path} is {group!r}; allowed: {', '.join(GROUPS)}.")
    return str(group)


def constant(path: Path, name: str, default: object) -> object:
    """Return the literal that a file assigns to a name at its top level, or the default where it assigns none."""
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    return default
