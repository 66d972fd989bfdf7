"""A replica is there while its server lives and no longer; nothing that a server does ends the client."""

import errno
import itertools
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hostcollector.base.errors import (
    SourceDeniedError,
    SourceError,
    SourceMalformedError,
    SourceTimeoutError,
    SourceUnavailableError,
)
from hostcollector.config.address import Remote, Transport
from hostcollector.protocols.ovsdb.client import OvsdbClient
from hostcollector.protocols.ovsdb.connection import NoServerError, explained
from hostcollector.protocols.ovsdb.replica import Replica
from hostcollector.protocols.ovsdb.session import Watch
from tests.fakes.database import SWITCH_SCHEMA, Connection, FakeDatabase, good_switch, numbers, texts
from tests.lab.process import until

ROWS = {"Interface": {"u1": {"name": "vnet0", "statistics": numbers(rx_packets=1)}}}
WATCH = Watch(database="Open_vSwitch", columns={"Interface": ("name", "statistics", "external_ids")})
Make = Callable[..., OvsdbClient]


@pytest.fixture
def make() -> Iterator[Make]:
    """Give a function that starts a client; they end with the test."""
    clients = []

    def make(*remotes: Remote, **options: object) -> OvsdbClient:
        client = OvsdbClient("test-database", remotes, WATCH, **{"maximum_age": 30.0, **options})  # type: ignore[arg-type]
        clients.append(client)
        client.start()
        return client

    yield make
    for client in clients:
        client.close()


def failure(client: OvsdbClient) -> SourceError | None:
    """Return why there is no replica; None while there is one."""
    try:
        client.replica()
    except SourceError as error:
        return error
    return None


def packets(client: OvsdbClient) -> int | None:
    """Return a statistic of the first row."""
    return client.replica().rows("Interface")["u1"].numbers("statistics").get("rx_packets")


def test_rows_are_followed(make: Make, tmp_path: Path) -> None:
    """The first rows are there at once, an update changes them, and changes of statistics have a time."""
    go_on = threading.Event()

    def behave(connection: Connection) -> None:
        connection.follow(SWITCH_SCHEMA, ROWS)
        go_on.wait(10)
        connection.update({"Interface": {"u1": {"modify": {"statistics": numbers(rx_packets=7)}}}})
        connection.stay()

    with FakeDatabase(tmp_path / "db.sock", behave) as server:
        client = make(server.remote)
        assert packets(client) == 1
        assert client.replica().changed_at == {}
        go_on.set()
        until(lambda: packets(client) == 7, 10, "the update")
        assert ("Interface", "statistics") in client.replica().changed_at
        assert client.age >= 0


def test_only_columns_that_the_server_has_are_asked_for(make: Make, tmp_path: Path) -> None:
    """An older schema is followed as far as it goes."""
    asked = []

    def behave(connection: Connection) -> None:
        schema = {"Interface": {"columns": {"name": {"type": "string"}}}}
        connection.answer("get_schema", {"tables": schema})
        asked.append(connection.answer("monitor_cond", {})["params"][2])
        connection.stay()

    with FakeDatabase(tmp_path / "db.sock", behave) as server:
        assert make(server.remote).replica().rows("Interface") == {}
    assert asked == [{"Interface": [{"columns": ["name"], "where": [True]}]}]


def test_a_lost_connection_takes_the_replica_with_it(make: Make, tmp_path: Path) -> None:
    """What was known is not shown after the end of the connection; a new one brings it back."""
    end = threading.Event()

    def behave(connection: Connection) -> None:
        connection.follow(SWITCH_SCHEMA, ROWS)
        end.wait(10)

    with FakeDatabase(tmp_path / "db.sock", behave) as server:
        client = make(server.remote)
        assert packets(client) == 1
        end.set()
        until(lambda: failure(client) is not None, 10, "the loss")
        assert isinstance(failure(client), SourceUnavailableError)
        server.behave = good_switch(ROWS)
        until(lambda: failure(client) is None, 10, "the return")


def test_a_server_that_falls_silent_is_too_old(make: Make, tmp_path: Path) -> None:
    """A stopped server's rows are not shown any more once the limit is over, and it is given up."""

    def behave(connection: Connection) -> None:
        connection.follow(SWITCH_SCHEMA, ROWS)
        while connection.receive():
            """Echoes are read and not answered."""

    with FakeDatabase(tmp_path / "db.sock", behave) as server:
        client = make(server.remote, maximum_age=1.0)
        assert packets(client) == 1
        until(lambda: failure(client) is not None, 10, "the age")
        assert isinstance(failure(client), SourceTimeoutError)


def test_age_is_judged_at_the_moment_of_reading(make: Make, tmp_path: Path) -> None:
    """Also when the client itself has not run for a while, nothing old is shown."""
    late = [0.0]
    with FakeDatabase(tmp_path / "db.sock", good_switch(ROWS)) as server:
        client = make(server.remote, clock=lambda: time.monotonic() + late[0])
        assert packets(client) == 1
        late[0] = 31.0
        assert isinstance(failure(client), SourceTimeoutError)


def test_echoes_are_answered(make: Make, tmp_path: Path) -> None:
    """A server that asks for a sign of life gets one."""
    answers = []

    def behave(connection: Connection) -> None:
        connection.follow(SWITCH_SCHEMA, ROWS)
        connection.send({"id": "echo", "method": "echo", "params": ["x"]})
        answers.append(connection.receive())
        connection.stay()

    with FakeDatabase(tmp_path / "db.sock", behave) as server:
        make(server.remote)
        until(lambda: bool(answers), 10, "the answer")
    assert answers == [{"id": "echo", "result": ["x"], "error": None}]


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", SourceMalformedError),
        (b"\x16\x03\x01\x02\x00\x01", SourceMalformedError),
        (b'{"id": 1, "result": {}}', SourceMalformedError),
        (b'{"id": 1, "result": {"tables": [], "error": null}}', SourceMalformedError),
        (b'{"id": 1, "error": {"error": "unknown database"}, "result": null}', SourceUnavailableError),
        (b'{"method": "update2", "params": [1, {}], "id": null}', SourceMalformedError),
        (b'{"method": "monitor_canceled", "params": [1], "id": null}', SourceUnavailableError),
        (b'{"half": "a mess', SourceUnavailableError),
        (b'{"huge": "' + b"x" * (33 * 1024 * 1024), SourceMalformedError),
        (b'{"method": "echo", "params": ' + b"[" * 900 + b"]" * 900 + b', "id": 1}', SourceUnavailableError),
        (b"", SourceUnavailableError),
    ],
    ids=["ssh", "tls", "empty", "tables", "refusal", "update", "canceled", "half", "huge", "deep", "nothing"],
)
def test_a_server_that_talks_nonsense_is_left_and_tried_again(
    sent: bytes, kind: type[SourceError], make: Make, tmp_path: Path
) -> None:
    """Garbage is an error with a reason; a good server at the same address is followed as ever."""
    with FakeDatabase(tmp_path / "db.sock", lambda connection: connection.send(sent)) as server:
        client = make(server.remote)
        until(lambda: type(failure(client)) is kind, 10, "the failure")
        assert str(failure(client)).startswith(str(server.remote))
        server.behave = good_switch(ROWS)
        until(lambda: failure(client) is None, 20, "the recovery")


def test_members_of_a_cluster_are_tried_in_turn(make: Make, tmp_path: Path) -> None:
    """One that does not run costs nothing but a moment."""
    unused = Remote(Transport.UNIX, path=str(tmp_path / "unused.sock"))
    with FakeDatabase(tmp_path / "db.sock", good_switch(ROWS)) as server:
        client = make(unused, server.remote)
        until(lambda: failure(client) is None, 10, "the second member")
        assert packets(client) == 1


def cut_off(**state: object) -> Callable[[Connection], None]:
    """Return the behaviour of a member that has lost its cluster, and answers everything all the same."""

    def behave(connection: Connection) -> None:
        connection.state = {"name": "Open_vSwitch", "model": "clustered", **state}
        connection.follow(SWITCH_SCHEMA, ROWS)
        connection.stay()

    return behave


@pytest.mark.parametrize(
    "state",
    [
        {"connected": True},
        {"connected": False, "name": "OVN_Southbound"},
        {"connected": True, "model": "standalone"},
        {"connected": True, "leader": False, "index": ["set", []]},
    ],
    ids=["clustered", "another database", "standalone", "follower"],
)
def test_a_server_that_has_its_cluster_is_followed(
    state: dict[str, object], make: Make, tmp_path: Path
) -> None:
    """A follower is as good as a leader, and what a server says of another database counts for nothing."""
    with FakeDatabase(tmp_path / "db.sock", cut_off(**state)) as server:
        assert packets(make(server.remote)) == 1


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({}, "has lost its cluster"),
        ({"connected": False}, "has lost its cluster"),
        ({"connected": 1}, "has lost its cluster"),
        ({"connected": False, "model": "relay"}, "has lost its source"),
    ],
    ids=["default", "false", "number", "relay"],
)
def test_a_server_that_is_cut_off_is_never_shown(
    state: dict[str, object], why: str, make: Make, tmp_path: Path
) -> None:
    """Its rows may be old: it answers, and still there is no replica. A connected member takes over."""
    with (
        FakeDatabase(tmp_path / "a.sock", cut_off(**state)) as old,
        FakeDatabase(tmp_path / "b.sock", cut_off(connected=True)) as fresh,
    ):
        alone = make(old.remote)
        until(lambda: why in str(failure(alone)), 10, "the reason")
        member = make(old.remote, fresh.remote)
        until(lambda: failure(member) is None, 10, "the other member")
        assert packets(member) == 1


def test_a_member_that_loses_its_cluster_later_is_left(make: Make, tmp_path: Path) -> None:
    """The rows go at the moment at which the server says so, and the next member's are shown."""
    lose = threading.Event()

    def behave(connection: Connection) -> None:
        connection.state = {"name": "Open_vSwitch", "model": "clustered", "connected": True}
        connection.follow(SWITCH_SCHEMA, ROWS)
        lose.wait(10)
        connection.change_state({"connected": False})
        connection.stay()

    newer = {"Interface": {"u1": {"name": "vnet0", "statistics": numbers(rx_packets=2)}}}
    with (
        FakeDatabase(tmp_path / "a.sock", behave) as old,
        FakeDatabase(tmp_path / "b.sock", good_switch(newer)) as fresh,
    ):
        client = make(old.remote, fresh.remote)
        assert packets(client) == 1
        lose.set()
        until(lambda: failure(client) is None and packets(client) == 2, 10, "the other member's rows")


def test_a_missing_socket_has_an_error_of_its_own(make: Make, tmp_path: Path) -> None:
    """A machine without the server is distinguished from one whose server is in trouble."""
    client = make(Remote(Transport.UNIX, path=str(tmp_path / "db.sock")))
    assert isinstance(failure(client), NoServerError)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError(errno.ENOENT, "gone"), NoServerError),
        (PermissionError(errno.EACCES, "no"), SourceDeniedError),
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), SourceUnavailableError),
        (ssl.SSLCertVerificationError("bad"), SourceDeniedError),
        (ssl.SSLError(1, "alert"), SourceDeniedError),
        (ssl.SSLEOFError(8, "closed"), SourceUnavailableError),
        (OSError("AF_UNIX path too long"), SourceUnavailableError),
    ],
)
def test_errors_of_the_system_are_explained(error: OSError, kind: type[SourceError]) -> None:
    """Each kind of failure has its reason on the page."""
    assert type(explained(Remote(Transport.UNIX, path="/x"), error)) is kind


@pytest.mark.parametrize(
    ("remote", "why"),
    [
        (Remote(Transport.TCP, host="x" * 64, port=6640), "cannot be resolved"),
        (Remote(Transport.TLS, host="127.0.0.1", port=6642), "no file of certificate authorities"),
        (Remote(Transport.UNIX, path="/" + "x" * 200), "path too long"),
    ],
)
def test_what_cannot_be_reached_is_explained(remote: Remote, why: str, make: Make) -> None:
    """A name that is none, TLS without an authority, a path that no socket can have."""
    with pytest.raises(SourceUnavailableError, match=why):
        make(remote).replica()


def test_close_ends_the_thread(make: Make, tmp_path: Path) -> None:
    """Nothing of a closed client goes on, also when its server hangs."""
    with FakeDatabase(tmp_path / "db.sock", good_switch(ROWS)) as server:
        client = make(server.remote)
        assert packets(client) == 1
        client.close()
        client.close()
        until(lambda: "test-database" not in {thread.name for thread in threading.enumerate()}, 10, "the end")


def test_other_rows_are_asked_for_when_others_are_wanted(make: Make, tmp_path: Path) -> None:
    """Conditions follow what is known, and no half-way state is published."""
    wanted: list[str] = []
    conditions = []

    def condition(replica: Replica) -> dict[str, list[tuple[str, str, str]]] | None:
        names = [*wanted, *(row.text("name") + "+" for row in replica.rows("Interface").values())][:2]
        return {"Interface": [("name", "==", name) for name in names]} if names else None

    def behave(connection: Connection) -> None:
        connection.follow(SWITCH_SCHEMA, ROWS)
        request = connection.receive()
        conditions.append(request["params"][2])
        connection.update({"Interface": {"u2": {"insert": {"name": "vnet0+", "external_ids": texts(a="b")}}}})
        connection.send({"id": request["id"], "result": {}, "error": None})
        connection.stay()

    sizes: list[int] = []
    with FakeDatabase(tmp_path / "db.sock", behave) as server:
        watch = Watch(database="Open_vSwitch", columns=WATCH.columns, conditions=condition)
        client = OvsdbClient(
            "test-conditions",
            [server.remote],
            watch,
            maximum_age=30.0,
            on_change=lambda replica: sizes.append(len(replica.rows("Interface"))),
        )
        client.start()
        with pytest.raises(SourceUnavailableError, match="no answer yet"):
            client.replica()
        wanted.append("vnet0")
        for _ in itertools.takewhile(lambda _: not sizes, itertools.count()):
            client.reconsider()
            time.sleep(0.01)
        client.close()
    assert sizes == [2]
    clauses = [["name", "==", "vnet0"], ["name", "==", "vnet0+"]]
    assert conditions == [{"Interface": [{"where": clauses}]}]
