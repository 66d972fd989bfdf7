"""Logins and tokens: how they are got, when they are renewed, and that they are never shown."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from hostcollector.base.errors import Reason
from hostcollector.config.services import NdfcSettings
from tests.fakes.ndfc import BASE, FakeNdfc
from tests.fakes.rest import PASSWORD
from tests.unit.protocols.ndfc.polling import LIMITS, answer_of, failure_of, polling, wait_until

NETWORKS = f"{BASE}/rest/top-down/fabrics/dc1/networks"


def test_a_token_serves_several_rounds(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """The next round goes on with the token of the last one."""
    with polling(settings):
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


def test_a_login_that_fails_inside_a_success_is_refused(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """A login is good if it gives a token that can be sent in a header, and only then."""
    for document in ('{"error": "domain does not exist"}', '{"token": "a\\nb"}', '{"token": 7}', "[]"):
        controller.answers("/login", 200, text=document)
        error = failure_of(settings)
        assert (error.reason, "is not let in" in str(error)) == (Reason.DENIED, True)


def test_neither_password_nor_token_is_ever_shown(
    settings: NdfcSettings, controller: FakeNdfc, caplog: pytest.LogCaptureFixture
) -> None:
    """Even a controller that sends them back finds them in no error and in no line of the log."""
    caplog.set_level(logging.DEBUG)

    async def echo(request: web.Request) -> web.StreamResponse:
        return web.json_response({"message": f"bad password {(await request.json())['userPasswd']}"})

    async def echo_token(request: web.Request) -> web.StreamResponse:
        return web.json_response({"message": f"bad header {request.headers['Authorization']}"})

    with polling(settings) as client:
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
