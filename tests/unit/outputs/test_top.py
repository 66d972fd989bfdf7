"""The table on the terminal: what it shows, what it hides, and the loop around it."""

import io
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable

import pytest
from rich.console import Console

from hostcollector.app.cli import main
from hostcollector.catalogue import collection, guest
from hostcollector.outputs.remote import PageUnreadableError, Remote
from hostcollector.outputs.top.page import Page, page_of
from hostcollector.outputs.top.watching import _host, run, watch
from tests.fakes.top_pages import DB, WEB, Entry, busy, collected, serving, text_of

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SOURCES = ("procfs", "libvirt_monitor", "netlink", "libvirt_state")
BLOCKED = [(guest.STATE_REASON, (*DB, "running", "booted"), 1.0), (collection.MONITOR_BLOCKED, DB, 14.7)]


def terminal(width: int = 160, height: int = 40) -> Console:
    """Return a terminal with colours that writes into memory."""
    return Console(
        file=io.StringIO(), width=width, height=height, force_terminal=True, color_system="standard"
    )


def written(console: Console) -> str:
    """Return what was written to `terminal`."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def reading(*steps: Page | PageUnreadableError) -> Callable[[], Page]:
    """Return a reader that gives pages and errors in turn."""
    queue = iter(steps)

    def read() -> Page:
        step = next(queue)
        if isinstance(step, PageUnreadableError):
            raise step
        return step

    return read


def page(at: float, entries: Iterable[Entry]) -> Page:
    """Return the page of a collection at `at`."""
    return page_of(collected(at, entries, sources=SOURCES))


def screen(
    *steps: Page, tenant: str | None = None, sort: str = "cpu", width: int = 160, colours: bool = False
) -> list[str]:
    """Return the lines of the table of two readings."""
    console = terminal(width)
    status = watch(
        reading(*steps),
        host="hv-7",
        tenant=tenant,
        sort=sort,
        once=True,
        interval=2.0,
        console=console,
        sleep=lambda _: None,
    )
    assert status == 0
    text = written(console)
    return (text if colours else COLOUR.sub("", text)).splitlines()


def two(*guests: tuple[str, str, str]) -> tuple[Page, Page]:
    """Return two pages of steadily working guests, a second apart."""
    return tuple(page(at, [entry for each in guests for entry in busy(each, at)]) for at in (1.0, 2.0))  # type: ignore[return-value] # exactly two


def test_table_of_working_guests() -> None:
    """Every column shows the guest's figure, the last line the totals."""
    assert [" ".join(line.split()) for line in screen(*two(WEB, DB), sort="guest")] == [
        "hv-7 libvirt up 2 guests of 2 tenants",
        "collector 4 of 4 sources up",
        "cpu of all delay mem used read write reads writes rx tx",
        "tenant guest state % vcpus % ms/s B % B/s B/s /s /s B/s B/s",
        "globex db running 150.0 75.0 62.5 2.0G 62.5 2.0K 4.0K 4.0 8.0 1.0K 500",
        "acme web running 150.0 75.0 62.5 2.0G 62.5 2.0K 4.0K 4.0 8.0 1.0K 500",
        "total 2 guests 300.0 125.0 4.0G 4.0K 8.0K 8.0 16.0 2.0K 1.0K",
    ]


def test_unknown_is_a_dash() -> None:
    """What no page says is a dash and not a 0, in the rows and in the totals."""
    lines = screen(*(page(at, [(collection.TIMED_OUT, WEB, 0)]) for at in (1.0, 2.0)))
    assert lines[-2].split() == ["acme", "web", *["-"] * 12]
    assert lines[-1].split() == ["total", "1", "guest", *["-"] * 9]


def test_blocked_guest_is_red_and_says_for_how_long() -> None:
    """A guest whose QEMU does not answer is highlighted, with the time, in the head as well."""
    lines = screen(*(page(at, [*busy(WEB, at), *BLOCKED]) for at in (1.0, 2.0)), colours=True)
    red = [COLOUR.sub("", line) for line in lines if "\x1b[1;31m" in line]
    assert [line.split("  ")[0] for line in red] == ["hv-7", "globex"]
    assert "1 blocked" in red[0]
    assert "blocked 15 s, running" in red[1]


def test_guest_that_was_not_read_says_so() -> None:
    """A monitor that did not answer at all has no seconds, and is marked all the same."""
    lines = screen(*(page(at, [(collection.TIMED_OUT, DB, 1)]) for at in (1.0, 2.0)))
    assert "monitor does not answer" in lines[-2]


@pytest.mark.parametrize(
    ("state", "reason", "shown", "colour"),
    [
        ("paused", "user", "paused (user)", "\x1b[33m"),
        ("paused", "ioerror", "paused (ioerror)", "\x1b[1;31m"),
        ("crashed", "panicked", "crashed (panicked)", "\x1b[1;31m"),
        ("shutdown", "unknown", "shutdown", "\x1b[33m"),
        ("running", "migrated", "running", "acme"),
    ],
)
def test_states_that_matter(state: str, reason: str, shown: str, colour: str) -> None:
    """A guest that does not run shows why, in red where it needs an engineer."""
    pages = (page(at, [(guest.STATE_REASON, (*WEB, state, reason), 1)]) for at in (1.0, 2.0))
    line = screen(*pages, colours=True)[-2]
    assert line.startswith(colour)
    assert f" {shown} " in COLOUR.sub("", line)


def test_hostile_names_are_only_text() -> None:
    """Control characters are written as escapes and markup as it is; nothing reaches the terminal raw."""
    names = ("[bold red]x[/]", "a\x1b[2Jb", "c\nd\re", "\u202eevil", "\ud800", ":smile:", "x" * 10_000)
    lines = screen(*two(*(("[b]t[/b]", name, f"u{index}") for index, name in enumerate(names))), sort="guest")
    text = "\n".join(lines)
    for shown in (
        "[bold red]x[/]",
        r"a\x1b[2Jb",
        r"c\nd\re",
        r"\u202eevil",
        r"\ud800",
        ":smile:",
        "[b]t[/b]",
    ):
        assert shown in text
    assert all(line.isprintable() and len(line) <= 160 for line in lines)
    assert len(lines) == 4 + len(names) + 1


def test_one_tenant_only() -> None:
    """With a tenant, rows and totals are that tenant's, and the head says so."""
    lines = screen(*two(WEB, DB), tenant="acme")
    assert "2 guests of 2 tenants   only tenant acme" in lines[0]
    assert [line.split()[0] for line in lines[4:]] == ["acme", "total"]
    assert "1 guest" in lines[-1]


def test_unassigned_guests() -> None:
    """The empty tenant selects the guests for which no tenant is known."""
    lines = screen(*two(WEB, ("", "stray", "u-stray")), tenant="")
    assert [line.split()[:2] for line in lines[4:-1]] == [["-", "stray"]]
    assert lines[0].endswith("2 guests of 1 tenant   only tenant (none)")


def test_no_guests() -> None:
    """A hypervisor without guests has a head and an empty table."""
    lines = screen(page(1.0, []), page(2.0, []))
    assert "0 guests of 0 tenants" in lines[0]
    assert lines[-1].split()[:3] == ["total", "0", "guests"]


def test_trouble_of_the_collector_is_in_the_head() -> None:
    """Whether libvirt and the sources are up and the collector's version are said before any figure."""
    entries: list[Entry] = [
        (collection.BUILD_INFO, ("1.2.3", "3.11"), 1),
        (collection.COLLECTION_DURATION, (), 8.0),
        (collection.SOURCE_UP, ("netlink",), 0),
        (collection.SOURCE_UP, ("host",), 0),
        (collection.SOURCE_UP, ("procfs",), 1),
    ]
    down = collected(2.0, entries)
    families = tuple(family for family in down.families if family.metric is not collection.LIBVIRT_UP)
    lines = screen(*[Page(at=at, series=page_of(down).series) for at in (1.0, 2.0)])
    assert lines[1] == "collector 1.2.3   1 of 3 sources up   down: host, netlink   collection took 8.00 s"
    series = {family.metric: dict(family.series) for family in families} | {collection.LIBVIRT_UP: {(): 0.0}}
    lines = screen(*[Page(at=at, series=series) for at in (1.0, 2.0)])  # type: ignore[arg-type] # no histograms here
    assert lines[0].startswith("hv-7   libvirt down")


def test_narrow_terminals_get_fewer_columns() -> None:
    """80 characters hold every row on one line, with the column that is sorted by."""
    lines = screen(*two(WEB, ("t" * 40, "g" * 60, "u")), width=80, sort="reads")
    assert " ".join(lines[2].split()) == "cpu delay mem read write reads rx tx"
    assert len(lines) == 7
    assert all(len(line) <= 80 for line in lines)


def test_a_collection_that_is_served_twice_is_asked_for_again() -> None:
    """A collector may answer the second reading with the first collection; the table waits for the next."""
    first, second = two(WEB)
    assert " 150.0 " in screen(first, first, first, second)[-2]


def test_a_collector_that_does_not_change_is_shown_without_rates() -> None:
    """If no new collection comes, the table does not wait for ever."""
    same = page(1.0, busy(WEB, 1.0))
    assert screen(*[same] * 5)[-2].split()[3:5] == ["-", "-"]


def live(*steps: Page | PageUnreadableError, height: int = 40) -> str:
    """Return what the live table writes until Ctrl-C after the last step."""
    console = terminal(height=height)
    left = iter(range(len(steps) - 1))

    def sleep(seconds: float) -> None:
        assert seconds == 2.0
        if next(left, None) is None:
            raise KeyboardInterrupt

    status = watch(
        reading(*steps),
        host="hv-7",
        tenant=None,
        sort="cpu",
        once=False,
        interval=2.0,
        console=console,
        sleep=sleep,
    )
    assert status == 0
    return COLOUR.sub("", written(console))


def test_live_table_has_state_at_once_and_rates_with_the_second_page() -> None:
    """The first screen shows what one page says, the second the difference."""
    first, second = two(WEB)
    assert " 150.0 " not in live(first)
    assert " 150.0 " in live(first, second)


def test_live_table_survives_a_collector_that_is_away() -> None:
    """While there is no page the last table stays, with the trouble under it, and rates go on afterwards."""
    first, second = two(WEB)
    away = PageUnreadableError("http://hv", "Connection refused")
    text = live(first, away)
    assert text.rindex("trying again every 2.00 s") > text.rindex("total")
    assert "\ncannot read http://hv: Connection refused; trying again" in text
    text = live(away, first, away, second)
    assert " 150.0 " in text[text.rindex("hv-7") :]
    assert "trying again" not in text[text.rindex("hv-7") :]


def test_live_table_fits_the_terminal() -> None:
    """What has no room is counted; head and totals stay visible."""
    text = live(*two(*(("acme", f"web-{number}", str(number)) for number in range(100))), height=24)
    last = text[text.rindex("hv-7") :].splitlines()
    assert len(last) <= 24
    assert "and 85 guests more" in last
    assert any(line.startswith("total   100 guests") for line in last)


def test_blocked_guests_are_shown_where_there_is_no_room_for_all() -> None:
    """A guest in trouble does not disappear behind those that are busier."""
    busier = [("acme", f"web-{number:02}", str(number)) for number in range(100)]
    pages = [
        page(at, [*BLOCKED, *(entry for each in busier for entry in busy(each, at))]) for at in (1.0, 2.0)
    ]
    text = live(*pages, height=24)
    last = text[text.rindex("hv-7") :].splitlines()
    assert last[4 + 13].split()[:2] == ["acme", "web-13"]
    assert last[4 + 14].split()[:4] == ["globex", "db", "blocked", "15"]


def test_run_once_shows_the_collector_at_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    """The whole way: two readings over HTTP, one table, exit status 0."""
    pages = [(200, text_of(collected(at, busy(WEB, at), sources=SOURCES))) for at in (1.0, 2.0)]
    with serving(*pages) as served:
        assert run(Remote(served.url), tenant=None, sort="cpu", once=True, interval=2.0) == 0
    out, error = capsys.readouterr()
    assert error == ""
    assert out.startswith(f"{socket.gethostname()}   libvirt up   1 guest of 1 tenant")
    assert " 150.0 " in out


def test_run_once_without_a_collector(capsys: pytest.CaptureFixture[str]) -> None:
    """An address without a listener is one sentence of the program on standard error and exit status 1."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    assert main(["top", "--once", f"--url={url}"]) == 1
    assert capsys.readouterr() == ("", f"hostcollector: cannot read {url}: Connection refused\n")
    with pytest.raises(PageUnreadableError, match=r"cannot read http://\[: "):
        run(Remote("http://["), tenant=None, sort="cpu", once=True, interval=2.0)


def test_run_names_a_remote_host() -> None:
    """The head shows the address's host where that is not this one."""
    assert _host("http://hv-9.example:10177/metrics") == "hv-9.example"
    assert _host("http://localhost:10177") == socket.gethostname()


def test_ctrl_c_leaves_cleanly() -> None:
    """SIGINT ends the live table with exit status 0 and leaves the table and no traceback."""
    code = (
        "import signal, sys; from hostcollector.outputs.remote import Remote; "
        "from hostcollector.outputs.top.watching import run; "
        # A shell's background job, and so all that it starts, ignores SIGINT.
        "signal.signal(signal.SIGINT, signal.default_int_handler); "
        "sys.exit(run(Remote(sys.argv[1]), tenant=None, sort='cpu', once=False, interval=0.05))"
    )
    with serving((200, text_of(collected(1.0, busy(WEB, 1.0), sources=SOURCES)))) as served:
        process = subprocess.Popen(
            [sys.executable, "-c", code, served.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            asked = threading.Event()
            while len(served.asked) < 3:
                assert process.poll() is None
                asked.wait(0.02)
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=40)
        finally:
            process.kill()
    assert (process.returncode, error) == (0, "")
    assert "1 guest of 1 tenant" in out
