"""The loop of `top`: reads pages, draws them, and retries when one cannot be read."""

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
from hostcollector.outputs.remote import PageUnreadableError, Remote
from hostcollector.outputs.top.guests import GuestRow, ordered, rows
from hostcollector.outputs.top.page import Page, parse
from hostcollector.outputs.top.table import ALARM, Screen, drawn

ReadPage = Callable[[], Page]
Sleep = Callable[[float], None]

ONCE_SECONDS = 1.0
_REPEATS = 4
_PIPE_WIDTH = 200
# Lines of the screen that are not guests: headlines, titles, totals, what is hidden, the trouble, the cursor.
_FRAME = 9


def run(remote: Remote, *, tenant: str | None, sort: str, once: bool, interval: float) -> int:
    """Show the table of a collector at an address until Ctrl-C, or `once`. Returns the exit status.

    `tenant` shows that tenant's guests only (the empty text: guests without a tenant); `sort` is one of
    `SORTS`; `interval` is the pause between two readings in seconds. Raises `PageUnreadableError` with `once`
    for an address without a page; live, the error is shown on the screen and the page is read again.
    """
    return watch(
        partial(fetch, remote),
        host=_host(remote.url),
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
    """Like `run`, with the pages that `read` returns; `read` raises `PageUnreadableError`."""
    show = _Show(host=host, tenant=tenant, sort=sort, console=console or _console())
    try:
        if once:
            _once(read, show, sleep)
        else:
            _live(read, show, interval, sleep)
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
    """Draw the difference of two collections; a collector that is read again too soon repeats its page."""
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
    """The two pages whose difference is shown, and how."""

    host: str
    tenant: str | None
    sort: str
    console: Console
    previous: Page | None = None
    current: Page | None = None

    def take(self, page: Page) -> bool:
        """Take a page; return whether it is from a new collection."""
        news = self.current is None or not _same_collection(self.current, page)
        if news:
            self.previous = self.current
        self.current = page
        return news

    def screen(self, *, room: int | None, trouble: str = "") -> RenderableType:
        """Return the screen with `room` for so many guests, and the `trouble` in reading the page."""
        parts: list[RenderableType] = []
        if self.current is not None:
            parts.append(drawn(self._view(self.previous, self.current, room), self.console.width))
        if trouble:
            parts.append(Text(one_line(trouble), style=ALARM))
        return Group(*parts)

    def _view(self, previous: Page | None, current: Page, room: int | None) -> Screen:
        guests = rows(previous, current)
        selected = ordered((row for row in guests if self.tenant in {None, row.tenant}), self.sort)
        shown = selected if room is None else _first(selected, max(room, 1))
        return Screen(
            host=self.host,
            page=current,
            guests=guests,
            selected=selected,
            shown=shown,
            sort=self.sort,
            tenant=self.tenant,
        )


def _first(selected: list[GuestRow], room: int) -> list[GuestRow]:
    """Return `room` of the guests; blocked ones are always among them, below the others if necessary."""
    blocked = [row for row in selected[room:] if row.blocked][:room]
    return selected[: room - len(blocked)] + blocked


def _same_collection(one: Page, other: Page) -> bool:
    times = one.of(collection.SOURCE_LAST_SUCCESS)
    return bool(times) and times == other.of(collection.SOURCE_LAST_SUCCESS)


def fetch(remote: Remote) -> Page:
    """Read a collector's page. Raises `PageUnreadableError`."""
    try:
        page = parse(remote.read(), time.time())
    except (ValueError, IndexError) as error:
        raise PageUnreadableError(remote.url, f"the answer is not a metrics page ({error})") from error
    if collection.LIBVIRT_UP not in page.series:
        raise PageUnreadableError(remote.url, "the answer is not from a hostcollector")
    return page
