"""The encoder's pages against the Prometheus project's Python client, and what the encoder remembers."""

import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import prometheus_client.exposition
import prometheus_client.openmetrics.exposition
import prometheus_client.openmetrics.parser
import prometheus_client.parser
import pytest
from hypothesis import given, settings
from prometheus_client.core import Metric as ClientFamily

from hostcollector.base.model import Family, Histogram, Kind, Metric, Scope, Snapshot
from hostcollector.catalogue import block, collection, cpu, guest
from hostcollector.catalogue.possible import FLAG
from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format
from tests.fakes.client_families import ClientCollector, client_family
from tests.fakes.pages import full_page, snapshot, snapshots

GENERATE: dict[Format, Callable[[Any], bytes]] = {
    Format.TEXT: prometheus_client.exposition.generate_latest,
    Format.OPENMETRICS: prometheus_client.openmetrics.exposition.generate_latest,
}
PARSE: dict[Format, Callable[[str], Iterable[ClientFamily]]] = {
    Format.TEXT: prometheus_client.parser.text_string_to_metric_families,
    Format.OPENMETRICS: prometheus_client.openmetrics.parser.text_string_to_metric_families,
}
FORMATS = pytest.mark.parametrize("form", Format)
Series = tuple[str, tuple[tuple[str, str], ...]]


def reference(page: Snapshot, form: Format) -> bytes:
    """Return what the client writes for `page`."""
    return GENERATE[form](ClientCollector(page))


def numbers(families: Iterable[ClientFamily]) -> dict[Series, str]:
    """Return every sample of `families`, its number as text because NaN equals nothing."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): repr(float(sample.value))
        for family in families
        for sample in family.samples
    }


def families_of(page: Snapshot) -> Iterator[ClientFamily]:
    """Yield the client's values for the families of `page`."""
    return (client_family(family) for family in page.families)


def guests(*uuids: str) -> Snapshot:
    """Return a page with one vCPU of each guest."""
    return snapshot([Family(cpu.VCPU_TIME, {("acme", f"vm-{uuid}", uuid, "0"): 1.5 for uuid in uuids})])


@FORMATS
@given(page=snapshots())
@settings(deadline=None)
def test_page_equals_the_clients_byte_for_byte(form: Format, page: Snapshot) -> None:
    """Any labels, help texts and numbers are written exactly as the client writes them."""
    assert Encoder().encode(page, form) == reference(page, form)


@FORMATS
@given(page=snapshots(valid=True))
@settings(deadline=None)
def test_page_parses_back_to_the_same_values(form: Format, page: Snapshot) -> None:
    """The client's strict and lax parsers read every series and number back."""
    text = Encoder().encode(page, form).decode()
    assert numbers(PARSE[form](text)) == numbers(families_of(page))


@FORMATS
def test_every_row_of_the_catalogue_is_written_like_the_clients(form: Format) -> None:
    """A page with each row once equals the client's and parses back, on the second call too."""
    page = full_page()
    encoder = Encoder()
    first, second = encoder.encode(page, form), encoder.encode(page, form)
    assert first == second == reference(page, form)
    assert numbers(PARSE[form](first.decode())) == numbers(families_of(page))


@given(pages=snapshots().flatmap(lambda page: snapshots().map(lambda other: (page, other, page))))
@settings(deadline=None)
def test_what_is_remembered_never_shows_on_another_page(pages: tuple[Snapshot, ...]) -> None:
    """An encoder that has written other pages writes the next one like a fresh encoder."""
    encoder = Encoder()
    for page in pages:
        for form in Format:
            assert encoder.encode(page, form) == Encoder().encode(page, form)


def test_text_format_of_each_kind() -> None:
    """Counters, info rows and histograms are named and typed as Prometheus expects in the text format."""
    page = snapshot(
        [
            Family(cpu.VCPU_TIME, {("acme", "vm", "u1", "0"): 12345678.5}),
            Family(guest.TITLE_INFO, {("acme", "vm", "u1", 'a "b"\\\n'): 1}),
            Family(
                block.LATENCY,
                {("a", "vm", "u1", "vda", "read"): Histogram((0.1, float("inf")), (3, 2_000_000))},
            ),
        ]
    )
    bucket = "libvirt_domain_block_latency_seconds_bucket"
    assert Encoder().encode(page, Format.TEXT).decode().splitlines() == [
        "# HELP libvirt_domain_vcpu_time_seconds_total Time that the vCPU's thread ran on a physical CPU.",
        "# TYPE libvirt_domain_vcpu_time_seconds_total counter",
        'libvirt_domain_vcpu_time_seconds_total{domain="vm",tenant="acme",uuid="u1",vcpu="0"} 1.23456785e+07',
        "# HELP libvirt_domain_title_info The guest's title, where its definition has one.",
        "# TYPE libvirt_domain_title_info gauge",
        'libvirt_domain_title_info{domain="vm",tenant="acme",title="a \\"b\\"\\\\\\n",uuid="u1"} 1.0',
        "# HELP libvirt_domain_block_latency_seconds How long the disk's requests took.",
        "# TYPE libvirt_domain_block_latency_seconds histogram",
        f'{bucket}{{domain="vm",le="0.1",operation="read",target_device="vda",tenant="a",uuid="u1"}} 3.0',
        f'{bucket}{{domain="vm",le="+Inf",operation="read",target_device="vda",tenant="a",uuid="u1"}} 2e+06',
    ]


def test_openmetrics_headers_of_each_kind() -> None:
    """OpenMetrics names families without their suffix, gives units that the name carries, and ends."""
    page = snapshot(
        [
            Family(cpu.VCPU_TIME, {("acme", "vm", "u1", "0"): 1}),
            Family(guest.TITLE_INFO, {("acme", "vm", "u1", "t"): 1}),
            Family(block.ALLOCATION, {("acme", "vm", "u1", "vda"): 512}),
        ]
    )
    lines = Encoder().encode(page, Format.OPENMETRICS).decode().splitlines()
    assert [line for line in lines if line.startswith(("# TYPE", "# UNIT", "# EOF"))] == [
        "# TYPE libvirt_domain_vcpu_time_seconds counter",
        "# UNIT libvirt_domain_vcpu_time_seconds seconds",
        "# TYPE libvirt_domain_title info",
        "# TYPE libvirt_domain_block_stats_allocation gauge",
        "# EOF",
    ]


def test_empty_page() -> None:
    """A page without families, or whose families have no series, is empty but for the end mark."""
    for page in (snapshot([]), snapshot([Family(cpu.THREADS, {})])):
        assert Encoder().encode(page, Format.TEXT) == b""
        assert Encoder().encode(page, Format.OPENMETRICS) == b"# EOF\n"


@FORMATS
def test_names_that_are_not_utf8_stay_readable_and_different(form: Format) -> None:
    """A lone surrogate is written as its escape: the page is valid and two such names stay two series."""
    page = guests("\udc80", "\udc81", "\ud83d\ude00", "\N{SNOWMAN}")
    text = Encoder().encode(page, form).decode()
    uuids = {sample.labels["uuid"] for family in PARSE[form](text) for sample in family.samples}
    assert uuids == {r"\udc80", r"\udc81", r"\ud83d\ude00", "\N{SNOWMAN}"}


HOSTILE_NAMES = (
    *('a"b', "c\\d", "e\nf", "\r", "\0", "\x1b[0m", "\x85", "\u2028", "\u202e"),
    *("}{,=", "\ud800", "", ' # {x="y"} 1', "x" * 10_000, "\N{GRINNING FACE}"),
)


@pytest.mark.lab
def test_prometheus_reads_hostile_names_in_the_text_format() -> None:
    """Prometheus' own reader of the text format finds every series of guests with hostile names."""
    page = Encoder().encode(guests(*HOSTILE_NAMES), Format.TEXT)
    command = ["promtool", "check", "metrics", "--extended"]
    check = subprocess.run(command, input=page, capture_output=True, check=True)
    assert check.stdout.decode().splitlines()[-1].split()[:2] == ["Total", str(len(HOSTILE_NAMES))]


@pytest.mark.lab
@pytest.mark.parametrize("page", [guests(*HOSTILE_NAMES), full_page()], ids=["hostile names", "every row"])
def test_prometheus_stores_openmetrics_pages(page: Snapshot, tmp_path: Path) -> None:
    """Prometheus makes a block of its database from a page: hostile names, histograms, units and all."""
    lines = Encoder().encode(page, Format.OPENMETRICS).decode().split("\n")
    # What is put into a block needs a time; a page that is scraped has none.
    dated = [line if line.startswith("#") or not line else f"{line} 1700000000" for line in lines]
    (tmp_path / "page").write_text("\n".join(dated), newline="")
    making = ["promtool", "tsdb", "create-blocks-from", "openmetrics"]
    command = [*making, str(tmp_path / "page"), str(tmp_path / "blocks")]
    stored = subprocess.run(command, capture_output=True, check=True).stdout.decode().splitlines()[-1].split()
    samples = sum(not line.startswith("#") for line in filter(None, lines))
    assert str(samples) in stored


@FORMATS
def test_surrogates_in_help_do_not_break_the_page(form: Format) -> None:
    """A help text that UTF-8 cannot carry is escaped like a label value."""
    metric = Metric(
        name="hostcollector_x",
        kind=Kind.GAUGE,
        can_be=FLAG,
        help="a\udcffb",
        source="host",
        scope=Scope.HOST,
    )
    assert rb"a\\udcffb" in Encoder().encode(snapshot([Family(metric, {(): 1})]), form)


@FORMATS
def test_zero_has_no_sign(form: Format) -> None:
    """A negative zero is written as 0.0, before and after any other zero and small number."""
    encoder = Encoder()
    for value in (-0.0, 0, 1, 1.0, -0.0, 0.0):
        page = snapshot([Family(collection.COLLECTION_DURATION, {(): value})])
        assert encoder.encode(page, form) == reference(
            snapshot([Family(collection.COLLECTION_DURATION, {(): abs(value)})]), form
        )


def test_integers_beyond_floats_become_infinities() -> None:
    """An absurd integer reads as what any reader would make of its digits, and does not cost the page."""
    page = snapshot([Family(collection.LIBVIRT_UP, {(): 10**400})])
    assert Encoder().encode(page, Format.TEXT).endswith(b"libvirt_up +Inf\n")
    page = snapshot([Family(collection.LIBVIRT_UP, {(): -(10**400)})])
    assert Encoder().encode(page, Format.TEXT).endswith(b"libvirt_up -Inf\n")


@FORMATS
def test_only_keeps_the_families_of_the_named_sources(form: Format) -> None:
    """`only` selects by the catalogue's source column; the page equals that of the selected families."""
    page = full_page()
    wanted = snapshot(family for family in page.families if family.metric.source in {"procfs", "netlink"})
    encoder = Encoder()
    assert encoder.encode(page, form, frozenset({"procfs", "netlink"})) == reference(wanted, form)
    assert encoder.encode(page, form, frozenset()) == reference(snapshot([]), form)
    assert encoder.encode(page, form) == reference(page, form)


def test_guests_that_come_and_go_do_not_grow_the_memory() -> None:
    """What is kept of a family stays near twice its live series, and goes with the family."""
    encoder = Encoder()
    for number in range(500):
        encoder.encode(guests(*(f"u{number}-{index}" for index in range(10))), Format.TEXT)
    assert len(encoder._texts[cpu.VCPU_TIME.label_names]) <= 2 * 10 + 64
    encoder.encode(snapshot([]), Format.TEXT)
    assert not encoder._writers
    assert not encoder._texts


def test_histograms_that_come_and_go_do_not_grow_the_memory() -> None:
    """The same holds for what is kept of histograms."""
    encoder = Encoder()
    value = Histogram((float("inf"),), (1,))
    for number in range(200):
        family = Family(block.LATENCY, {("acme", "vm", str(number), "vda", "read"): value})
        encoder.encode(snapshot([family]), Format.TEXT)
    assert len(encoder._writers[block.LATENCY]._ends) <= 2 + 64


def test_a_filtered_page_keeps_what_the_full_page_needs() -> None:
    """A request for some sources does not forget the series of the others."""
    encoder = Encoder()
    encoder.encode(full_page(), Format.TEXT)
    known = len(encoder._writers)
    encoder.encode(full_page(), Format.TEXT, frozenset({"procfs"}))
    assert len(encoder._writers) == known


def test_two_threads_get_their_own_pages() -> None:
    """Pages that are encoded at the same time in several threads do not mix."""
    encoder = Encoder()
    pages = [guests(*(f"{thread}-{index}" for index in range(300))) for thread in range(4)]
    start = threading.Barrier(len(pages))

    def encode(page: Snapshot) -> set[bytes]:
        start.wait()
        return {encoder.encode(page, form) for _ in range(20) for form in Format}

    with ThreadPoolExecutor(len(pages)) as pool:
        results = list(pool.map(encode, pages))
    assert results == [{Encoder().encode(page, form) for form in Format} for page in pages]
    assert all(one.isdisjoint(other) for one, other in pairwise(results))


def test_content_types() -> None:
    """Each format has the content type that Prometheus knows it by."""
    assert Format.TEXT.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert Format.OPENMETRICS.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
