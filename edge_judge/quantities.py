"""Quantities as text, the same in every table and message: sizes, counts with their noun, signs, percent, times.

Standard library only. Knows: digits, units, signs, singular and plural.
Does not know: what a number means, nor how a table is laid out.
"""

from __future__ import annotations

MINUS = "\N{MINUS SIGN}"
UNITS = ("kB", "MB", "GB", "TB", "PB")  # decimal, as model files and memory are listed


def size(count: float) -> str:
    """Bytes in decimal units, with three digits: `512 B`, `9.99 kB`, `122 MB`, `4.13 GB`, `1,234 PB`."""
    if round(count) < 1000:
        return f"{round(count)} B"
    return _three_digits(count, UNITS)


def megabytes(count: float) -> str:
    """Bytes in whole megabytes, where two sizes are held against each other: three digits could be the same."""
    return f"{count / 1e6:,.0f} MB"


def parameters(count: float) -> str:
    """How many parameters a model has, as their names say it: `7.72B`, `135M`, `1.21M`."""
    return str(round(count)) if round(count) < 1000 else _three_digits(count, ("K", "M", "B", "T")).replace(" ", "")


def counted(number: float, noun: str, plural: str | None = None) -> str:
    """A number with its noun: `1 pair`, `1,392 pairs`, `0.5 points`. plural: where it is not the noun with an s."""
    text = f"{number:,}" if isinstance(number, int) else f"{number:,g}"
    return f"{text} {noun if number == 1 else plural or noun + 's'}"


def signed(number: float, digits: int = 1) -> str:
    """A difference, always with its sign: `+0.8`, `−0.7`; a zero has none."""
    return signed_number(number, f"+.{digits}f")


def signed_number(number: float, form: str) -> str:
    """A number in this format, with a real minus sign where it is below zero, and with no sign on a zero."""
    text = format(number, form)
    return text.lstrip("+-") if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)


def duration(seconds: float) -> str:
    """A time in its two largest units."""
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if minutes < 60:
        return f"{minutes} min"
    large, small = (f"{minutes // 60} h", f"{minutes % 60} min")
    if minutes >= 24 * 60:
        large, small = (f"{hours // 24} d", f"{hours % 24} h")
    return large if small.startswith("0 ") else f"{large} {small}"


def short_time(seconds: float) -> str:
    """A short time with three digits: `12.3 ms`, `1.24 s`, `95.0 s`."""
    return f"{_digits(1000 * seconds)} ms" if seconds < 0.9995 else f"{_digits(seconds)} s"


def _three_digits(number: float, units: tuple[str, ...]) -> str:
    """The number in the largest unit of which there is one; each is a thousand of the one before."""
    for unit in units[:-1]:
        number /= 1000
        if number < 999.5:
            return f"{_digits(number)} {unit}"
    return f"{_digits(number / 1000)} {units[-1]}"


def _digits(number: float) -> str:
    """Three digits of a number that is not negative, and all of its whole ones."""
    return f"{number:,.{0 if number >= 99.95 else 1 if number >= 9.995 else 2}f}"
