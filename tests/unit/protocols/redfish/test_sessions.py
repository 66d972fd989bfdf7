"""Sessions at the BMC: one of ours, renewed when it has expired, given back at the end."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from hostcollector.base.errors import Reason, SourceError
from tests.fakes.bmc import SESSIONS, FakeBmc
from tests.fakes.bmc.baseboard import ENVIRONMENT, REPORTS, SYSTEM
from tests.fakes.rest import PASSWORD
from tests.unit.protocols.redfish.conftest import LIMITS, Follow
from tests.unit.protocols.rest.polling import failure_of, polling, wait_until


def test_one_session_for_all_rounds(bmc: FakeBmc, follow: Follow) -> None:
    """Round after round is asked under one session, a few questions at a time, and it is given back."""
    with polling(follow()):
        wait_until(lambda: bmc.requests[ENVIRONMENT] >= 5)
        assert len(bmc.sessions) == 1
    assert (bmc.logins, bmc.most_sessions, bmc.sessions) == (1, 1, {})
    assert 1 <= bmc.most_at_once <= LIMITS.connections


def test_a_session_that_expires_is_renewed_once(bmc: FakeBmc, follow: Follow) -> None:
    """Questions that are on their way at that moment share the new session, and the round is complete."""
    with polling(follow()) as client:
        bmc.expire()
        wait_until(lambda: bmc.logins == 2)
        wait_until(lambda: client.current()[2] == "")
        seen = bmc.requests[ENVIRONMENT]
        wait_until(lambda: bmc.requests[ENVIRONMENT] >= seen + 3)
        assert client.current()[2] == ""
    assert (bmc.logins, bmc.most_sessions) == (2, 1)


def test_a_session_that_is_never_taken_ends_the_round(bmc: FakeBmc, follow: Follow) -> None:
    """A BMC that refuses its own tokens is not asked for more and more of them."""
    bmc.answers(f"{ENVIRONMENT.rpartition('/')[0]}", 401)
    error = failure_of(follow(replace(LIMITS, first_pause=60.0)))
    assert error.reason is Reason.DENIED
    assert bmc.logins == 2


def test_a_failure_keeps_the_session(bmc: FakeBmc, follow: Follow) -> None:
    """After a round that failed the next one goes on with the session: it takes no other place."""
    with polling(follow()) as client:
        bmc.answers(ENVIRONMENT, 503)
        wait_until(lambda: "busy" in client.current()[2])
        bmc.misbehave.clear()
        wait_until(lambda: client.current()[2] == "")
    assert (bmc.logins, bmc.most_sessions) == (1, 1)


def test_a_bmc_without_a_place_for_a_session(bmc: FakeBmc, follow: Follow) -> None:
    """The reason of the refusal is said; when a place is free all goes on by itself."""
    bmc.places = 0
    client = follow()
    with polling(client):
        with pytest.raises(SourceError, match="may have no session left"):
            client.current()
        bmc.places = 1
        wait_until(lambda: bool(bmc.sessions))


def test_a_wrong_password_is_tried_once(bmc: FakeBmc, follow: Follow, tmp_path: Path) -> None:
    """The account is not brought nearer to its lock, and the log has no password."""
    client = follow(replace(LIMITS, login_pause=60.0))
    (tmp_path / "password").write_text("wrong-horse")
    error = failure_of(client)
    assert (error.reason, "'reader' is not let in" in str(error)) == (Reason.DENIED, True)
    assert "wrong-horse" not in str(error)
    assert bmc.logins == 1


@pytest.mark.parametrize("headers", [{}, {"X-Auth-Token": ""}, {"X-Auth-Token": "a" * 5000}])
def test_a_login_without_a_token_is_refused(bmc: FakeBmc, follow: Follow, headers: dict[str, str]) -> None:
    """A login is good if it gives a token that can be sent in a header, and only then."""
    bmc.answers(SESSIONS, 201, headers=headers, text="{}")
    assert "is not let in" in str(failure_of(follow(replace(LIMITS, login_pause=60.0))))


def test_a_token_is_never_shown(bmc: FakeBmc, follow: Follow, caplog: pytest.LogCaptureFixture) -> None:
    """Neither errors nor the log nor what is printed of a client have password or token."""
    caplog.set_level(logging.DEBUG)
    client = follow()
    with polling(client):
        (token,) = bmc.sessions.values()
        bmc.unplugged = True
        wait_until(lambda: client.current()[2] != "")
        said = client.current()[2]
    everything = said + caplog.text + repr(client) + repr(client._questions)
    assert token not in everything


def test_first_failure_is_logged(bmc: FakeBmc, follow: Follow, caplog: pytest.LogCaptureFixture) -> None:
    """A BMC that never answered is in the log, once: its source does not fail for it."""
    bmc.unplugged = True
    with polling(follow()):
        wait_until(lambda: bmc.requests.total() > 3)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["BMC failed"]


def test_closing_does_not_wait_for_a_bmc_that_hangs(bmc: FakeBmc, follow: Follow) -> None:
    """A session that cannot be given back is left to the BMC after a moment."""
    client = follow(replace(LIMITS, farewell_seconds=0.2))
    client.start()
    client.settle(20)
    for path in bmc.sessions:
        bmc.hangs(path)
    client.close()
    client.wait_closed(20)
    assert client._flight is not None
    assert client._flight.done()


def test_nothing_is_given_back_that_was_not_had(bmc: FakeBmc, follow: Follow) -> None:
    """A client that never got in says no goodbye."""
    bmc.places = 0
    failure_of(follow())
    assert not [path for path in bmc.requests if path.startswith(f"{SESSIONS}/")]


def test_a_bmc_without_sessions(bmc: FakeBmc, follow: Follow) -> None:
    """Where sessions are not to be had the password goes with each question, and nothing is left behind."""
    bmc.basic = True
    with polling(follow()) as client:
        assert len(client.current()[0].gpus) == 8
        assert client.current()[2] == ""
    assert bmc.requests[SESSIONS] == 1
    assert not [path for path in bmc.requests if path.startswith(f"{SESSIONS}/")]


def test_a_wrong_password_without_sessions_is_tried_once(
    bmc: FakeBmc, follow: Follow, tmp_path: Path
) -> None:
    """Also then the account is not brought nearer to its lock."""
    bmc.basic = True
    client = follow(replace(LIMITS, login_pause=60.0))
    (tmp_path / "password").write_text("wrong-horse")
    error = failure_of(client)
    assert (error.reason, "'reader' is not let in" in str(error)) == (Reason.DENIED, True)
    assert sum(bmc.requests.values()) <= 4


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (401, {"MessageId": "Base.1.8.AccountLocked", "Message": "The account is locked."}, "is locked"),
        (403, {"MessageId": "Base.1.13.PasswordChangeRequired"}, "the password of the account has expired"),
        (403, {"MessageId": "Base.1.8.InsufficientPrivilege", "Message": "Not enough."}, "Not enough"),
        (400, {"Message": "Invalid Host header."}, "set redfish.url to the name that it goes by"),
        (503, {"MessageId": "Base.1.8.SessionLimitExceeded"}, "SessionLimitExceeded"),
    ],
)
def test_why_a_login_is_refused(
    bmc: FakeBmc, follow: Follow, status: int, error: dict[str, str], said: str
) -> None:
    """The BMC's own words are in what the operator reads, with the fix where there is one."""
    bmc.answers(SESSIONS, status, text=json.dumps({"error": {"@Message.ExtendedInfo": [error]}}))
    assert said in str(failure_of(follow(replace(LIMITS, login_pause=60.0))))
    assert bmc.requests[SESSIONS] == 1


def test_a_password_that_expires_ends_the_round(bmc: FakeBmc, follow: Follow) -> None:
    """A session that may do nothing but change the password says so, instead of lacking every resource."""
    extended = {"error": {"@Message.ExtendedInfo": [{"MessageId": "Base.1.13.PasswordChangeRequired"}]}}
    bmc.answers(f"{SYSTEM}/Processors", 403, text=json.dumps(extended))
    assert "has expired" in str(failure_of(follow(replace(LIMITS, login_pause=60.0))))


def test_one_resource_that_is_not_for_the_account(bmc: FakeBmc, follow: Follow) -> None:
    """A 403 of one resource costs that one."""
    bmc.answers(f"{SYSTEM}/Processors/GPU_SXM_3", 403)
    with polling(follow()) as client:
        answer = client.current()[0]
    assert len(answer.gpus) == 7
    assert any("not for this account" in problem for problem in answer.problems)


def test_secrets_in_what_a_bmc_names(bmc: FakeBmc, follow: Follow) -> None:
    """A BMC that puts what it was sent into names and errors finds it in no note."""

    async def echo(request: web.Request) -> web.StreamResponse:
        token = request.headers.get("X-Auth-Token", "")
        document = {"@odata.id": "x", "Members": [{"@odata.id": f"/{token}/{PASSWORD}"}]}
        return web.json_response(document)

    async def error(request: web.Request) -> web.StreamResponse:
        said = f"{request.headers['X-Auth-Token']} and {PASSWORD}"
        return web.json_response({"error": {"message": said}})

    bmc.misbehave[REPORTS] = echo
    bmc.misbehave[f"{SYSTEM}/Processors/GPU_SXM_3"] = error
    with polling(follow()) as client:
        (token,) = bmc.sessions.values()
        problems = " ".join(client.current()[0].problems)
    assert "GPU_SXM_3" in problems
    assert "***" in problems
    assert token not in problems
    assert PASSWORD not in problems
