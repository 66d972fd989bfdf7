"""The status page: everything that a person wants to know, and nothing that a guest could put into it."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.model import Snapshot
from hostcollector.outputs.status_page import DaemonFacts, render
from tests.fakes import snapshots

DAEMON = DaemonFacts(version="1.2.3", uptime=200.0, telemetry_path="/metrics")
VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Reads a page strictly: every element is closed in turn; keeps tags, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        assert not any(name.startswith("on") or name == "style" for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Check that it is the innermost open element that ends."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text outside the style sheet."""
        if self.open[-1:] != ["style"]:
            self.text += data + " "


def read(snapshot: Snapshot) -> Reader:
    """Return the page of a snapshot, read."""
    return Reader(render(snapshot, DAEMON))


def test_it_says_what_runs_and_how_it_is() -> None:
    """Version, uptime, libvirt, the counts, the sources and the guests by tenant are on the page."""
    text = read(snapshots.hypervisor()).text
    for sentence in (
        "Version 1.2.3, up for 3 m 20 s.",
        "libvirt at qemu:///system is up (QEMU 10.0.2, libvirt daemon 11.3.0, libvirt library 11.3.1).",
        "3 guests of 1 tenant, 1 without a tenant, 1 blocked; 6 series on the page.",
        "acme Acme Corporation",
        "No tenant",
    ):
        assert sentence in text
    guests = text.partition("Guests by tenant")[2]
    assert guests.index("database") < guests.index("web") < guests.index("stray")


def test_it_says_what_is_missing_and_what_to_do() -> None:
    """A failed source shows its reason and the fix above the guests; the table of sources is below them."""
    text = read(snapshots.hypervisor()).text
    assert "failed: denied" in text
    assert (
        text.index("add AF_NETLINK to RestrictAddressFamilies")
        < text.index("Guests by tenant")
        < text.index("Sources")
    )


def test_guests_in_trouble_are_marked() -> None:
    """A blocked guest, one that an I/O error stopped and one whose definition is unreadable say so."""
    text = read(snapshots.hypervisor()).text
    assert "monitor blocked for 15 s" in text
    assert "paused (ioerror)" in text
    assert "stopped by an I/O error" in text
    assert "definition unreadable" in text
    assert "state unknown" in text


def test_guests_in_trouble_stand_first() -> None:
    """Above all that is missing each is listed with its tenant and what is wrong, if there is any."""
    first = read(snapshots.hypervisor()).text.partition("What is missing, and why")[0]
    assert "Guests in trouble" in first
    assert "database  (acme): stopped by an I/O error, monitor blocked for 15 s" in first
    assert "stray  (no tenant): definition unreadable" in first
    assert "Guests in trouble" not in read(snapshots.named("well", "acme")).text


def test_states_are_shown_by_more_than_colour() -> None:
    """Each state of a source has a sign and a word."""
    text = read(snapshots.hypervisor()).text
    assert "✓  ok" in text
    assert "✗  failed: denied" in text


def test_it_links_to_the_other_pages_and_loads_nothing() -> None:
    """The links are those to the collector's own pages; there is no script, image or frame."""
    page = read(snapshots.hypervisor())
    assert page.links == ["/still", "/metrics", "/-/healthy", "/-/ready"]
    assert not {"script", "img", "iframe", "link", "object", "base", "form"} & set(page.tags)


def test_an_empty_hypervisor_has_a_page() -> None:
    """Without guests, sources and libvirt the page says so."""
    text = read(Snapshot(taken_at=0.0, families=())).text
    assert "does not answer" in text
    assert "No guest runs here." in text


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", '"><b>', "a\nb\x1b[31m", "\u202egnp.exe", "\udcff", "x" * 10_000, "&lt;"],
)
def test_hostile_names_are_only_text(name: str) -> None:
    """A name with markup, control characters, a direction override or no valid encoding stays text."""
    usual = read(snapshots.named("usual", "usual"))
    hostile = read(snapshots.named(name, name))
    assert hostile.tags == usual.tags
    assert "\x1b" not in hostile.text
    assert "\u202e" not in hostile.text
    assert render(snapshots.named(name, name), DAEMON).encode()


@given(st.text(min_size=1), st.text(min_size=1))
def test_no_name_changes_the_structure(name: str, tenant: str) -> None:
    """Whatever guests and tenants are called, the page has the same elements and is valid UTF-8."""
    snapshot = snapshots.named(name, tenant)
    assert read(snapshot).tags == read(snapshots.named("usual", "usual")).tags
    assert render(snapshot, DAEMON).encode()


def test_guests_that_are_left_out_are_counted() -> None:
    """The page counts them, and notes the patterns that match nothing; without guests it says why."""
    snapshot = replace(snapshots.hypervisor(), left_out=2, notes=("guests.include[0] matches <no guest>",))
    text = read(snapshot).text
    assert "3 guests of 1 tenant" in text
    assert "2 more guests have no series: guests in the configuration." in text
    assert "guests.include[0] matches <no guest>" in text
    assert "No guest is selected." in read(replace(snapshot, guests=())).text
