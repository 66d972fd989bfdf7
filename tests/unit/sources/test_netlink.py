"""The netlink source shows a guest's traffic from the guest's side, and never another guest's."""

import contextlib
import ctypes
import fcntl
import os
import resource
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from hostcollector.base.definition import Domain, Nic
from hostcollector.base.errors import SourceDeniedError, SourceError, SourceUnavailableError
from hostcollector.base.model import Guest
from hostcollector.base.source import Reading, Request
from hostcollector.catalogue import interface
from hostcollector.protocols.kernel.files import names
from hostcollector.protocols.netlink.messages import LinkCounters, LinkDescription
from hostcollector.protocols.netlink.route_socket import LinkGoneError, RouteSocket
from hostcollector.protocols.netlink.traffic_control import HtbClass, Policer, Qdisc
from hostcollector.sources.netlink import Netlink
from tests.fakes.link_messages import attribute, done_message, error_message, statistics_message

A = "6f0c2a0e-5d6e-4c1b-9a60-0a6f0f7d2b11"
B = "0f6f3c1c-07f6-4b2e-8d3f-1d3f0c9d5b22"
NAMES = ("bytes", "packets", "errors", "dropped")
COUNTERS = LinkCounters(
    **{
        f"{side}_{name}": place + 10 * n
        for n, side in ((1, "rx"), (2, "tx"))
        for place, name in enumerate(NAMES)
    }
)
RECEIVED = (
    interface.RECEIVE_BYTES,
    interface.RECEIVE_PACKETS,
    interface.RECEIVE_ERRORS,
    interface.RECEIVE_DROPS,
)
TRANSMITTED = (
    interface.TRANSMIT_BYTES,
    interface.TRANSMIT_PACKETS,
    interface.TRANSMIT_ERRORS,
    interface.TRANSMIT_DROPS,
)
T = TypeVar("T")


def request(**nics: list[Nic]) -> Request:
    """Return a request for the guests a and b with these interfaces."""
    uuids = {"a": A, "b": B}
    guests = {
        uuids[key]: Guest(domain=Domain(uuid=uuids[key], name=key, nics=tuple(value)))
        for key, value in nics.items()
    }
    return Request(guests=guests, deadline=time.monotonic() + 10, taken_at=0.0)


TAP = LinkDescription(name="", kind="tun", mac="fe:54:00:aa:00:01", ethernet=True)
MACVTAP = TAP._replace(kind="macvtap", mac="52:54:00:aa:00:01")
MAC = "52:54:00:AA:00:01"


class _Links:
    """Replaces the kernel: the same counters for each of these links. tap7 has index 7, and so on.

    Each link is what `link` says; the one that is None goes as soon as its index is known.
    """

    def __init__(self, indexes: Sequence[int], link: LinkDescription | None = TAP) -> None:
        self.indexes = indexes
        self.link = link
        self.asked = 0
        self.described = 0

    def index(self, name: str) -> int | None:
        return int(name.removeprefix("tap")) if name.startswith("tap") else None

    def description(self, _index: int, _deadline: float) -> LinkDescription:
        self.described += 1
        if self.link is None:
            raise LinkGoneError("gone")
        return self.link

    def counters(self, _deadline: float) -> dict[int, LinkCounters]:
        self.asked += 1
        return dict.fromkeys(self.indexes, COUNTERS)

    def qdiscs(self, _deadline: float) -> dict[tuple[int, int], Qdisc]:
        """No link is limited."""
        return {}

    def classes(self, _index: int, _deadline: float) -> dict[int, HtbClass]:
        """No link has classes."""
        return {}

    def policers(self, _index: int, _parent: int, _deadline: float) -> dict[int, Policer]:
        """No link has policers."""
        return {}

    def close(self) -> None:
        pass


def read(indexes: tuple[int, ...], link: LinkDescription | None = TAP, **nics: list[Nic]) -> Reading:
    """Read where the links with these indexes exist and each is such a one."""
    return Netlink(_Links(indexes, link)).read(request(**nics))


class _Loopback(RouteSocket):
    """This machine's kernel, whose loopback is taken for a macvtap: it can be read without being root."""

    def description(self, index: int, deadline: float) -> LinkDescription:
        return super().description(index, deadline)._replace(kind="macvtap", mac="")


def read_for_real(**nics: list[Nic]) -> Reading:
    """Read from this machine's kernel, once."""
    with closing(Netlink()) as source:
        return source.read(request(**nics))


def read_loopback() -> Reading:
    """Read the loopback, once."""
    with closing(Netlink(_Loopback())) as source:
        return source.read(request(a=[Nic(type="direct", target="lo")]))


def figures(reading: Reading, target: str, uuid: str = A) -> list[object]:
    """Return what the guest received and sent through one interface: bytes, packets, errors, drops."""
    values = {s.metric: s.value for s in reading.samples if s.labels == (target,) and s.uuid == uuid}
    return [values.get(metric) for metric in (*RECEIVED, *TRANSMITTED)]


@pytest.mark.parametrize("kind", ["bridge", "ethernet", "network"])
def test_what_a_tap_sends_the_guest_receives(kind: str) -> None:
    """The host's end of the cable counts the other way round."""
    reading = read((7,), a=[Nic(type=kind, target="tap7")])
    assert figures(reading, "tap7") == [20, 21, 22, 23, 10, 11, 12, 13]
    assert (reading.notes, reading.partial) == ((), False)


def test_a_macvtap_counts_as_the_guest_does() -> None:
    """It is a port of the lower device, with the guest behind it."""
    for kind in ("macvtap", "ipvtap"):
        reading = read((7,), MACVTAP._replace(kind=kind), a=[Nic(type="direct", target="tap7", mac=MAC)])
        assert figures(reading, "tap7") == [10, 11, 12, 13, 20, 21, 22, 23]
        assert not reading.partial


@pytest.mark.parametrize(("link", "received"), [(TAP, 20), (MACVTAP, 10)])
def test_the_direction_is_that_of_the_kernels_kind(link: LinkDescription, received: int) -> None:
    """An interface of type ethernet may be either, with any maker and any address."""
    nic = Nic(type="ethernet", target="tap7", mac="52:54:00:bb:00:02")
    reading = read((7,), link, a=[nic])
    assert figures(reading, "tap7")[0] == received
    assert not reading.partial


def test_interfaces_that_have_no_link_are_absent() -> None:
    """No name, or a type whose traffic passes no link, whatever name it has: nothing is missing."""
    types = (
        "hostdev",
        "vdpa",
        "vhostuser",
        "user",
        "server",
        "client",
        "mcast",
        "udp",
        "internal",
        "null",
        "",
    )
    nics = [Nic(type=kind, target=target) for kind in types for target in ("tap7", "vnet9")]
    reading = read((7,), a=[Nic(type="bridge"), *nics])
    assert list(reading.samples) == []
    assert (reading.partial, reading.missing, reading.notes) == (False, 0, ())


def test_a_link_that_is_not_there_is_missing() -> None:
    """No such name, or gone since: each is counted and named with its guest, and the others are read."""
    nics = [Nic(type="bridge", target=target) for target in ("vnet9", "tap8", "tap7")]
    reading = read((7,), a=nics)
    assert len(reading.samples) == 8
    assert (reading.partial, reading.missing) == (True, 2)
    assert reading.notes == (
        "link not found: 'vnet9' of guest 'a' (no link of that name in this network namespace)",
        "link not found: 'tap8' of guest 'a' (it has gone, or the kernel lists it without counters)",
    )
    gone = read((7,), None, a=nics[2:])
    assert (list(gone.samples), gone.missing) == ([], 1)


WRONG = {
    "a veth of a container": ("bridge", MAC, TAP._replace(kind="veth")),
    "a dummy": ("ethernet", MAC, TAP._replace(kind="dummy")),
    "a network card": ("ethernet", MAC, TAP._replace(kind="", mac="3c:ec:ef:00:00:01")),
    "a bridge": ("network", MAC, TAP._replace(kind="bridge")),
    "a macvlan": ("direct", MAC, MACVTAP._replace(kind="macvlan")),
    "a tap where a macvtap is defined": ("direct", MAC, TAP),
    "a macvtap where a tap is defined": ("bridge", MAC, MACVTAP),
    "a tunnel of IP packets": ("bridge", MAC, TAP._replace(mac="", ethernet=False)),
    "another guest's tap": ("bridge", "52:54:00:bb:00:02", TAP),
    "another guest's macvtap": ("direct", "52:54:00:bb:00:02", MACVTAP),
    "a macvtap with a tap's address": ("direct", MAC, MACVTAP._replace(mac="fe:54:00:aa:00:01")),
}


@pytest.mark.parametrize(("kind", "mac", "link"), WRONG.values(), ids=WRONG)
def test_a_name_alone_makes_no_link_the_guests(kind: str, mac: str, link: LinkDescription) -> None:
    """A link of the name that the definition has, and of another kind or with another's address."""
    reading = read((7,), link, a=[Nic(type=kind, target="tap7", mac=mac)])
    assert list(reading.samples) == []
    assert (reading.partial, reading.missing) == (True, 1)
    assert "'tap7' of guest 'a' (the one of that name is " in reading.notes[0]


RIGHT = {
    "a tap by libvirt": ("bridge", MAC, TAP),
    "a tap with the guest's own address": ("network", MAC, TAP._replace(mac=MAC.lower())),
    "a definition without an address": ("bridge", "", TAP),
    "a macvtap": ("direct", MAC.lower(), MACVTAP),
    "an address of a multicast look": ("bridge", "ff:54:00:aa:00:01", TAP),
}


@pytest.mark.parametrize(("kind", "mac", "link"), RIGHT.values(), ids=RIGHT)
def test_a_link_with_the_guests_address_is_the_guests(kind: str, mac: str, link: LinkDescription) -> None:
    """A tap has it with another first byte, a macvtap as it is."""
    reading = read((7,), link, a=[Nic(type=kind, target="tap7", mac=mac)])
    assert len(reading.samples) == 8
    assert not reading.partial


def test_where_the_address_may_differ_it_does_not_count() -> None:
    """A guest that may change its own address, and a session, whose taps the bridge helper makes."""
    nic = Nic(type="bridge", target="tap7", mac="52:54:00:bb:00:02")
    assert read((7,), a=[replace(nic, trusts_guest=True)]).samples
    assert Netlink(_Links((7,)), macs_are_set=False).read(request(a=[nic])).samples


def test_what_a_link_is_is_asked_once() -> None:
    """Anew for another index, another definition, and one that was not the guest's: that may change."""
    links = _Links((7, 8))
    source = Netlink(links)
    nic = Nic(type="bridge", target="tap7", mac=MAC)
    for _ in range(3):
        assert source.read(request(a=[nic])).samples
    assert links.described == 1
    links.index = lambda _: 8  # type: ignore[method-assign,assignment] # the name is another link's now
    assert source.read(request(a=[nic])).samples
    assert links.described == 2
    other = replace(nic, mac="52:54:00:bb:00:02")
    for _ in range(2):
        assert not source.read(request(a=[other])).samples
    assert links.described == 4


def test_one_link_is_shown_once() -> None:
    """Also where a definition names it twice."""
    reading = read((7,), a=[Nic(type="bridge", target="tap7"), Nic(type="bridge", target="tap7")])
    assert len(reading.samples) == 8


def test_a_link_that_two_guests_name_is_neithers() -> None:
    """A name passes on before the inventory knows; one tenant must not see the other's traffic."""
    tap7, tap8 = Nic(type="bridge", target="tap7"), Nic(type="bridge", target="tap8")
    reading = read((7, 8), a=[tap7], b=[tap7, tap8])
    assert {(sample.uuid, sample.labels) for sample in reading.samples} == {(B, ("tap8",))}
    assert reading.notes == ("two guests name the interface 'tap7': neither is read",)
    assert reading.partial


def test_a_name_goes_by_its_present_index() -> None:
    """The same name on another link is another series of numbers."""
    links = _Links((9,))
    indexes = iter((7, 9))
    links.index = lambda _: next(indexes)  # type: ignore[method-assign,assignment] # it moves
    source = Netlink(links)
    nics = [Nic(type="bridge", target="vnet0")]
    assert list(source.read(request(a=nics)).samples) == []
    assert len(source.read(request(a=nics)).samples) == 8


@pytest.mark.parametrize("name", ["tap\0", "tap\ud800", "a" * 300, "tap7/../x"])
def test_a_name_that_no_link_can_have_is_absent(name: str) -> None:
    """The real look-up refuses it without harm."""
    reading = read_for_real(a=[Nic(type="bridge", target=name)])
    assert list(reading.samples) == []


@pytest.mark.native
def test_the_real_loopback_counts_what_goes_through_it() -> None:
    """The kernel's counters of this machine, without being root."""
    before = figures(read_loopback(), "lo")[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(10):
            sender.sendto(b"x", ("127.0.0.1", 9))
    after = figures(read_loopback(), "lo")[1]
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert after - before >= 10


@pytest.mark.native
def test_nothing_is_left_open_and_nothing_asked_without_need() -> None:
    """The socket is one for all reads and closed with the source."""
    source = Netlink(_Loopback())
    before = sorted(names("/proc/self/fd"))
    for _ in range(3):
        assert source.read(request(a=[Nic(type="direct", target="lo")])).samples
    source.close()
    assert sorted(names("/proc/self/fd")) == before
    links = _Links((7,))
    assert list(Netlink(links).read(request(a=[])).samples) == []
    assert links.asked == 0


@contextmanager
def no_free_file_descriptor() -> Iterator[None]:
    """Let this process open nothing more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    try:
        with contextlib.suppress(OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, names("/proc/self/fd"))) + 1, before[1]))
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for number in taken:
            os.close(number)


@pytest.mark.native
def test_links_are_found_without_a_free_file_descriptor() -> None:
    """They are looked up over the socket that is open; one that cannot be opened is an error, not a gap."""
    nics = [Nic(type="direct", target="lo")]
    with closing(Netlink(_Loopback())) as source, closing(Netlink()) as unopened:
        assert source.read(request(a=nics)).samples
        with no_free_file_descriptor():
            assert source.read(request(a=nics)).samples
            with pytest.raises(SourceUnavailableError, match="open files"):
                unopened.read(request(a=nics))


@pytest.mark.parametrize(
    ("code", "error"),
    [(1, SourceDeniedError), (95, SourceUnavailableError)],
)
def test_what_the_kernel_refuses_is_the_sources_error(code: int, error: type[SourceError]) -> None:
    """The page says why the source is missing."""
    ours, kernels = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    kernels.send(error_message(code))
    source = Netlink(RouteSocket(lambda: ours))
    with closing(kernels), closing(source), pytest.raises(error, match=os.strerror(code)):
        source.read(request(a=[Nic(type="direct", target="lo")]))


def test_statistics_without_counters_are_no_counters() -> None:
    """A link whose message lacks the attribute, or has less of it than Linux ever had, is absent."""
    ours, kernels = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    whole = attribute(1, struct.pack("=8Q", *range(8)))
    for index, body in enumerate(
        (whole, b"", attribute(1, bytes(32)), attribute(2, bytes(64)), whole + whole)
    ):
        kernels.send(statistics_message(index, body))
    kernels.send(done_message())
    found = RouteSocket(lambda: ours).counters(time.monotonic() + 10)
    assert found == dict.fromkeys((0, 4), LinkCounters(*range(8)))
    kernels.close()
    ours.close()


CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000


def in_a_network_of_its_own(call: Callable[[], T]) -> T:
    """Run a function in a thread that alone is in a fresh network namespace."""

    def enter_and_call() -> T:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        ipv6 = Path("/proc/thread-self/net/if_inet6")
        if ipv6.exists():  # its greetings would be counted
            Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
        return call()

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(enter_and_call).result()


@contextmanager
def tap(name: str) -> Iterator[int]:
    """Make a tap that is up; give its descriptor, the guest's end."""
    guest_end = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(guest_end, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        yield guest_end
    finally:
        os.close(guest_end)


def exchange(guest_end: int, name: str) -> None:
    """Have the guest send 7 frames of 100 bytes, of a protocol that the host knows, and receive 5 of 60."""
    frame = b"\xff" * 6 + b"\x02" + b"\x00" * 5 + b"\x08\x00"
    for _ in range(7):
        os.write(guest_end, frame.ljust(100, b"\0"))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as host_end:
        host_end.bind((name, 0))
        for _ in range(5):
            host_end.send(frame.ljust(60, b"\0"))
            assert len(os.read(guest_end, 2000)) == 60


@pytest.mark.lab
def test_a_real_tap_counts_what_its_guest_sent_and_received() -> None:
    """Packets and bytes exactly, next to a tap that did nothing."""

    def work() -> Reading:
        with tap("vnet0") as busy, tap("vnet1"):
            exchange(busy, "vnet0")
            return read_for_real(
                a=[Nic(type="ethernet", target="vnet0")], b=[Nic(type="bridge", target="vnet1")]
            )

    reading = in_a_network_of_its_own(work)
    assert figures(reading, "vnet0") == [5 * 60, 5, 0, 0, 7 * 100, 7, 0, 0]
    assert figures(reading, "vnet1", B) == [0] * 8


@pytest.mark.lab
def test_a_real_name_that_passes_to_another_tap_starts_anew() -> None:
    """The second tap of that name has counted nothing yet, and a removed one is absent."""

    def work() -> list[list[object]]:
        source = Netlink()
        wanted = request(a=[Nic(type="ethernet", target="vnet0")])
        found = []
        with tap("vnet0") as first:
            exchange(first, "vnet0")
            found.append(figures(source.read(wanted), "vnet0"))
        found.append(figures(source.read(wanted), "vnet0"))
        with tap("vnet0"):
            found.append(figures(source.read(wanted), "vnet0"))
        source.close()
        return found

    first, between, second = in_a_network_of_its_own(work)
    assert first[5] == 7
    assert between == [None] * 8
    assert second == [0] * 8


@pytest.mark.lab
def test_two_hundred_real_links_are_read_in_one_dump() -> None:
    """More than fit into one datagram of the kernel."""

    def work() -> int:
        links = [f"vnet{number}" for number in range(200)]
        batch = "".join(f"tuntap add dev {name} mode tap\n" for name in links)
        subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)
        reading = read_for_real(a=[Nic(type="bridge", target=name) for name in links])
        return len({sample.labels for sample in reading.samples})

    assert in_a_network_of_its_own(work) == 200


@pytest.mark.lab
def test_real_links_are_distinguished_by_what_the_kernel_says() -> None:
    """A tap is a tap, a veth under a guest's name is none, and a macvtap counts as its guest does."""

    def work() -> Reading:
        links = (
            "link add vnet1 type veth peer name other",
            "link add link other name mv0 address 52:54:00:aa:00:01 type macvtap mode bridge",
            "tuntap add dev vnet2 mode tun",
            "link add vnet3 type bridge",
        )
        for link in links:
            subprocess.run(["ip", *link.split()], check=True)
        with tap("vnet0"):
            subprocess.run(["ip", "link", "set", "vnet0", "address", "fe:54:00:aa:00:02"], check=True)
            taps = [Nic(type="bridge", target=f"vnet{n}", mac="52:54:00:aa:00:02") for n in range(4)]
            mv0 = Nic(type="ethernet", target="mv0", mac=MAC)
            return read_for_real(a=[*taps, mv0])

    reading = in_a_network_of_its_own(work)
    assert {sample.labels for sample in reading.samples} == {("vnet0",), ("mv0",)}
    assert reading.missing == 3
    for word in ("but veth", "without Ethernet", "but bridge"):
        assert any(word in note for note in reading.notes)


@pytest.mark.lab
def test_what_goes_through_a_real_macvtap_is_counted_from_its_guests_side() -> None:
    """What the lower device gets for it the guest receives, also where the definition says ethernet."""

    def work() -> Reading:
        for link in (
            "link add low type veth peer name far",
            "link add link low name mv0 address 52:54:00:aa:00:01 type macvtap mode bridge",
            "link set low up",
            "link set far up",
            "link set mv0 up",
        ):
            subprocess.run(["ip", *link.split()], check=True)
        frame = bytes.fromhex("525400aa0001") + b"\x02" + bytes(5) + b"\x08\x00"
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as far:
            far.bind(("far", 0))
            for _ in range(5):
                far.send(frame.ljust(60, b"\0"))
        return read_for_real(a=[Nic(type="ethernet", target="mv0", mac=MAC)])

    assert figures(in_a_network_of_its_own(work), "mv0")[:2] == [5 * 60, 5]
