"""Values changed by path: `change(recipe, {"method": "tser", "method.alpha": 0.3, "teacher.recipe.epochs": 5})`.

The command line, sweeps, budgets and tables change recipes here and nowhere else. What is changed is the JSON tree; the
value is read back from it at the end, strictly, so that fields that depend on each other can change together.

- A path that names a part puts another kind in its place, with that kind's defaults; shorter paths are applied first.
- Where a field is a tuple of parts, the next name is a place (`0`) or the kind of an element (`data.augment.crop`).
  An element takes its first field's value (`data.augment.crop = 4`), is added where there is none, and goes with
  `none`.
- A text is read as the field's type says ("0.3", "true", "none"); anything else has to be of that type.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from spikedistill.errors import InputError, nearest_name, shown
from spikedistill.values.hints import item_of, part_of
from spikedistill.values.kinds import command_name, kinds, named_kinds, pick_kind, pick_named_kind
from spikedistill.values.plain import KIND, from_json, to_json
from spikedistill.values.words import OFF, Words, from_words

Value = TypeVar("Value")
Readers = Mapping[type, Callable[[str], Any]]
"""How a word names a part with this base, where it is not by its kind alone."""
Spell = Callable[[str], str]
"""How a message spells a path."""


def change(
    value: Value,
    changes: Mapping[str, Any],
    readers: Readers | None = None,
    spell: Spell = str,
    say: Callable[[str], None] = lambda _: None,
) -> Value:
    """Return the value with what lies at each path changed.

    Args:
        value: A dataclass, such as a recipe.
        changes: What is given, by path: a value, a text or `Words`; where it names a part, that part's name.
        readers: Bases of which a part is named by more than the name of its kind.
        spell: How messages spell a path; the command line writes options.
        say: Is told what a part that was exchanged has lost.

    Raises:
        InputError: a path leads nowhere, or what is given is not allowed there; says what is.
    """
    tree = to_json(value)
    changer = _Changer(dict(readers or {}), spell)
    for path, given in sorted(changes.items(), key=lambda item: item[0].count(".")):
        tree = changer.put(type(value), tree, path.split("."), _words(given), [])
    changer.check_complete(type(value), tree, [])
    changed = from_json(type(value), tree, type(value).__name__.lower())
    for line in _lost(value, changed, changes):
        say(line)
    return changed


def look_up(value: Any, path: str) -> Any:
    """Return what lies at a path; None where a part on the way is not there."""
    for name in path.split("."):
        if isinstance(value, tuple):
            same = [item for item in value if _element_name(type(item)) == name]
            value = value[int(name)] if name.isdigit() and int(name) < len(value) else (same or [None])[0]
        else:
            value = getattr(value, name, None)
    return value


def paths(value: Any, prefix: str = "") -> Iterator[str]:
    """Yield all paths of a value, parts before what is in them."""
    for f in fields(value):
        path, inner = f"{prefix}{f.name}", getattr(value, f.name)
        yield path
        if is_dataclass(inner):
            yield from paths(inner, f"{path}.")
        for place, item in enumerate(inner if isinstance(inner, tuple) else ()):
            if is_dataclass(item):
                yield from paths(item, f"{path}.{place}.")


def _words(given: Any) -> Any:
    if isinstance(given, str):
        return Words((given,))
    return Words(given) if isinstance(given, tuple | list) and all(isinstance(one, str) for one in given) else given


class _Changer:
    """Puts what is given into plain data; `way` is the path that has been walked."""

    def __init__(self, readers: Readers, spell: Spell) -> None:
        self.readers = readers
        self.spell = spell

    def put(self, hint: Any, plain: Any, names: list[str], given: Any, way: list[str]) -> Any:
        """Return plain data of the type that `hint` says, changed below `names`."""
        if not names:
            return self.new(hint, given, way)
        element, base = item_of(hint), part_of(hint)
        if element is not None:
            return self.put_item(element, plain or [], names, given, way)
        if base is None:
            raise self.unknown([*way, *names], f"{self.name(way)} has no fields.")
        if plain is None:
            raise self.unknown([*way, *names], f"There is no {way[-1]} here. Name one first: {self.name(way)}.")
        kind: Any = pick_kind(base, plain[KIND], f"kind of {self.name(way)}")
        name, *rest = names
        known = {f.name: f for f in fields(kind)}
        hints = get_type_hints(kind)
        if name.removeprefix("no_") in known and name not in known and given == Words():
            name, given = name.removeprefix("no_"), False
        if name not in known:
            raise self.unknown_field(base, kind, name, plain, way)
        inner = plain[name] if name in plain else _default(known[name])
        if inner is MISSING and rest:
            raise InputError(f"{self.name([*way, name])} has no default. Say what it is.")
        return plain | {name: self.put(hints[name], inner, rest, given, [*way, name])}

    def new(self, hint: Any, given: Any, way: list[str]) -> Any:
        """Return what is given as plain data of the type that `hint` says."""
        if is_dataclass(given) or not isinstance(given, Words):
            return to_json(given)
        element, base = item_of(hint), part_of(hint)
        if element is not None:
            if [word.lower() for word in given] == ["none"]:
                return []
            names = [name for word in given for name in word.split(",")]
            return [self.part(element, name, way) for name in names]
        if base is None:
            return from_words(hint, given, self.name(way))
        if len(given) > 1:
            raise InputError(f"{self.name(way)} takes one name, not {len(given)}: {shown(' '.join(given))}.")
        word = given[0] if given else ""
        if word.lower() == "none" and type(None) in getattr(hint, "__args__", ()):
            return None
        return self.part(base, word, way)

    def part(self, base: type, word: str, way: list[str]) -> Any:
        """Return the part that a word names."""
        if base in self.readers and word not in named_kinds(base):
            return to_json(self.readers[base](word))
        return defaults(pick_named_kind(base, word, way[-1]))

    def put_item(self, base: type, items: list[Any], names: list[str], given: Any, way: list[str]) -> list[Any]:
        """Return a list of parts, changed in the element that the first name says."""
        name, *rest = names
        place, kind = self.find(base, items, name, way)
        here = [*way, name]
        if not rest and _is_off(given):
            return items if place is None else items[:place] + items[place + 1 :]
        if place is None:
            assert kind is not None
            place = _place_for(base, items, kind)
            items = [*items[:place], defaults(kind), *items[place:]]
        if not rest and is_dataclass(given):
            return [*items[:place], to_json(given), *items[place + 1 :]]
        item_kind: Any = pick_kind(base, items[place][KIND], f"kind of {self.name(here)}")
        if not rest and not _is_on(given):
            first = next((f.name for f in fields(item_kind)), None)
            if first is None:
                raise InputError(f"{self.name(here)} has no fields: it is there, or it is not. Give true or none.")
            rest = [first]
        changed = self.put(base, items[place], rest, given, here) if rest else items[place]
        return [*items[:place], changed, *items[place + 1 :]]

    def find(self, base: type, items: list[Any], name: str, way: list[str]) -> tuple[int | None, type | None]:
        """Return where the element is that a name says, or the kind of one that is not there yet."""
        if name.isdigit():
            if int(name) >= len(items):
                raise self.unknown([*way, name], f"{self.name(way)} has {len(items)} entries, counted from 0.")
            return int(name), None
        allowed: Mapping[str, Any] = kinds(base)
        by_name = {_element_name(kind): kind for kind in allowed.values()}
        if name not in by_name:
            near = nearest_name(name, by_name)
            hint = f"Did you mean {self.name([*way, near])!r}? " if near else ""
            raise self.unknown([*way, name], f"{hint}Allowed: {', '.join(by_name)}, or a place, from 0.")
        places = [place for place, item in enumerate(items) if item[KIND] == by_name[name].__name__]
        if len(places) > 1:
            listed = " or ".join(self.name([*way, str(place)]) for place in places)
            raise InputError(f"{self.name([*way, name])} could be any of {len(places)}: say {listed}.")
        return (places[0] if places else None), by_name[name]

    def check_complete(self, hint: Any, plain: Any, way: list[str]) -> None:
        """Raise InputError where a part that was put in place lacks a field that has no default."""
        element, base = item_of(hint), part_of(hint)
        if element is not None and isinstance(plain, list):
            for place, item in enumerate(plain):
                self.check_complete(element, item, [*way, str(place)])
        if base is None or not isinstance(plain, dict):
            return
        kind: Any = pick_kind(base, plain[KIND], f"kind of {self.name(way)}")
        hints = get_type_hints(kind)
        for f in fields(kind):
            if f.name in plain:
                self.check_complete(hints[f.name], plain[f.name], [*way, f.name])
            elif _default(f) is MISSING:
                raise InputError(f"{self.name([*way, f.name])} has no default. Say what it is.")

    def name(self, way: Iterable[str]) -> str:
        """Spell a path."""
        return self.spell(".".join(way))

    def unknown(self, names: Iterable[str], why: str) -> InputError:
        """Return the error for a path that leads nowhere."""
        return InputError(f"Unknown option {shown(self.name(names))}. {why}")

    def unknown_field(self, base: type, kind: type, name: str, plain: Any, way: list[str]) -> InputError:
        """Return the error for a field that a part does not have; another kind of that part may."""
        here = [f.name for f in fields(kind)]
        one_of: Mapping[str, Any] = named_kinds(base)
        others = [
            named for named, other in one_of.items() if other is not kind and name in {f.name for f in fields(other)}
        ]
        everywhere = here if way else [*here, *_tree_paths(plain)]
        near = [path for path in everywhere if path.endswith(f".{name}")] or [nearest_name(name, everywhere) or ""]
        said = []
        if others and way:
            whose = f"{name} is a field of {', '.join(others)}, not of {command_name(kind)}"
            said.append(f"{whose}: put one in place with {self.name(way)} {others[0]}.")
        elif near[0]:
            said.append(f"Did you mean {' or '.join(repr(self.name([*way, one])) for one in near[:3])}?")
        if way or not said:
            listed = ", ".join(self.name([*way, one]) for one in here) or "none"
            said.append(f"Options of {command_name(kind)}: {listed}.")
        return self.unknown([*way, name], " ".join(said))


def defaults(kind: type) -> dict[str, Any]:
    """Return the plain data of a kind's defaults, without the fields that have none."""
    known = {f.name: _default(f) for f in fields(kind)}
    return {KIND: kind.__name__} | {name: plain for name, plain in known.items() if plain is not MISSING}


def _default(f: Field[Any]) -> Any:
    if f.default is not MISSING:
        return to_json(f.default)
    return MISSING if f.default_factory is MISSING else to_json(f.default_factory())


def _lost(before: Any, after: Any, changes: Mapping[str, Any]) -> Iterator[str]:
    """Say which settings of a part are gone with it, of those that the new part has too."""
    for path in changes:
        old, new = look_up(before, path), look_up(after, path)
        if not is_dataclass(old) or not is_dataclass(new) or type(old) is type(new):
            continue
        plain = defaults(type(old))
        for f in fields(old):
            value = getattr(old, f.name)
            settled = is_dataclass(value) or to_json(value) == plain.get(f.name) or f.name not in plain
            reset = getattr(new, f.name, value) != value and f"{path}.{f.name}" not in changes
            if reset and not settled:
                yield f"{f.name} {_short(value)} of {command_name(type(old))} is not carried over"


def _short(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _tree_paths(plain: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, inner in plain.items():
        if name != KIND:
            yield f"{prefix}{name}"
        if isinstance(inner, dict):
            yield from _tree_paths(inner, f"{prefix}{name}.")


def _element_name(kind: type) -> str:
    return command_name(kind).replace("-", "_")


def _place_for(base: type, items: list[Any], kind: type) -> int:
    """Return where a new element stands: before the first of a greater `order`, where kinds have one."""
    order = getattr(kind, "order", None)
    for place, item in enumerate(items):
        other = getattr(kinds(base)[item[KIND]], "order", None)
        if order is not None and other is not None and other > order:
            return place
    return len(items)


def _is_off(given: Any) -> bool:
    if isinstance(given, Words):
        return len(given) == 1 and given[0].lower() in OFF
    return given is None or (type(given) in (bool, int) and not given)


def _is_on(given: Any) -> bool:
    return given is True or given == Words() or (isinstance(given, Words) and [w.lower() for w in given] == ["true"])
