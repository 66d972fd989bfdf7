"""Who sees which page when there are users."""

import logging
from base64 import b64encode
from pathlib import Path

import pytest

from hostcollector.web.access import AccessRules, credentials
from hostcollector.web.passwords import WAITING
from hostcollector.web.replies import SILENCE_SECONDS, Refusals
from tests.fakes.pages import full_page
from tests.fakes.site import ServedSite, serving, until
from tests.unit.web.conftest import access_of
from tests.unit.web.test_passwords import HASHES

CHALLENGE = 'Basic realm="hostcollector", charset="UTF-8"'


@pytest.fixture
def access(tmp_path: Path) -> AccessRules:
    """Return access rules for two users, and a header that the operator wants."""
    headers = {"Strict-Transport-Security": "max-age=60", "X-Frame-Options": "deny"}
    return access_of(tmp_path, basic_auth_users=HASHES, http_server_config={"headers": headers})


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header of a user who says a password."""
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


@pytest.mark.parametrize("path", ["/metrics", "/", "/nothing", "/-/nothing"])
async def test_a_page_needs_a_password(path: str, access: AccessRules) -> None:
    """Without one there is a challenge and nothing else, not even whether the page exists."""
    async with serving(full_page(), access=access) as site:
        reply = await site.client.get(path)
        assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, CHALLENGE)
        assert await reply.text() == "A user and a password are needed.\n"
        assert site.collector.budgets == []


@pytest.mark.parametrize(("user", "password"), [("prometheus", "secret"), ("ops", "träum")])
async def test_the_right_password_opens_every_page(user: str, password: str, access: AccessRules) -> None:
    """User and password may be of any characters; a page that does not exist is then 404."""
    async with serving(full_page(), access=access) as site:
        for path, status in (("/metrics", 200), ("/", 200), ("/nothing", 404)):
            assert (await site.client.get(path, headers=basic(user, password))).status == status


async def test_the_wrong_password_is_said_to_be_wrong(
    access: AccessRules, caplog: pytest.LogCaptureFixture
) -> None:
    """Unknown user and wrong password get the same answer; the log has one line, without either."""
    async with serving(full_page(), access=access) as site:
        for headers in (basic("prometheus", "guess-1"), basic("unknown-1", "secret")):
            reply = await site.client.get("/metrics", headers=headers)
            assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, CHALLENGE)
            assert await reply.text() == "The user or the password is wrong.\n"
        assert site.collector.budgets == []
        await until(lambda: bool(caplog.records))
    assert [record.getMessage() for record in caplog.records] == ["refused: wrong user or password"]
    assert "guess-1" not in caplog.text
    assert "unknown-1" not in caplog.text


async def test_probes_need_no_password_and_carry_no_data(access: AccessRules) -> None:
    """Health and readiness are a word, with or without a password, right or wrong."""
    async with serving(full_page(), access=access) as site:
        for headers in ({}, basic("prometheus", "guess")):
            for path, text in (("/-/healthy", "ok\n"), ("/-/ready", "ready\n")):
                reply = await site.client.get(path, headers=headers)
                assert (reply.status, await reply.text()) == (200, text)


@pytest.mark.parametrize("path", ["/-/healthy", "/metrics"])
async def test_the_operators_headers_are_on_every_reply(path: str, access: AccessRules) -> None:
    """They come beside the collector's own, on refusals too."""
    async with serving(full_page(), access=access) as site:
        headers = (await site.client.get(path)).headers
        assert headers["Strict-Transport-Security"] == "max-age=60"
        assert headers["X-Frame-Options"] == "deny"
        assert headers["X-Content-Type-Options"] == "nosniff"


async def test_a_path_in_disguise_is_not_a_probe(access: AccessRules) -> None:
    """What leads to a page needs the page's password, however it is spelt."""
    async with serving(full_page(), access=access) as site:
        for path in (
            b"/-/healthy/../../metrics",
            b"//metrics",
            b"/%6detrics",
            b"/-/../metrics",
            b"/metrics?/-/healthy",
        ):
            assert (await _raw(site, path)).startswith(b"HTTP/1.1 401 "), path


async def _raw(site: ServedSite, path: bytes) -> bytes:
    reader, writer = await site.connect()
    writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    reply = await reader.read()
    writer.close()
    return reply


async def test_a_flood_is_told_to_come_again(access: AccessRules) -> None:
    """Who has a check waiting already gets 429 at once, and the page goes on for others."""
    async with serving(full_page(), access=access) as site:
        assert (await site.client.get("/metrics", headers=basic("prometheus", "secret"))).status == 200
        waiting = access.admission.passwords._known_addresses.waiting  # type: ignore[union-attr] # there are users
        waiting.update(f"192.0.2.{number}" for number in range(WAITING))
        reply = await site.client.get("/metrics", headers=basic("prometheus", "guess"))
        assert (reply.status, reply.headers["Retry-After"]) == (429, "1")
        assert (await site.client.get("/metrics", headers=basic("prometheus", "secret"))).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        ["Basic"],
        ["Basic !!!"],
        ["Basic " + b64encode(b"no colon").decode()],
        ["Basic " + b64encode(b"\xff:secret").decode()],
        ["Bearer " + b64encode(b"prometheus:secret").decode()],
        ["Basic " + b64encode(b"a:b").decode()] * 2,
    ],
)
def test_what_is_not_basic_authentication_is_none(headers: list[str]) -> None:
    """Another scheme, broken Base64, no colon, a name that is not UTF-8, and two headers say nothing."""
    assert credentials(headers) is None


def test_a_password_may_have_colons_and_any_bytes() -> None:
    """The first colon ends the name; the password's bytes are bcrypt's business."""
    said = b64encode("jürgen:a:".encode() + b"\xff").decode()
    assert credentials([f"basic {said}"]) == ("jürgen", b"a:\xff")


def test_the_log_of_refusals_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """A reason is said once a minute, with how often it was met since; another reason is said at once."""
    now = [0.0]
    refusals = Refusals(lambda: now[0])

    def note(reason: str, times: int = 1) -> None:
        for _ in range(times):
            refusals.note(reason, "192.0.2.1")
        while refusals._lane.busy:
            pass

    note("wrong")
    note("wrong", 10_000)
    note("other")
    now[0] = SILENCE_SECONDS
    note("wrong")
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3
    assert [(record.getMessage(), vars(record)["requests"]) for record in caplog.records] == [
        ("refused: wrong", 1),
        ("refused: other", 1),
        ("refused: wrong", 10_001),
    ]
    refusals.close()
