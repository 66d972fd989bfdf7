"""The client against a real ovsdb-server: killed, stopped, restarted, over unix sockets, TCP and TLS."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hostcollector.base.errors import (
    SourceDeniedError,
    SourceError,
    SourceTimeoutError,
    SourceUnavailableError,
)
from hostcollector.config.address import Remote, parse_remote
from hostcollector.config.services import OvsSettings
from hostcollector.devices.switch import WATCH, LocalSwitch, PortLimits, Switch
from hostcollector.protocols.ovsdb.client import OvsdbClient
from hostcollector.protocols.ovsdb.connection import TlsFiles
from tests.lab.certificates import Authority
from tests.lab.process import eventually, until
from tests.lab.switch import VSWITCH_SCHEMA, DatabaseServer, Member
from tests.ports import reserved_port

pytestmark = pytest.mark.lab

Follow = Callable[[Remote, TlsFiles | None], OvsdbClient]


@pytest.fixture
def follow() -> Iterator[Follow]:
    """Give a function that starts a client of a switch's database; they end with the test."""
    clients = []

    def follow(remote: Remote, tls: TlsFiles | None = None) -> OvsdbClient:
        client = OvsdbClient("lab-database", [remote], WATCH, maximum_age=10.0, tls=tls)
        clients.append(client)
        client.start()
        return client

    yield follow
    for client in clients:
        client.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[DatabaseServer]:
    """Give a switch's database with one bridge and one guest's port."""
    with DatabaseServer(tmp_path / "ovs", VSWITCH_SCHEMA) as server:
        server.vsctl("init")
        server.vsctl("set", "open", ".", "external_ids:system-id=chassis-1")
        server.vsctl("add-br", "br-int")
        server.vsctl("add-port", "br-int", "vnet0", "tag=7", "--", *_ids("vnet0"))
        yield server


def _ids(port: str) -> tuple[str, ...]:
    return ("set", "interface", port, "external_ids:iface-id=lp-1", "external_ids:vm-id=guest-1")


def failure(read: Callable[[], object]) -> SourceError | None:
    """Return why something cannot be read; None while it can."""
    try:
        read()
    except SourceError as error:
        return error
    return None


@pytest.fixture
def port() -> Iterator[int]:
    """Give a TCP port for a database server."""
    with reserved_port() as port:
        yield port


def packets(switch: Switch) -> int | None:
    """Return the packets of the guest's port."""
    return next(port for port in switch.ports if port.name == "vnet0").statistics.get("rx_packets")


def test_a_real_switchs_database_is_read_and_followed(database: DatabaseServer) -> None:
    """Ports, their bridge and VLAN, their ids; then statistics as the switch writes them, then their end."""
    switch = LocalSwitch(OvsSettings(remote=database.remote))
    switch.start()
    first = switch.current()
    (port,) = (port for port in first.ports if port.name == "vnet0")
    assert (port.bridge, port.port, port.vlan) == ("br-int", "vnet0", 7)
    assert (port.interface_id, port.guest_uuid, port.statistics) == ("lp-1", "guest-1", {})
    assert first.system_id == "chassis-1"
    assert first.statistics_changed_at is None

    database.vsctl("set", "interface", "vnet0", "statistics:rx_packets=5", "statistics:tx_packets=6")
    until(lambda: packets(switch.current()) == 5, 10, "the first statistics")
    database.vsctl("set", "interface", "vnet0", "statistics:rx_packets=8")
    until(lambda: packets(switch.current()) == 8, 10, "the next statistics")
    assert switch.current().statistics_changed_at is not None

    database.vsctl("set", "open", ".", "other_config:stats-update-interval=7500")
    until(lambda: switch.current().statistics_interval == 7.5, 10, "the interval")
    database.vsctl("del-port", "vnet0")
    until(lambda: len(switch.current().ports) == 1, 10, "the end of the port")
    assert packets(first) is None
    switch.close()


def test_limits_are_what_ovs_vsctl_sets(database: DatabaseServer) -> None:
    """Policing of what arrives, QoS of what leaves, and a queue; then none of it."""
    switch = LocalSwitch(OvsSettings(remote=database.remote))
    switch.start()

    def limits() -> PortLimits:
        return next(port for port in switch.current().ports if port.name == "vnet0").limits

    assert limits() == PortLimits()
    policing = ("ingress_policing_rate=8000", "ingress_policing_burst=800")
    database.vsctl("set", "interface", "vnet0", *policing)
    quality = (
        "--id=@qos",
        "create",
        "qos",
        "type=linux-htb",
        "other-config:max-rate=16000000",
        "queues:3=@q",
    )
    queue = ("--id=@q", "create", "queue", "other-config:max-rate=4000000")
    database.vsctl("set", "port", "vnet0", "qos=@qos", "--", *quality, "--", *queue)
    wanted = PortLimits(arriving=1_000_000, arriving_burst=100_000, leaving=2_000_000, queues={3: 500_000})
    until(lambda: limits() == wanted, 10, "the limits")
    database.vsctl("clear", "port", "vnet0", "qos")
    database.vsctl("set", "interface", "vnet0", "ingress_policing_rate=0")
    until(lambda: limits() == PortLimits(), 10, "the end of the limits")
    switch.close()


def test_a_killed_server_is_absent_until_it_is_back(database: DatabaseServer) -> None:
    """Nothing of the dead server's rows is shown; what the new one says is, without the old statistics."""
    switch = LocalSwitch(OvsSettings(remote=database.remote))
    switch.start()
    database.vsctl("set", "interface", "vnet0", "statistics:rx_packets=5")
    until(lambda: packets(switch.current()) == 5, 10, "the statistics")
    database.kill()
    until(lambda: failure(switch.current) is not None, 10, "the end")
    database.start()
    until(lambda: failure(switch.current) is None, 20, "the return")
    assert packets(switch.current()) is None
    switch.close()


def test_a_stopped_server_is_too_old(database: DatabaseServer) -> None:
    """A server that hangs keeps its connections and says nothing: after the limit it is not shown."""
    switch = LocalSwitch(OvsSettings(remote=database.remote, maximum_age_seconds=1.0))
    switch.start()
    assert packets(switch.current()) is None
    database.stop()
    until(lambda: isinstance(failure(switch.current), SourceTimeoutError), 10, "the age")
    database.cont()
    until(lambda: failure(switch.current) is None, 20, "the return")
    switch.close()


def test_an_idle_server_gives_signs_of_life(database: DatabaseServer) -> None:
    """A database in which nothing happens for longer than the limit is as fresh as ever."""
    switch = LocalSwitch(OvsSettings(remote=database.remote, maximum_age_seconds=1.0))
    switch.start()
    started = switch.current()
    ended = time.monotonic() + 3.0
    while time.monotonic() < ended:
        assert switch.current() is started
        time.sleep(0.05)
    switch.close()


def test_tcp(tmp_path: Path, follow: Follow, port: int) -> None:
    """A database on a TCP port is followed like one on a socket."""
    with DatabaseServer(tmp_path / "ovs", VSWITCH_SCHEMA, f"--remote=ptcp:{port}:127.0.0.1") as server:
        server.vsctl("init")
        client = follow(parse_remote(f"tcp:localhost:{port}"), None)
        assert len(client.replica().rows("Open_vSwitch")) == 1


def test_another_database_is_refused(tmp_path: Path) -> None:
    """A server that does not have the database says so, and we say what it said."""
    schema = tmp_path / "other.ovsschema"
    schema.write_text(
        '{"name": "Other", "version": "1.0.0", "tables": {"T": {"columns": {"c": {"type": "string"}}}}}'
    )
    with DatabaseServer(tmp_path / "other", schema) as server:
        switch = LocalSwitch(OvsSettings(remote=server.remote))
        switch.start()
        with pytest.raises(SourceUnavailableError, match="unknown database Open_vSwitch"):
            switch.current()
        switch.close()


def test_tls(tmp_path: Path, follow: Follow, port: int) -> None:
    """With certificates of one authority on both sides it works; anything else is refused with its reason."""
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    server_side, client_side, stranger = ours.issue("server"), ours.issue("client"), theirs.issue("stranger")
    remote = parse_remote(f"ssl:127.0.0.1:{port}")
    options = (
        f"--remote=pssl:{port}:127.0.0.1",
        f"--private-key={server_side.key}",
        f"--certificate={server_side.file}",
        f"--ca-cert={ours.certificate.file}",
    )
    with DatabaseServer(tmp_path / "ovs", VSWITCH_SCHEMA, *options) as server:
        server.vsctl("init")
        authority = ours.certificate.file
        good = TlsFiles(authority=authority, certificate=client_side.file, key=client_side.key)
        assert len(follow(remote, good).replica().rows("Open_vSwitch")) == 1

        wrong_authority = follow(remote, TlsFiles(authority=theirs.certificate.file))
        with pytest.raises(SourceDeniedError, match="not signed by the configured authority"):
            wrong_authority.replica()
        for bad in (
            TlsFiles(authority=authority),
            TlsFiles(authority=authority, certificate=stranger.file, key=stranger.key),
        ):
            with pytest.raises(SourceDeniedError, match=f"{remote}: TLS failed"):
                follow(remote, bad).replica()
        missing = follow(remote, TlsFiles(authority=tmp_path / "none.pem"))
        with pytest.raises(SourceUnavailableError, match=r"none\.pem cannot be used"):
            missing.replica()
        swapped = follow(
            remote, TlsFiles(authority=authority, certificate=client_side.file, key=stranger.key)
        )
        with pytest.raises(SourceUnavailableError, match=r"client\.pem and .*stranger\.key cannot be used"):
            swapped.replica()


def test_a_member_that_lost_its_cluster_is_left(tmp_path: Path) -> None:
    """A follower that hears nothing of its cluster is never shown as fresh: another member is asked."""
    with ExitStack() as running:
        first = running.enter_context(Member(tmp_path / "m1", VSWITCH_SCHEMA, "Open_vSwitch"))
        others = [
            running.enter_context(Member(tmp_path / name, VSWITCH_SCHEMA, "Open_vSwitch", first))
            for name in ("m2", "m3")
        ]
        for member in others:
            until(member.joined, 20, f"{member.directory} in the cluster")
        first.vsctl("init")
        first.vsctl("set", "open", ".", "external_ids:system-id=before")
        followed = others[0]
        client = OvsdbClient("lab-cluster", [followed.remote, first.remote], WATCH, maximum_age=30.0)
        running.callback(client.close)
        client.start()
        until(lambda: system_id(client) == "before", 20, "the rows")
        followed.cut_off()
        first.vsctl("set", "open", ".", "external_ids:system-id=after")
        assert eventually(lambda: system_id(client) == "after", 60, "the rows of another member")


def system_id(client: OvsdbClient) -> str:
    """Return the switch's name in the replica; empty while there is none."""
    try:
        rows = client.replica().rows("Open_vSwitch")
    except SourceError:
        return ""
    return next(iter(rows.values())).texts("external_ids").get("system-id", "") if rows else ""


def test_a_server_without_tls_is_refused(tmp_path: Path, follow: Follow, port: int) -> None:
    """Speaking TLS to a plain server fails with a typed error, and nothing is ever sent in the clear."""
    ours = Authority(tmp_path, "ours")
    with DatabaseServer(tmp_path / "ovs", VSWITCH_SCHEMA, f"--remote=ptcp:{port}:127.0.0.1"):
        client = follow(parse_remote(f"ssl:127.0.0.1:{port}"), TlsFiles(authority=ours.certificate.file))
        until(lambda: "no answer yet" not in str(failure(client.replica)), 20, "the failure")
        assert isinstance(failure(client.replica), SourceUnavailableError | SourceDeniedError)
