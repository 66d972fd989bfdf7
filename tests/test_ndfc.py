"""The client of the fabric controller, over real TLS against a controller that misbehaves in every way."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from hostcollector.config import NdfcSettings
from hostcollector.errors import Reason, SourceError
from hostcollector.ndfc import Answer, Client, Limits, Placement
from hostcollector.ndfc.http import BusyError, Http
from hostcollector.ndfc.target import CREDENTIAL, prepare
from tests.fakes.authority import Authority
from tests.fakes.ndfc import BASE, PASSWORD, VERSION, FakeNdfc

LIMITS = Limits(request_seconds=20, first_pause=0.05, longest_pause=0.1, login_pause=0.1)
NETWORKS = f"{BASE}/rest/top-down/fabrics/dc1/networks"
ATTACHMENTS = f"{NETWORKS}/attachments"
PATIENCE = 20


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority that nobody but these tests trusts."""
    return Authority.new(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def controller(authority: Authority) -> Iterator[FakeNdfc]:
    """Return a controller with a good certificate."""
    with FakeNdfc(authority.server("controller", "DNS:localhost")) as fake:
        yield fake


@pytest.fixture
def settings(controller: FakeNdfc, authority: Authority, tmp_path: Path) -> NdfcSettings:
    """Return the settings with which the controller can be read."""
    password = tmp_path / "password"
    password.write_text(f"{PASSWORD}\n")
    return NdfcSettings(
        url=controller.url,
        user="reader",
        password_file=str(password),
        ca_file=str(authority.file),
        switches=("leaf1",),
        interval_seconds=1,
    )


@contextmanager
def asking(settings: NdfcSettings, limits: Limits = LIMITS) -> Iterator[Client]:
    """Start a client, wait for what its first round gave, and end it."""
    client = Client(settings, limits=limits, environment={})
    client.start()
    try:
        client.settle(PATIENCE)
        yield client
    finally:
        client.close()
        assert client._flight is not None
        client._flight.result(PATIENCE)


def answer_of(settings: NdfcSettings) -> Answer:
    """Return the answer of one client's first round."""
    with asking(settings) as client:
        return client.current()[0]


def failure_of(settings: NdfcSettings, limits: Limits = LIMITS) -> SourceError:
    """Return why one client's first round failed."""
    with asking(settings, limits) as client, pytest.raises(SourceError) as caught:
        client.current()
    return caught.value


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a client's next rounds to make `condition` true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_vlans_of_this_hosts_switches_are_read(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """A round gives what each VLAN is on the configured switch, with VNI, VRF and fabric."""
    answer = answer_of(settings)
    web_network = Placement(fabric="dc1", network="acme-web", vni=30001, vrf="acme", vrf_vni=50001)
    storage = Placement(fabric="dc1", network="storage", vni=30002)
    assert answer == Answer(version="12.2.1.321", vlans={2301: (web_network,), 2302: (storage,)})
    assert controller.logins[0] == {"userName": "reader", "userPasswd": PASSWORD, "domain": "local"}


def test_without_switches_a_vlan_may_have_two_meanings(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """All switches count then, and both networks of a VLAN are told."""
    controller.documents[ATTACHMENTS][1]["lanAttachList"][0] |= {"switchName": "leaf2", "vlanId": 2301}
    answer = answer_of(replace(settings, switches=()))
    assert [place.network for place in answer.vlans[2301]] == ["acme-web", "storage"]
    assert [place.network for place in answer.vlans[2401]] == ["acme-web"]


def test_only_the_configured_fabrics_are_read(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """With a list of fabrics the controller is not asked for its own."""
    assert answer_of(replace(settings, fabrics=("dc1",))).vlans
    assert controller.requests[f"{BASE}/rest/control/fabrics"] == 0
    assert "404" in str(failure_of(replace(settings, fabrics=("dc2",))))


def test_a_token_serves_several_rounds(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """The next round goes on with the token of the last one."""
    with asking(settings):
        wait_until(lambda: controller.requests[NETWORKS] >= 2)
    assert controller.requests["/login"] == 1


def test_a_token_that_expires_in_between_is_renewed(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """The question that meets the expiry is asked again with a new token, and the round is complete."""

    async def expire(_: web.Request) -> web.StreamResponse:
        controller.token = "token-2"
        del controller.misbehave[NETWORKS]
        return web.Response(status=401)

    controller.misbehave[NETWORKS] = expire
    assert set(answer_of(settings).vlans) == {2301, 2302}
    assert controller.requests["/login"] == 2


def test_a_token_that_is_never_taken_ends_the_round(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """A controller that gives tokens and refuses them is not asked for more and more of them."""
    controller.answers(NETWORKS, 401)
    error = failure_of(settings, replace(LIMITS, first_pause=60))
    assert error.reason is Reason.DENIED
    assert controller.requests["/login"] == 2


def test_a_wrong_password_is_tried_once(
    settings: NdfcSettings, controller: FakeNdfc, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither another spelling nor another round soon after brings the account nearer to its lock."""
    (tmp_path / "password").write_text("wrong-horse")
    caplog.set_level(logging.DEBUG)
    error = failure_of(settings, replace(LIMITS, login_pause=60))
    assert (error.reason, "'reader' is not let in" in str(error)) == (Reason.DENIED, True)
    assert controller.requests["/login"] == 1
    assert "wrong-horse" not in str(error) + caplog.text


def test_the_password_is_read_again_for_each_round(
    settings: NdfcSettings, controller: FakeNdfc, tmp_path: Path
) -> None:
    """A password that was changed works without a restart."""
    (tmp_path / "password").write_text("old")
    with asking(settings) as client:
        (tmp_path / "password").write_text(PASSWORD)
        wait_until(lambda: client._state.answer is not None)
        assert client.current()[2] == ""


def test_the_older_spelling_of_the_login_is_tried(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """A controller that does not know the new names of the login's fields is given the old ones."""

    async def old(request: web.Request) -> web.StreamResponse:
        sent = await request.json()
        if set(sent) != {"username", "password", "domain"} or sent["password"] != PASSWORD:
            return web.Response(status=400, text="bad request")
        return web.json_response({"jwttoken": controller.token})

    controller.misbehave["/login"] = old
    assert set(answer_of(settings).vlans) == {2301, 2302}


def test_dcnm_is_recognised(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """The generation before NDFC has another login, another token and other paths."""
    documents = {path.removeprefix(BASE): document for path, document in controller.documents.items()}
    documents["/fm/fmrest/about/version"] = {"version": "11.5(4)"}

    async def log_on(request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"].startswith("Basic ")
        return web.json_response({"Dcnm-Token": "dcnm-token"})

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Dcnm-Token") != "dcnm-token":
            return web.Response(status=401)
        return web.json_response(documents[request.path])

    controller.misbehave |= dict.fromkeys(documents, answer) | {"/rest/logon": log_on}
    controller.answers("/login", 404)
    answer_there = answer_of(settings)
    assert (answer_there.version, set(answer_there.vlans)) == ("11.5(4)", {2301, 2302})


def test_what_is_neither_is_said_to_be_neither(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """Some other web server at the address is not mistaken for a controller."""
    controller.answers("/login", 200, text="<html>welcome</html>")
    controller.answers("/rest/logon", 405)
    assert "neither NDFC nor DCNM" in str(failure_of(settings))


def test_a_member_of_a_group_is_asked_through_its_primary(
    settings: NdfcSettings, controller: FakeNdfc
) -> None:
    """The login stays with the primary, everything else goes through the member's prefix."""
    controller.documents |= {f"/onepath/west{path}": it for path, it in controller.documents.items()}
    assert answer_of(replace(settings, cluster="west")).vlans
    assert (controller.requests[NETWORKS], controller.requests[f"/onepath/west{NETWORKS}"]) == (0, 1)


def test_a_version_that_is_not_told_costs_nothing(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """Networks are read also where the version is not."""
    controller.answers(VERSION, 404)
    answer = answer_of(settings)
    assert (answer.version, set(answer.vlans)) == ("", {2301, 2302})


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        (500, Reason.UNAVAILABLE, "500"),
        (502, Reason.UNAVAILABLE, "502"),
        (429, Reason.UNAVAILABLE, "busy"),
        (503, Reason.UNAVAILABLE, "busy"),
        (403, Reason.DENIED, "role"),
        (404, Reason.UNAVAILABLE, "404"),
        (302, Reason.UNAVAILABLE, "redirected"),
        (204, Reason.UNAVAILABLE, "204"),
    ],
)
def test_a_status_that_is_no_success_fails_the_round(
    settings: NdfcSettings, controller: FakeNdfc, status: int, reason: Reason, said: str
) -> None:
    """Each kind of refusal has its reason and a sentence that names the path; nothing half-read is shown."""
    controller.answers(ATTACHMENTS, status, {"Location": "https://elsewhere.example/"})
    error = failure_of(settings)
    assert error.reason is reason
    assert said in str(error)


async def test_a_busy_controller_says_for_how_long(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """The pause that the controller asks for is taken, up to an hour."""
    pauses = []
    target = await asyncio.to_thread(prepare, settings, {})
    for asked in ("7", "999999", "soon", ""):
        controller.answers("/login", 429, {"Retry-After": asked})
        async with Http(target, seconds=20, limit=100) as http:
            with pytest.raises(BusyError) as caught:
                await http.post("/login", {})
        pauses.append(caught.value.pause)
    assert pauses == [7.0, 3600.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "text",
    ["", "{", '[{"networkName": "a"', "<html>", "\x00", "[" * 100_000, '"Invalid Fabric"', "null", "{}"],
)
def test_what_is_no_list_in_json_fails_the_round(
    settings: NdfcSettings, controller: FakeNdfc, text: str
) -> None:
    """A truncated, nested or altogether wrong document is malformed."""
    controller.answers(NETWORKS, 200, text=text)
    assert failure_of(settings).reason is Reason.MALFORMED


def test_a_failure_inside_a_success_fails_the_round(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """What the controller says inside its 200 is passed on."""
    controller.documents[NETWORKS] = {"status": "fail", "message": "database is not ready"}
    error = failure_of(settings)
    assert (error.reason, "database is not ready" in str(error)) == (Reason.MALFORMED, True)


def test_a_login_that_fails_inside_a_success_is_refused(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """A login is good if it gives a token that can stand in a header, and only then."""
    for document in ('{"error": "domain does not exist"}', '{"token": "a\\nb"}', '{"token": 7}', "[]"):
        controller.answers("/login", 200, text=document)
        error = failure_of(settings)
        assert (error.reason, "is not let in" in str(error)) == (Reason.DENIED, True)


def test_an_answer_without_an_end_is_cut_off(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """An answer that is larger than the limit is not read to its end."""
    controller.drips(NETWORKS, b"[" * 10_000, 0)
    error = failure_of(settings, replace(LIMITS, answer_bytes=100_000))
    assert (error.reason, "100000 bytes" in str(error)) == (Reason.MALFORMED, True)


def test_a_compressed_answer_is_refused(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """Nothing that was not asked for is unpacked."""
    controller.answers(NETWORKS, 200, {"Content-Encoding": "gzip"}, text="[]")
    assert failure_of(settings).reason is Reason.MALFORMED


def test_a_slow_drip_runs_into_the_deadline(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """A byte now and then does not keep a question alive."""
    controller.drips(NETWORKS, b" ", 0.02)
    assert failure_of(settings, replace(LIMITS, request_seconds=0.5)).reason is Reason.TIMEOUT


def test_a_controller_that_hangs_runs_into_the_deadline(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """Neither one question nor a whole round waits for ever."""
    controller.hangs(NETWORKS)
    assert failure_of(settings, replace(LIMITS, request_seconds=0.5)).reason is Reason.TIMEOUT
    assert failure_of(settings, replace(LIMITS, visit_seconds=0.5)).reason is Reason.TIMEOUT


def test_reading_does_not_wait_for_a_controller_that_hangs(
    settings: NdfcSettings, controller: FakeNdfc
) -> None:
    """While the first round hangs, the reason is given at once; the client can be closed all the same."""
    controller.hangs("/login")
    client = Client(settings, limits=LIMITS, environment={})
    client.start()
    wait_until(lambda: controller.requests["/login"] > 0)
    with pytest.raises(SourceError, match="no answer yet"):
        client.current()
    client.close()
    assert client._flight is not None
    client._flight.result(PATIENCE)


def test_the_last_good_answer_stands(
    settings: NdfcSettings, controller: FakeNdfc, caplog: pytest.LogCaptureFixture
) -> None:
    """After a failure the answer before it is shown with its age and the failure, which is logged once."""
    caplog.set_level(logging.INFO)
    with asking(settings) as client:
        first = client.current()
        controller.answers("/login", 500)
        controller.token = "token-2"
        wait_until(lambda: controller.requests["/login"] >= 4)
        later = client.current()
        del controller.misbehave["/login"]
        wait_until(lambda: client.current()[2] == "")
        assert client.current()[1] < later[1]
    assert (first[0], first[2]) == (later[0], "")
    assert later[1] > first[1]
    assert "500" in later[2]
    assert [record.getMessage().split()[:2] for record in caplog.records] == [
        ["NDFC", "failed:"],
        ["NDFC", "recovered"],
    ]


def test_a_certificate_of_another_host_is_refused(settings: NdfcSettings, authority: Authority) -> None:
    """A certificate that the authority signed for somebody else is not the controller's."""
    with FakeNdfc(authority.server("other", "DNS:other.example")) as other:
        error = failure_of(replace(settings, url=other.url))
        assert not other.requests
    assert (error.reason, "certificate is refused" in str(error)) == (Reason.DENIED, True)


def test_a_certificate_of_an_unknown_authority_is_refused(
    settings: NdfcSettings, controller: FakeNdfc
) -> None:
    """The system's authorities do not vouch for this one, and no password is sent."""
    error = failure_of(replace(settings, ca_file=None))
    assert (error.reason, "certificate is refused" in str(error)) == (Reason.DENIED, True)
    assert not controller.requests


def test_the_check_of_the_certificate_goes_only_with_a_warning(
    settings: NdfcSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """Who switches the check off finds that in the log of each start."""
    assert answer_of(replace(settings, ca_file=None, insecure_skip_verify=True)).vlans
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "insecure_skip_verify" in caplog.text


def test_a_server_without_tls_is_refused(settings: NdfcSettings) -> None:
    """The password is not sent in the clear to whoever answers without TLS."""
    with FakeNdfc(None) as plain:
        assert failure_of(replace(settings, url=plain.url)).reason is Reason.DENIED
        assert not plain.requests


def test_nobody_there(settings: NdfcSettings) -> None:
    """A port without a server and a name without an address are said to be that."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "no connection" in str(failure_of(replace(settings, url=f"https://127.0.0.1:{port}")))
    assert "cannot be resolved" in str(failure_of(replace(settings, url="https://nowhere.invalid")))


def test_the_password_comes_from_the_credentials_of_the_service(
    settings: NdfcSettings, tmp_path: Path
) -> None:
    """Without a file the credential that systemd hands over is read."""
    (tmp_path / CREDENTIAL).write_text("from-systemd")
    target = prepare(replace(settings, password_file=None), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert target.password == "from-systemd"
    assert "from-systemd" not in repr(target)


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"\xff\xfe", b"x" * 2000, b"nul\x00"])
def test_a_file_without_a_password_is_named_and_not_quoted(
    settings: NdfcSettings, tmp_path: Path, content: bytes
) -> None:
    """What cannot be a password is refused with the file's name only."""
    (tmp_path / "password").write_bytes(content)
    with pytest.raises(SourceError) as caught:
        prepare(settings, {})
    assert str(caught.value).startswith(f"{tmp_path}/password ")
    assert not content.strip() or content.decode(errors="replace").strip() not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password_file": None}, "there is no password"),
        ({"password_file": "/nonexistent/password"}, "/nonexistent/password cannot be read"),
        ({"ca_file": "/nonexistent/ca.pem"}, "/nonexistent/ca.pem cannot be used"),
    ],
)
def test_files_that_are_missing_are_named(settings: NdfcSettings, changes: dict[str, str], said: str) -> None:
    """The operator learns which file it is."""
    assert said in str(failure_of(replace(settings, **changes)))  # type: ignore[arg-type]


def test_neither_password_nor_token_is_ever_shown(
    settings: NdfcSettings, controller: FakeNdfc, caplog: pytest.LogCaptureFixture
) -> None:
    """Even a controller that sends them back finds them in no error and in no line of the log."""
    caplog.set_level(logging.DEBUG)

    async def echo(request: web.Request) -> web.StreamResponse:
        return web.json_response({"message": f"bad password {(await request.json())['userPasswd']}"})

    async def echo_token(request: web.Request) -> web.StreamResponse:
        return web.json_response({"message": f"bad header {request.headers['Authorization']}"})

    with asking(settings) as client:
        controller.misbehave[NETWORKS] = echo_token
        wait_until(lambda: "bad header" in client.current()[2])
        said = client.current()[2]
    controller.misbehave = {"/login": echo}
    said += str(failure_of(settings))
    assert "bad header Bearer ***" in said
    assert "bad password ***" in said
    everything = said + caplog.text + repr(client) + repr(settings)
    assert PASSWORD not in everything
    assert controller.token not in everything
