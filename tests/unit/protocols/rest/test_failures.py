"""A service that refuses, hangs, drips or talks nonsense, and one that is not there."""

import asyncio
import logging
import socket
from dataclasses import replace
from typing import Any

import pytest

from hostcollector.base.errors import Reason, SourceError
from hostcollector.protocols.rest.http import Http
from hostcollector.protocols.rest.poller import Poller
from hostcollector.protocols.rest.refusals import BusyError
from hostcollector.protocols.rest.target import Target, prepare
from tests.fakes.rest import PASSWORD, FakeService
from tests.unit.protocols.rest.conftest import SERVICE, THINGS, Follow, Settings, Things
from tests.unit.protocols.rest.polling import LIMITS, PATIENCE, failure_of, polling, wait_until


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        (500, Reason.UNAVAILABLE, "500"),
        (502, Reason.UNAVAILABLE, "502"),
        (429, Reason.UNAVAILABLE, "busy"),
        (503, Reason.UNAVAILABLE, "busy"),
        (401, Reason.DENIED, "login"),
        (403, Reason.DENIED, "role"),
        (404, Reason.UNAVAILABLE, "404"),
        (302, Reason.UNAVAILABLE, "set depot.url"),
        (204, Reason.UNAVAILABLE, "204"),
    ],
)
def test_a_status_that_is_no_success_fails_the_round(
    follow: Follow, service: FakeService, status: int, reason: Reason, said: str
) -> None:
    """Each kind of refusal has its reason and a sentence that names the path; nothing half-read is shown."""
    service.answers(THINGS, status, {"Location": "https://elsewhere.example/"})
    error = failure_of(follow())
    assert error.reason is reason
    assert THINGS in str(error)
    assert said in str(error)


async def test_a_busy_service_says_for_how_long(settings: Settings, service: FakeService) -> None:
    """The pause that the service asks for is taken, up to an hour."""
    pauses = []
    target = await asyncio.to_thread(prepare, SERVICE, settings, {})
    for asked in ("7", "999999", "soon", ""):
        service.answers("/login", 429, {"Retry-After": asked})
        async with Http(target, seconds=20, limit=100) as http:
            with pytest.raises(BusyError) as caught:
                await http.post("/login", {})
        pauses.append(caught.value.pause)
    assert pauses == [7.0, 3600.0, 0.0, 0.0]


async def test_a_reply_may_be_good_without_a_document(settings: Settings, service: FakeService) -> None:
    """Who asks for a status and headers gets them; a session is made and ended so."""
    service.answers("/sessions", 201, {"X-Auth-Token": "t"})
    target = await asyncio.to_thread(prepare, SERVICE, settings, {})
    async with Http(target, seconds=20, limit=100, connections=2) as http:
        reply = await http.ask("POST", "/sessions", {}, {"UserName": "reader"}, good=(200, 201))
    assert (reply.status, reply.headers["x-auth-token"]) == (201, "t")


@pytest.mark.parametrize("text", ["", "{", '[{"name": "a"', "<html>", "\x00", "[" * 100_000])
def test_what_is_not_json_fails_the_round(follow: Follow, service: FakeService, text: str) -> None:
    """A truncated, nested or altogether wrong document is malformed."""
    service.answers(THINGS, 200, text=text)
    assert failure_of(follow()).reason is Reason.MALFORMED


def test_an_answer_without_an_end_is_cut_off(follow: Follow, service: FakeService) -> None:
    """An answer that is larger than the limit is not read to its end."""
    service.drips(THINGS, b"[" * 10_000, 0)
    error = failure_of(follow(limits=replace(LIMITS, answer_bytes=100_000)))
    assert (error.reason, "100000 bytes" in str(error)) == (Reason.MALFORMED, True)


def test_a_slow_drip_runs_into_the_deadline(follow: Follow, service: FakeService) -> None:
    """A byte now and then does not keep a question alive."""
    service.drips(THINGS, b" ", 0.02)
    assert failure_of(follow(limits=replace(LIMITS, request_seconds=0.5))).reason is Reason.TIMEOUT


def test_a_service_that_hangs_runs_into_the_deadline(follow: Follow, service: FakeService) -> None:
    """Neither one question nor a whole round waits for ever."""
    service.hangs(THINGS)
    assert failure_of(follow(limits=replace(LIMITS, request_seconds=0.5))).reason is Reason.TIMEOUT
    assert failure_of(follow(limits=replace(LIMITS, visit_seconds=0.5))).reason is Reason.TIMEOUT


def test_no_service_there(settings: Settings, follow: Follow) -> None:
    """A port without a server and a name without an address are said to be that."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    unreachable = replace(settings, url=f"https://127.0.0.1:{port}")
    assert "no connection" in str(failure_of(follow(unreachable)))
    nameless = replace(settings, url="https://nowhere.invalid")
    assert "cannot be resolved" in str(failure_of(follow(nameless)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password_file": None}, "there is no password: set depot.password_file"),
        ({"password_file": "/nonexistent/password"}, "/nonexistent/password cannot be read"),
        ({"ca_file": "/nonexistent/ca.pem"}, "/nonexistent/ca.pem cannot be used"),
    ],
)
def test_files_that_are_missing_are_named(
    settings: Settings, follow: Follow, changes: dict[str, str], said: str
) -> None:
    """The operator learns which file it is."""
    assert said in str(failure_of(follow(replace(settings, **changes))))  # type: ignore[arg-type]


class Stumbling(Things):
    """Meets an unforeseen answer in the first rounds."""

    def __init__(self, errors: list[BaseException]) -> None:
        self.errors = errors

    async def ask(self, http: Http, target: Target) -> Any:
        """Raise, and after that ask as usual."""
        if self.errors:
            raise self.errors.pop()
        return await super().ask(http, target)


@pytest.mark.parametrize(
    "error",
    [
        *(KeyError(PASSWORD), RecursionError(), AttributeError("x"), MemoryError()),
        *(UnicodeEncodeError("utf-8", "x", 0, 1, "x"), asyncio.CancelledError(PASSWORD)),
    ],
)
def test_no_answer_ends_the_polling(settings: Settings, error: BaseException, service: FakeService) -> None:
    """An unforeseen error is a failed round with its place in the code, and the next round asks again."""
    poller = Poller(SERVICE, settings, Stumbling([error] * 2), limits=LIMITS, environment={})
    with polling(poller):
        with pytest.raises(SourceError, match=type(error).__name__) as caught:
            poller.current()
        assert caught.value.reason is Reason.INTERNAL
        assert PASSWORD not in str(caught.value)
        wait_until(lambda: poller._state.answer is not None)
        assert poller.current()[2] == ""
    assert service.requests[THINGS] >= 1


def test_reading_does_not_wait_for_a_service_that_hangs(follow: Follow, service: FakeService) -> None:
    """While the first round hangs, a reader gets the reason without waiting, and the poller can be closed."""
    service.hangs(THINGS)
    poller = follow()
    poller.start()
    wait_until(lambda: service.requests[THINGS] > 0)
    with pytest.raises(SourceError, match="no answer yet"):
        poller.current()
    poller.close()
    assert poller._flight is not None
    poller._flight.result(PATIENCE)


def test_the_last_good_answer_stays(
    follow: Follow, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    """After a failure the earlier answer has its age and the failure beside it; the log has it once."""
    caplog.set_level(logging.INFO)
    with polling(follow()) as poller:
        first = poller.current()
        service.answers(THINGS, 500)
        wait_until(lambda: poller.current()[2] != "")
        later = poller.current()
        del service.misbehave[THINGS]
        wait_until(lambda: poller.current()[2] == "")
        assert poller.current()[1] < later[1]
    assert (first[0], first[2]) == (later[0], "")
    assert later[1] > first[1]
    assert "500" in later[2]
    assert [record.getMessage().split()[:2] for record in caplog.records] == [
        ["Depot", "failed:"],
        ["Depot", "recovered"],
    ]
