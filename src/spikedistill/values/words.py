"""Words of a command line, or of a table, as the value that an annotation asks for."""

import math
from typing import Any, Literal, get_args, get_origin

from spikedistill.errors import InputError, nearest, shown
from spikedistill.values.hints import allows_none, without_none

ON = ("true", "yes", "on", "1")
OFF = ("none", "false", "no", "off", "0")


class Words(tuple[str, ...]):
    """The words that follow an option."""


def from_words(hint: Any, words: Words, name: str) -> Any:
    """Return plain data of the type that `hint` says; lists for tuples.

    Raises:
        InputError: the words are not of that type; the message begins with `name`.
    """
    if allows_none(hint) and [word.lower() for word in words] == ["none"]:
        return None
    one = without_none(hint)
    if get_origin(one) is tuple:
        kinds = get_args(one)
        single = [piece for word in words for piece in (word.split(",") if kinds[0] is not str else [word]) if piece]
        if kinds[-1] is not ... and len(single) != len(kinds):
            raise InputError(f"{name} takes {len(kinds)} values, not {len(single)}.")
        kinds = kinds[:1] * len(single) if kinds[-1] is ... else kinds
        return [_from_word(kind, word, name) for kind, word in zip(kinds, single, strict=True)]
    if one is bool and not words:
        return True
    if len(words) != 1:
        given = f"not {len(words)}: {shown(' '.join(words))}" if words else "and was given none"
        raise InputError(f"{name} takes one value, {given}. It is {_what(one)}.")
    return _from_word(one, words[0], name)


def _from_word(kind: Any, word: str, name: str) -> Any:
    wrong = InputError(f"{name}: must be {_what(kind)}, not {shown(word)}.")
    if kind is str:
        return word
    if kind is bool:
        if word.lower() not in ON + OFF[1:]:
            raise wrong
        return word.lower() in ON
    if get_origin(kind) is Literal:
        by_word = {str(allowed): allowed for allowed in get_args(kind)}
        if word not in by_word:
            raise InputError(f"{wrong}{nearest(word, by_word)}")
        return by_word[word]
    try:
        number = int(word) if kind is int else float(word)
    except ValueError:
        raise wrong from None
    if isinstance(number, float) and not math.isfinite(number):
        raise wrong
    return number


def _what(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    words = {int: "a whole number", float: "a finite number", bool: "true or false", str: "a text"}
    return words.get(kind, getattr(kind, "__name__", str(kind)))
