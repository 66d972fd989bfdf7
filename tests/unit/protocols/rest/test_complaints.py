"""What a service says of why it refuses reaches the operator: its words, and never a secret."""

import json
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.errors import Reason
from hostcollector.protocols.rest.refusals import complaint, complaint_of
from hostcollector.protocols.rest.target import prepare
from tests.fakes.rest import PASSWORD, FakeService
from tests.unit.protocols.rest.conftest import SERVICE, THINGS, Follow, Settings
from tests.unit.protocols.rest.polling import failure_of

KEYS = st.sampled_from(("error", "message", "code", "@Message.ExtendedInfo", "Message", "MessageId"))
EXTENDED = {"MessageId": "Base.1.8.AccessDenied", "Message": "The account is locked."}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"error": {"code": "Base.1.8.GeneralError", "message": "The service is updating."}}, "is updating"),
        ({"error": {"@Message.ExtendedInfo": [EXTENDED], "message": "See @Message.ExtendedInfo."}}, "locked"),
        ({"error": {"@Message.ExtendedInfo": EXTENDED}}, "locked"),
        ({"@Message.ExtendedInfo": [None, 7, EXTENDED]}, "locked"),
        ({"error": "invalid fabric"}, "invalid fabric"),
        ({"message": "token expired"}, "token expired"),
        ({"error": {"code": "iLO.2.14.UnauthorizedLoginAttempt"}}, "UnauthorizedLoginAttempt"),
    ],
)
def test_the_services_own_words(follow: Follow, service: FakeService, document: Any, said: str) -> None:
    """Every usual form of an error is read, and follows the meaning of the status."""
    service.answers(THINGS, 500, text=json.dumps(document))
    error = failure_of(follow())
    assert str(error).startswith(f"{service.url}: {THINGS} answered 500: ")
    assert said in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "Host header does not match",
        "<html><head><title>400</title></head><body><h1>Bad Request</h1>Invalid  Host\nheader.</body></html>",
    ],
)
def test_a_name_that_the_service_does_not_go_by(follow: Follow, service: FakeService, text: str) -> None:
    """A service that wants another Host header says so, and it is said what to change."""
    service.answers(THINGS, 400, text=text)
    error = str(failure_of(follow()))
    assert "set depot.url to the name that it goes by" in error
    assert "<" not in error


def test_an_expired_password_is_no_lack_of_rights(follow: Follow, service: FakeService) -> None:
    """PasswordChangeRequired (DSP0266) is said as that, and is not tried again and again."""
    message = {"MessageId": "Base.1.13.PasswordChangeRequired", "Message": "Change the password."}
    service.answers(THINGS, 403, text=json.dumps({"error": {"@Message.ExtendedInfo": [message]}}))
    error = failure_of(follow())
    assert (error.reason, "has expired" in str(error)) == (Reason.DENIED, True)
    assert "role" not in str(error)


def test_secrets_do_not_come_back(follow: Follow, service: FakeService, settings: Settings) -> None:
    """A service that quotes what it was sent has that cut out, also where the text is cut to a length."""
    basic = prepare(SERVICE, settings, {}).basic

    async def echo(request: web.Request) -> web.StreamResponse:
        sent = request.headers["Authorization"]
        text = f"{'x' * 230} {sent} {PASSWORD} {sent}"
        return web.json_response({"error": {"message": text}}, status=500)

    service.misbehave[THINGS] = echo
    error = str(failure_of(follow()))
    for secret in (PASSWORD, basic):
        assert not [size for size in range(8, len(secret)) if secret[:size] in error]


@pytest.mark.parametrize("hang", [True, False])
def test_a_refusal_without_words_is_one(follow: Follow, service: FakeService, *, hang: bool) -> None:
    """A body that is empty, or breaks off, leaves what the status says."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if not hang:
            return web.Response(status=404)
        response = web.StreamResponse(status=404, headers={"Content-Length": "5000"})
        await response.prepare(request)
        assert request.transport is not None
        request.transport.abort()
        return response

    service.misbehave[THINGS] = answer
    assert str(failure_of(follow())).endswith(f"{THINGS} does not exist there (404)")


@given(
    st.recursive(st.none() | st.text() | st.integers(), lambda it: st.lists(it) | st.dictionaries(KEYS, it))
)
def test_no_document_breaks_the_reading(document: Any) -> None:
    """Whatever an error is made of, it is a line of bounded length or nothing."""
    said = complaint_of(document)
    assert said.text.isprintable()
    assert len(said.text) < 250


@given(st.binary())
def test_no_bytes_break_the_reading(content: bytes) -> None:
    """Nor do bytes that are no document at all."""
    assert complaint(content).text.isprintable()
