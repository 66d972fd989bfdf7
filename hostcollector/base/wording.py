"""Times, counts and names as text, for logs, the status page and terminals."""

from collections.abc import Sequence

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def duration(seconds: float) -> str:
    """Return seconds in the two largest units: ``0.43 s``, ``12 s``, ``3 m 20 s``, ``2 d 4 h``."""
    if seconds < 9.995:
        return f"{max(seconds, 0.0):.2f} s"
    rest = round(seconds)
    parts = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        parts.append((count, unit))
    first = next(index for index, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return ``1 guest``, ``2 guests``; `plural` for nouns whose plural does not end in s."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def named(names: Sequence[str], most: int) -> str:
    """Return at most `most` names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def one_line(text: str) -> str:
    r"""Return text for a terminal or a log, with ``\n`` or ``\x1b`` in place of unprintable characters.

    A guest's name must not be able to move the cursor of the engineer who reads it.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
