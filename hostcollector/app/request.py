"""What a scraper asks for, read from its headers and its query."""

import re
from collections.abc import Collection, Sequence

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?")


class UnknownSourceError(ValueError):
    """The ``collect[]`` filter names sources that do not exist; the message names those that do."""


def scrape_budget(header: str, configured: float, margin: float) -> float:
    """Return the seconds after which this scraper's page is made of what there is.

    That is the configured budget, or less where the scraper's own timeout minus `margin` is less; at least
    half of that timeout. A header that is not a positive decimal number is as good as none.
    """
    timeout = _timeout(header)
    return configured if timeout is None else min(configured, timeout - min(margin, timeout / 2))


def scrape_patience(header: str, configured: float, margin: float) -> float:
    """Return the seconds after which the scraper is told that there is no page: before it hangs up."""
    timeout = _timeout(header)
    return configured + margin if timeout is None else timeout - min(margin, timeout / 2) / 4


def _timeout(header: str) -> float | None:
    timeout = float(header) if _SECONDS.fullmatch(header) else 0.0
    return timeout if timeout > 0 else None


def selection(names: Sequence[str], known: Collection[str]) -> frozenset[str] | None:
    """Return the sources that the ``collect[]`` parameters name, None where there are none.

    Raises `UnknownSourceError` for a name that is not `known`, also for an empty one.
    """
    unknown = sorted({name for name in names if name not in known})
    if unknown:
        shown = ", ".join(ascii(name[:60]) for name in unknown[:5])
        raise UnknownSourceError(f"unknown in collect[]: {shown}; known: {', '.join(sorted(known))}")
    return frozenset(names) or None
