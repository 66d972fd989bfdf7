"""How `top` reads pages: from a snapshot, from text, from an address that may have none."""

import socket
import threading

import prometheus_client.parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostcollector.base.model import Family, Histogram, Metric, Snapshot
from hostcollector.catalogue import block, collection, guest
from hostcollector.outputs.remote import PageUnreadableError, Remote
from hostcollector.outputs.top.page import READ, Page, page_of, parse
from hostcollector.outputs.top.watching import fetch
from tests.fakes.pages import full_page, snapshot
from tests.fakes.top_pages import DB, WEB, busy, collected, serving, text_of


@st.composite
def pages(draw: st.DrawFn) -> Snapshot:
    """Draw a snapshot of rows that the table reads, with hostile label values."""
    rows: list[Metric] = draw(st.lists(st.sampled_from(READ), unique=True))
    families = []
    for row in rows:
        width = len(row.label_names)
        keys = st.lists(st.text(), min_size=width, max_size=width).map(tuple)
        numbers = st.one_of(st.floats(allow_nan=False), st.integers(0, 2**53))
        families.append(Family(row, draw(st.dictionaries(keys, numbers, min_size=1, max_size=4))))
    return snapshot(families)


@given(taken=pages())
@settings(deadline=None)
def test_what_is_written_is_read(taken: Snapshot) -> None:
    """The text of a page says the same as the snapshot it was made from, whatever the guests are called."""
    assert parse(text_of(taken).decode(), taken.taken_at) == page_of(taken)


def test_reads_what_the_clients_parser_reads() -> None:
    """On a page with every row, each family that the table needs is read as the client's parser reads it."""
    text = text_of(full_page()).decode()
    reference = {
        sample.name: (sample.labels, sample.value)
        for family in prometheus_client.parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    page = parse(text, 0.0)
    assert set(page.series) == set(READ)
    for row, series in page.series.items():
        assert [
            (dict(zip(row.label_names, labels, strict=True)), value) for labels, value in series.items()
        ] == [reference[row.name]]


def test_other_families_are_skipped() -> None:
    """Comments, unknown families, histograms and names that only begin alike cost nothing and say nothing."""
    text = (
        '# HELP libvirt_up x\n\nlibvirt_up_x 5\nlibvirt_up 1.0\nfoo{a="}"} nonsense\nlibvirt_upx{a="b"} 1\n'
    )
    assert parse(text, 3.0) == Page(at=3.0, series={collection.LIBVIRT_UP: {(): 1.0}})
    taken = snapshot([Family(block.LATENCY, {(*WEB, "vda", "read"): Histogram((float("inf"),), (1,))})])
    assert page_of(taken).series == {}


def test_unlabelled_guests_and_timestamps_are_read() -> None:
    """A missing label reads as empty, and a timestamp behind the number does not matter."""
    page = parse('libvirt_domain_timed_out{domain="web"} 1 1700000000000\n', 0.0)
    assert page.of(collection.TIMED_OUT) == {("", "web", ""): 1.0}
    assert page.of(guest.STATE_REASON) == {}


@pytest.mark.parametrize(
    "line",
    ["libvirt_up", "libvirt_up x", 'libvirt_domain_timed_out{domain="a"', 'libvirt_domain_timed_out{a="} "'],
)
def test_a_broken_line_is_an_error(line: str) -> None:
    """A line of a family that the table needs is not guessed at."""
    with pytest.raises((ValueError, IndexError)):
        parse(line, 0.0)


def test_fetch_reads_the_metrics_path_in_the_text_format() -> None:
    """An address without a path means /metrics, another path is kept; the plain text format is asked for."""
    with serving((200, text_of(collected(5.0, [*busy(WEB, 1), *busy(DB, 2)])))) as served:
        page = fetch(Remote(served.url))
        fetch(Remote(f"{served.url}/"))
        fetch(Remote(f"{served.url}/custom?collect[]=procfs"))
    assert page.series == page_of(collected(5.0, [*busy(WEB, 1), *busy(DB, 2)])).series
    assert [path for path, _ in served.asked] == ["/metrics", "/metrics", "/custom?collect[]=procfs"]
    assert {accept for _, accept in served.asked} == {"text/plain;version=0.0.4"}


def test_fetch_goes_past_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment, dead or alive, is not used between two programs on one host."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with serving((200, text_of(collected(5.0, [])))) as served:
        assert fetch(Remote(served.url)).of(collection.LIBVIRT_UP) == {(): 1}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((503, b"busy"), "the answer is 503 Service Unavailable"),
        ((200, b"up 1\n"), "the answer is not from a hostcollector"),
        ((200, b""), "the answer is not from a hostcollector"),
        ((200, b"<html>\xff</html>"), "the answer is not a metrics page"),
        ((200, b"libvirt_up yes\n"), "the answer is not a metrics page"),
        ((200, b"libvirt_up\n"), "the answer is not a metrics page"),
    ],
)
def test_answers_that_are_no_page(answer: tuple[int, bytes], sentence: str) -> None:
    """Whatever else answers at the address, the error says what came."""
    with serving(answer) as served, pytest.raises(PageUnreadableError) as caught:
        fetch(Remote(served.url))
    assert str(caught.value).startswith(f"cannot read {served.url}: {sentence}")


@pytest.mark.parametrize(
    "url", ["localhost:10177", "file:///etc/passwd", "", "http://", "http://[::1/", "http://h:x/"]
)
def test_addresses_that_are_none(url: str) -> None:
    """An address that is no HTTP address is refused with the reason; no file is read."""
    with pytest.raises(PageUnreadableError, match="cannot read"):
        fetch(Remote(url))


def test_no_listener() -> None:
    """A closed port is one clear sentence."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(PageUnreadableError) as caught:
        fetch(Remote(f"http://127.0.0.1:{port}"))
    assert str(caught.value) == f"cannot read http://127.0.0.1:{port}: Connection refused"


def test_no_answer_in_time() -> None:
    """A collector that takes the connection and says nothing costs the timeout and no more."""
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(PageUnreadableError) as caught:
        fetch(Remote(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.1))
    assert str(caught.value).endswith("no answer in time")


def test_an_answer_that_is_not_http() -> None:
    """Something else that listens there is said to be unreadable."""

    def answer(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"SSH-2.0-OpenSSH\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        with pytest.raises(PageUnreadableError, match="cannot read"):
            fetch(Remote(f"http://127.0.0.1:{server.getsockname()[1]}"))
        thread.join()
