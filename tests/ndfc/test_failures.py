"""A controller that refuses, hangs, drips or talks nonsense, and one that is not there."""

import asyncio
import socket
from dataclasses import replace

import pytest

from hostcollector.config import NdfcSettings
from hostcollector.errors import Reason
from hostcollector.ndfc.http import BusyError, Http
from hostcollector.ndfc.target import prepare
from tests.fakes.ndfc import BASE, FakeNdfc
from tests.ndfc.asking import LIMITS, failure_of

NETWORKS = f"{BASE}/rest/top-down/fabrics/dc1/networks"
ATTACHMENTS = f"{NETWORKS}/attachments"


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


def test_nobody_there(settings: NdfcSettings) -> None:
    """A port without a server and a name without an address are said to be that."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "no connection" in str(failure_of(replace(settings, url=f"https://127.0.0.1:{port}")))
    assert "cannot be resolved" in str(failure_of(replace(settings, url="https://nowhere.invalid")))


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
