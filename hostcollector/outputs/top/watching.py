"""The loop around the table: reads pages, draws them, goes on when there is none to be had."""

import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from hostcollector.base.wording import duration, one_line
from hostcollector.catalogue import collection
from hostcollector.outputs.top.columns import ordered
from hostcollector.outputs.top.guests import GuestRow, rows
from hostcollector.outputs.top.page import Page, PageUnreadableError, fetch
from hostcollector.outputs.top.table import ALARM, View, drawn

ReadPage = Callable[[], Page]
Sleep = Callable[[float], None]

ONCE_SECONDS = 1.0
_REPEATS = 4
_PIPE_WIDTH = 200
# Lines of the screen that are not guests: headlines, titles, totals, what is hidden, the trouble, the cursor.
_FRAME = 9


def run(url: str, *, tenant: str | None, sort: str, once: bool, interval: float) -> int:
    """Show the table of the collector at `url` until Ctrl-C, or `once`. Returns the exit status.

    `tenant` shows that tenant's guests only (the empty text: those of nobody); `sort` is one of `SORTS`;
    `interval` is the pause between two readings in seconds. Once, an address that gives no page is one
    sentence on standard error and status 1; live, it is said on the screen and tried again.
    """
    return watch(
        partial(fetch, url),
        host=_host(url),
        tenant=tenant,
        sort=sort,
        once=once,
        interval=interval,
    )


def watch(
    read: ReadPage,
    *,
    host: str,
    tenant: str | None,
    sort: str,
    once: bool,
    interval: float,
    console: Console | None = None,
    sleep: Sleep = time.sleep,
) -> int:
    """Show the table of whatever `read` gives, which raises `PageUnreadableError`; otherwise like `run`."""
    show = _Show(host=host, tenant=tenant, sort=sort, console=console or _console())
    try:
        if once:
            _once(read, show, sleep)
        else:
            _live(read, show, interval, sleep)
    except PageUnreadableError as error:
        print(one_line(str(error)), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _console() -> Console:
    fits = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if fits else _PIPE_WIDTH)


def _host(url: str) -> str:
    try:
        host = urlsplit(url).hostname or url
    except ValueError:
        return url
    return socket.gethostname() if host in {"localhost", "127.0.0.1", "::1"} else host


def _once(read: ReadPage, show: "_Show", sleep: Sleep) -> None:
    """Draw the difference of two collections; a collector that is asked again too soon repeats itself."""
    show.take(read())
    for _ in range(_REPEATS):
        sleep(ONCE_SECONDS)
        if show.take(read()):
            break
    show.console.print(show.screen(room=None))


def _live(read: ReadPage, show: "_Show", interval: float, sleep: Sleep) -> None:
    with Live(console=show.console, auto_refresh=False) as live:
        while True:
            trouble = ""
            try:
                show.take(read())
            except PageUnreadableError as error:
                trouble = f"{error}; trying again every {duration(interval)}"
            live.update(show.screen(room=show.console.height - _FRAME, trouble=trouble), refresh=True)
            sleep(interval)


@dataclass(slots=True, kw_only=True)
class _Show:
    """The pages of which the difference is shown, and how."""

    host: str
    tenant: str | None
    sort: str
    console: Console
    previous: Page | None = None
    current: Page | None = None

    def take(self, page: Page) -> bool:
        """Take a page; returns whether it is of a new collection, which there is a difference to show of."""
        news = self.current is None or not _same_collection(self.current, page)
        if news:
            self.previous = self.current
        self.current = page
        return news

    def screen(self, *, room: int | None, trouble: str = "") -> RenderableType:
        """Return the screen with as many guests as there is `room` for, and the trouble in reading them."""
        parts: list[RenderableType] = []
        if self.current is not None:
            parts.append(drawn(self._view(self.previous, self.current, room), self.console.width))
        if trouble:
            parts.append(Text(one_line(trouble), style=ALARM))
        return Group(*parts)

    def _view(self, previous: Page | None, current: Page, room: int | None) -> View:
        everyone = rows(previous, current)
        wanted = ordered((row for row in everyone if self.tenant in {None, row.tenant}), self.sort)
        shown = wanted if room is None else _first(wanted, max(room, 1))
        return View(
            host=self.host,
            page=current,
            everyone=everyone,
            wanted=wanted,
            shown=shown,
            sort=self.sort,
            tenant=self.tenant,
        )


def _first(wanted: list[GuestRow], room: int) -> list[GuestRow]:
    """Return what of `wanted` has room; blocked guests are always among it, below the others if need be."""
    blocked = [row for row in wanted[room:] if row.blocked][:room]
    return wanted[: room - len(blocked)] + blocked


def _same_collection(one: Page, other: Page) -> bool:
    times = one.of(collection.SOURCE_LAST_SUCCESS)
    return bool(times) and times == other.of(collection.SOURCE_LAST_SUCCESS)
