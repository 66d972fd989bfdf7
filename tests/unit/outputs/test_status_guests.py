"""The guests' part of the status page: what they use, from the last two collections."""

from collections.abc import Mapping
from dataclasses import replace

from hostcollector.base.definition import Domain
from hostcollector.base.model import Family, Guest, Report, Snapshot, SourceState, Tenant
from hostcollector.catalogue import collection
from hostcollector.outputs.status_page import REFRESH_SECONDS, STILL_PATH, render
from hostcollector.outputs.top.page import LastPages
from tests.fakes import snapshots
from tests.fakes.top_pages import DB, WEB, busy, collected
from tests.unit.outputs.test_status_page import DAEMON, Reader, read

GUESTS = tuple(
    Guest(domain=Domain(uuid=uuid, name=name), tenant=Tenant(id=tenant)) for tenant, name, uuid in (WEB, DB)
)


def taken(at: float) -> Snapshot:
    """Return a collection at `at` of two guests that work steadily."""
    found = collected(at, [*busy(WEB, at), *busy(DB, 2 * at)], sources=("procfs",))
    return replace(found, guests=GUESTS)


def test_use_is_the_difference_of_the_last_two_collections() -> None:
    """The columns are those of `top`, for each guest and for its tenant."""
    pages = LastPages()
    for at in (100.0, 110.0, 130.0):
        pages.take(taken(at))
    page = Reader(render(taken(130.0), DAEMON, pages.before(taken(130.0))))
    assert "At 00:02:10 UTC. Columns per second are of the last 20 s." in page.text
    web = page.text.partition("u-web")[2].partition("globex")[0].split()
    assert " ".join(web) == "running 150.0 75.0 62.5 2.0G 62.5 2.0K 4.0K 4.0 8.0 1.0K 500"
    tenant = page.text.partition("acme")[2].partition("u-web")[0].split()
    assert tenant[1:3] == ["150.0", "62.5"]


def test_before_the_second_collection_nothing_is_claimed() -> None:
    """What needs two collections is absent, never 0; what one shows is there."""
    pages = LastPages()
    pages.take(taken(100.0))
    page = Reader(render(taken(100.0), DAEMON, pages.before(taken(100.0))))
    assert "is known after the next collection" in page.text
    assert page.text.partition("u-web")[2].split()[:5] == ["running", "-", "-", "-", "2.0G"]


def test_a_page_that_is_taken_twice_is_one_collection() -> None:
    """Clients share collections, and one that ends early is followed by the whole one of the same time."""
    pages = LastPages()
    for at in (100.0, 110.0, 110.0, 110.0):
        pages.take(taken(at))
    before = pages.before(taken(110.0))
    assert before is not None
    assert before.at == 100.0
    assert pages.before(taken(50.0)) is None


def test_the_page_refreshes_itself_and_can_be_kept_still() -> None:
    """Without a script; the still page has a link back."""
    moving = render(snapshots.hypervisor(), DAEMON)
    still = render(snapshots.hypervisor(), replace(DAEMON, still=True))
    refresh = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
    assert refresh in moving
    assert f'href="{STILL_PATH}"' in moving
    assert "http-equiv" not in still
    assert 'href="/"' in still


def test_sources_that_are_off_are_folded_away_with_the_setting() -> None:
    """They are neither in trouble nor in the table; what they advise is among the notes."""
    off = Report(
        source="redfish", state=SourceState.OFF, off="redfish.url is not set", notes=("2 GPUs are held",)
    )
    page = read(replace(snapshots.named("well", "acme"), reports=(off,)))
    assert "details" in page.tags
    folded = page.text.partition("1 source is off")[2]
    assert "off: redfish.url is not set" in folded
    assert "2 GPUs are held" in page.text.partition("1 source is off")[0].partition("Notes")[2]
    assert "What is missing" not in page.text


def test_the_configurations_troubles_come_first() -> None:
    """A refused reload, and certificates that end in two weeks or have ended."""
    expiry: Mapping[tuple[str, ...], float] = {
        ("tls_server_config.cert_file",): 3 * 86400.0,
        ("redfish.ca_file",): -60.0,
        ("ovn.ca_file",): 30 * 86400.0,
    }
    families = (
        Family(collection.CONFIG_RELOADED, {(): 0.0}),
        Family(collection.CERTIFICATE_EXPIRY, expiry),
    )
    first = read(Snapshot(taken_at=0.0, families=families)).text.partition("Guests by tenant")[0]
    assert "the last reload was refused" in first
    assert "the certificates of tls_server_config.cert_file end in 3 d" in first
    assert "the certificates of redfish.ca_file ended 1 m ago" in first
    assert "ovn.ca_file" not in first
