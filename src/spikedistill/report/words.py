"""Numbers as the page writes them."""

from spikedistill.runs.cells import Numbers


def percent(numbers: Numbers | None) -> str:
    """Return `90.12 ± 0.34`, or the number alone where there is one; a dash where there is none."""
    if numbers is None:
        return "–"
    return f"{numbers.mean:.2f}" + ("" if numbers.deviation is None else f" ± {numbers.deviation:.2f}")


def short_number(value: float | None) -> str:
    """Return a number of three digits, with thousands set apart; a dash for none."""
    if value is None:
        return "–"
    if value and not 1e-3 <= abs(value) < 1e7:
        return f"{value:.2e}"
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def duration(seconds: float | None) -> str:
    """Return `12 s`, `3.5 min` or `2.1 h`; a dash for none."""
    if seconds is None:
        return "–"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def counted(number: int, word: str) -> str:
    """Return `1 run`, `2 runs`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
