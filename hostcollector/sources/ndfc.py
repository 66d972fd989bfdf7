"""The `ndfc` source: which network of a Cisco fabric each VLAN of this host's guests is.

Requests go on in the background; a read takes the last good answer. Off while nothing is configured.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from hostcollector.base.gaps import MOST_NAMED, Gaps
from hostcollector.base.model import Guest, Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.base.wording import counted, duration
from hostcollector.catalogue import network as rows
from hostcollector.protocols.ndfc.answers import NdfcAnswer, Placement
from hostcollector.protocols.ndfc.client import NdfcClient

VLANS = range(1, 4095)


class Ndfc(Source):
    """Describes the VLANs in use; `client` is None without a configured controller."""

    name = "ndfc"

    def __init__(self, client: NdfcClient | None) -> None:
        self._client = client

    def start(self) -> None:
        """Start to poll in the background."""
        if self._client is not None:
            self._client.start()

    def read(self, request: Request) -> Reading:
        """Return the VLANs' networks, at once. Raises `SourceError` while there has been no answer.

        After a failure the last good answer is shown with its age; the reading is partial then.
        """
        if self._client is None:
            return Reading(samples=(), off="ndfc.url is not set")
        answer, age, failure = self._client.current()
        used = vlans_in_use(request.guests)
        samples = [Sample(rows.NDFC_AGE, age), Sample(rows.NDFC_INFO, 1.0, (answer.version,))]
        samples.extend(_described(answer, used))
        gaps = Gaps()
        if failure:
            gaps.note(f"the last answer is {duration(age)} old: {failure}")
        _doubt(answer, used, vlans_promised(request.guests), gaps)
        return Reading(
            samples=samples,
            notes=(*gaps.notes, *answer.notes),
            partial=bool(gaps or answer.unread),
            missing=gaps.count + answer.unread,
        )

    def settle(self, seconds: float) -> None:
        """Wait for the first answer or failure."""
        if self._client is not None:
            self._client.settle(seconds)

    def close(self) -> None:
        """Stop polling."""
        if self._client is not None:
            self._client.close()


def vlans_in_use(guests: Mapping[str, Guest]) -> frozenset[int]:
    """Return the VLANs that the guests' definitions put their interfaces into, those of VFs among them.

    0 is a priority tag, not a VLAN.
    """
    tags = (vlan for guest in guests.values() for nic in guest.domain.nics for vlan in nic.vlans)
    return frozenset(vlan for vlan in tags if vlan in VLANS)


def vlans_promised(guests: Mapping[str, Guest]) -> frozenset[int]:
    """Return the VLANs that are an interface's only one; a trunk may have more than the fabric gives it."""
    nics = (nic for guest in guests.values() for nic in guest.domain.nics if len(nic.vlans) == 1)
    return frozenset(vlan for nic in nics for vlan in nic.vlans if vlan in VLANS)


def _described(answer: NdfcAnswer, used: Iterable[int]) -> Iterator[Sample]:
    known = {vlan: found[0] for vlan in sorted(used) if len(found := answer.vlans.get(vlan, ())) == 1}
    for vlan, place in known.items():
        labels = (str(vlan), _number(place.vni), place.network, place.vrf, place.fabric)
        yield Sample(rows.NETWORK_INFO, 1.0, labels)
    vrfs = {(place.vrf, _number(place.vrf_vni), place.fabric) for place in known.values() if place.vrf_vni}
    for described in sorted(vrfs):
        yield Sample(rows.VRF_INFO, 1.0, described)
    yield Sample(rows.VLANS_UNRESOLVED, len(frozenset(used)) - len(known))


def _doubt(answer: NdfcAnswer, used: Iterable[int], promised: Collection[int], gaps: Gaps) -> None:
    """Note which VLANs are left out, and what to do about it."""
    unknown = [vlan for vlan in sorted(used) if not answer.vlans.get(vlan)]
    for vlan in unknown:
        if vlan in promised:
            gaps.missing("VLAN of the guests among the attached networks", str(vlan))
    trunked = [str(vlan) for vlan in unknown if vlan not in promised]
    if trunked:
        named = ", ".join(trunked[:MOST_NAMED]) + (", ..." if len(trunked) > MOST_NAMED else "")
        gaps.fact(f"{counted(len(trunked), 'VLAN')} of trunks are no attached networks: {named}")
    several = [(vlan, answer.vlans[vlan]) for vlan in sorted(used) if len(answer.vlans.get(vlan, ())) > 1]
    for vlan, places in several[:MOST_NAMED]:
        one, other = _place(places[0]), _place(places[1])
        gaps.note(
            f"VLAN {vlan} is {one} and also {other}: it is left out; "
            "name the switches that this host is cabled to in ndfc.switches"
        )


def _place(place: Placement) -> str:
    return f"{place.network!r} of {place.fabric!r}"


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
