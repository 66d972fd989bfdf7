"""The patterns of `guests` decide which guests the page shows, and unused patterns are named."""

from collections.abc import Mapping

import pytest

from hostcollector.base.definition import Domain, MetadataElement
from hostcollector.base.model import Guest, Tenant
from hostcollector.config.files import read_bytes
from hostcollector.config.settings import GuestPattern, GuestSettings, Settings
from hostcollector.guests.selection import ALL, LONGEST_VALUE, MOST_PLACES, Selection

NOVA = {"n": "urn:nova"}


def flavor(value: str) -> GuestPattern:
    """Return the pattern of a flavor's name."""
    return GuestPattern(metadata="n:instance/n:flavor/@name", namespaces=NOVA, value=value)


def guest(name: str, tenant: str = "", *, flavors: tuple[str, ...] = (), complete: bool = True) -> Guest:
    """Return a guest; its metadata names these flavors."""
    inner = "".join(f'<n:flavor name="{flavor}">text {flavor}</n:flavor>' for flavor in flavors)
    xml = f'<n:instance xmlns:n="urn:nova">{inner}</n:instance>'
    element = MetadataElement(namespace="urn:nova", name="instance", xml=xml)
    metadata = (element,) if flavors else ()
    domain = Domain(uuid=f"uuid of {name}", name=name, metadata=metadata, complete=complete)
    return Guest(domain=domain, tenant=Tenant(id=tenant))


GUESTS = {
    each.domain.uuid: each
    for each in (
        guest("web-1", "acme", flavors=("m1.small",)),
        guest("web-2", "globex", flavors=("m1.tiny", "infra.large")),
        guest("infra-dns", "cloud"),
        guest("stray", complete=False),
    )
}


def shown(
    guests: Mapping[str, Guest] = GUESTS,
    *,
    include: tuple[GuestPattern, ...] = (),
    exclude: tuple[GuestPattern, ...] = (),
) -> set[str]:
    """Return the names of the guests that a configuration shows."""
    left_out = Selection(GuestSettings(include=include, exclude=exclude)).of(guests).left_out
    return {guest.domain.name for uuid, guest in guests.items() if uuid not in left_out}


def test_without_patterns_every_guest_is_shown() -> None:
    """The default selects all and has nothing to say."""
    assert Selection().of(GUESTS) is ALL
    assert ALL.left_out == frozenset()


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        (GuestPattern(name="web-*"), {"web-1", "web-2"}),
        (GuestPattern(name="web-[!1]"), {"web-2"}),
        (GuestPattern(name="WEB-*"), set()),
        (GuestPattern(name="web"), set()),
        (GuestPattern(tenant="acme"), {"web-1"}),
        (GuestPattern(tenant="?*"), {"web-1", "web-2", "infra-dns"}),
        (GuestPattern(tenant=""), {"stray"}),
        (GuestPattern(name="web-*", tenant="globex"), {"web-2"}),
        (GuestPattern(metadata="n:instance", namespaces=NOVA), {"web-1", "web-2"}),
        (flavor("infra.*"), {"web-2"}),
        (flavor("m1.small"), {"web-1"}),
        (
            GuestPattern(metadata="n:instance/n:flavor", namespaces=NOVA, value="text m1.*"),
            {"web-1", "web-2"},
        ),
        (GuestPattern(metadata="n:instance/n:flavor/@id", namespaces=NOVA), set()),
    ],
)
def test_an_entry_matches_the_guests_that_fit_all_its_keys(pattern: GuestPattern, names: set[str]) -> None:
    """As `include` an entry shows its guests only, as `exclude` all others."""
    assert shown(include=(pattern,)) == names
    assert shown(exclude=(pattern,)) == {guest.domain.name for guest in GUESTS.values()} - names


def test_exclude_wins_over_include() -> None:
    """Entries of a list add up, and a guest in both lists is left out."""
    include = (GuestPattern(name="web-*"), GuestPattern(tenant="cloud"))
    assert shown(include=include, exclude=(GuestPattern(name="*-2"),)) == {"web-1", "infra-dns"}


def test_a_pattern_that_matches_no_guest_is_named() -> None:
    """The note has its place in the configuration and its text, in one line."""
    settings = GuestSettings(
        include=(GuestPattern(name="web-*"), GuestPattern(tenant="ghost\n")),
        exclude=(flavor("x"),),
    )
    assert Selection(settings).of(GUESTS).notes == (
        "guests.include[1] (tenant: 'ghost\\n') matches no guest of this host",
        "guests.exclude[0] (metadata: 'n:instance/n:flavor/@name', value: 'x') matches no guest of this host",
    )


def test_a_guest_is_compared_anew_when_it_changes() -> None:
    """A tenant that changes moves the guest in or out; guests that end are forgotten."""
    selection = Selection(GuestSettings(exclude=(GuestPattern(tenant="cloud"),)))
    before, after = guest("one", "cloud"), guest("one", "acme")
    assert selection.of({before.domain.uuid: before}).left_out == {before.domain.uuid}
    assert selection.of({after.domain.uuid: after}).left_out == frozenset()
    assert selection.of({}).left_out == frozenset()


def test_a_text_that_is_too_long_matches_nothing() -> None:
    """So does what comes after a thousand places: a guest's metadata cannot make a page slow."""
    long = guest("long", flavors=("x" * (LONGEST_VALUE + 1),))
    many = guest("many", flavors=("x",) * MOST_PLACES + ("last",))
    guests = {each.domain.uuid: each for each in (long, many)}
    assert shown(guests, include=(flavor("x*"),)) == {"many"}
    assert shown(guests, include=(flavor("last"),)) == set()


def test_no_pattern_backtracks_without_end() -> None:
    """A pattern of many stars on a name that nearly fits ends; with backtracking it would take years."""
    document = f'guests: {{exclude: [{{name: "{"*a" * 120}b"}}]}}'.encode()
    settings = read_bytes(document, "test", Settings)
    hostile = guest("a" * 1000)
    assert shown({hostile.domain.uuid: hostile}, exclude=settings.guests.exclude) == {hostile.domain.name}
