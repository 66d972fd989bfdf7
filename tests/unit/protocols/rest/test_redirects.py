"""Redirects, encodings and caches: followed and understood on the service itself, and nowhere else."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable

import pytest
from aiohttp import web

from hostcollector.base.errors import Reason, SourceError
from hostcollector.protocols.rest.http import Http
from hostcollector.protocols.rest.target import prepare
from tests.fakes.rest import Answer, FakeService
from tests.unit.protocols.rest.conftest import SERVICE, THINGS, Follow, Settings
from tests.unit.protocols.rest.polling import answer_of, failure_of, polling

DOCUMENT = ["a", "b"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("leads_to", ["/api/things/", "things/", "{url}/api/things/", "/api/things/?page=1"])
def test_a_redirect_on_the_service_is_followed(
    follow: Follow, service: FakeService, status: int, leads_to: str
) -> None:
    """A path, a relative one and a whole address of the same service all lead to the document."""
    service.answers(THINGS, status, {"Location": leads_to.format(url=service.url)})
    service.documents[f"{THINGS}/"] = DOCUMENT
    assert answer_of(follow()) == DOCUMENT


@pytest.mark.parametrize(
    "leads_to",
    [
        "https://localhost:1/api/things",
        "http://localhost:{port}/api/things",
        "https://127.0.0.1:{port}/api/things/",
        "//elsewhere.example/api/things",
        "https://localhost:{port}@elsewhere.example/",
        "https://localhost.elsewhere.example:{port}/",
        "https://[nonsense",
        "ftp://localhost/x",
    ],
)
def test_no_redirect_takes_the_password_elsewhere(
    follow: Follow, service: FakeService, leads_to: str
) -> None:
    """Another host, port or scheme is named as a wrong setting; nothing is asked there."""
    service.answers(THINGS, 308, {"Location": leads_to.format(port=service.port)})
    error = failure_of(follow())
    assert "set depot.url" in str(error)
    assert set(service.requests) == {THINGS}


def test_redirects_in_a_circle_end(follow: Follow, service: FakeService) -> None:
    """Two paths that lead to each other are a failure after a few steps."""
    service.answers(THINGS, 308, {"Location": f"{THINGS}/"})
    service.answers(f"{THINGS}/", 308, {"Location": THINGS})
    assert "again and again" in str(failure_of(follow()))
    assert service.requests.total() <= 8


@pytest.mark.parametrize(("status", "followed"), [(307, True), (308, True), (301, False), (302, False)])
async def test_a_login_is_sent_on_only_where_it_stays_one(
    settings: Settings, service: FakeService, status: int, *, followed: bool
) -> None:
    """Of the redirects only 307 and 308 keep method and body (RFC 9110)."""
    service.answers("/login", status, {"Location": "/login/"})
    service.answers("/login/", 200, text='{"token": "t"}')
    target = await asyncio.to_thread(prepare, SERVICE, settings, {})
    async with Http(target, seconds=20, limit=1000) as http:
        if followed:
            assert await http.post("/login", {}) == {"token": "t"}
        else:
            with pytest.raises(SourceError, match="redirected"):
                await http.post("/login", {})


def packed(pack: Callable[[bytes], bytes], encoding: str) -> Answer:
    """Return what answers with a packed document, asked for or not."""

    async def answer(_: web.Request) -> web.StreamResponse:
        content = pack(json.dumps(DOCUMENT).encode())
        return web.Response(body=content, headers={"Content-Encoding": encoding})

    return answer


@pytest.mark.parametrize(
    ("pack", "encoding"),
    [(gzip.compress, "gzip"), (gzip.compress, "GZIP"), (gzip.compress, "x-gzip"), (zlib.compress, "deflate")],
)
def test_a_packed_answer_is_unpacked(
    follow: Follow, service: FakeService, pack: Callable[[bytes], bytes], encoding: str
) -> None:
    """A service that packs although it was not asked to is read all the same."""
    service.misbehave[THINGS] = packed(pack, encoding)
    assert answer_of(follow()) == DOCUMENT


@pytest.mark.parametrize(
    ("pack", "encoding", "said"),
    [
        (bytes, "gzip", "not packed as it says"),
        (lambda content: gzip.compress(content)[:-9], "gzip", "breaks off"),
        (lambda _: gzip.compress(b"[" * 10_000_000), "gzip", "more than 8388608 bytes"),
        (gzip.compress, "br", "encoding"),
        (gzip.compress, "gzip, gzip", "encoding"),
        (lambda _: b"", "gzip", "breaks off"),
    ],
)
def test_what_cannot_be_unpacked_is_malformed(
    follow: Follow, service: FakeService, pack: Callable[[bytes], bytes], encoding: str, said: str
) -> None:
    """Truncated, mislabelled and huge packed answers fail the question, and fill no memory."""
    service.misbehave[THINGS] = packed(pack, encoding)
    error = failure_of(follow())
    assert (error.reason, said in str(error)) == (Reason.MALFORMED, True)


def test_a_service_that_refuses_plain_answers(follow: Follow, service: FakeService) -> None:
    """After 406 the same is asked with everything accepted."""

    async def only_packed(request: web.Request) -> web.StreamResponse:
        if "gzip" not in request.headers["Accept-Encoding"]:
            return web.Response(status=406)
        return await packed(gzip.compress, "gzip")(request)

    service.misbehave[THINGS] = only_packed
    assert answer_of(follow()) == DOCUMENT
    service.answers(THINGS, 406)
    assert "406" in str(failure_of(follow()))


@pytest.mark.parametrize(("said", "age"), [("100", 100), ("", 0), ("-5", 0), ("soon", 0), ("9" * 30, 0)])
def test_an_answer_from_a_cache_is_as_old_as_it_says(
    follow: Follow, service: FakeService, said: str, age: int
) -> None:
    """The age of an answer is that of the data, where a cache on the way reports it (RFC 9111)."""
    service.answers(THINGS, 200, {"Age": said}, text="[]")
    with polling(follow()) as poller:
        assert age <= poller.current()[1] < age + 60


def test_all_answers_together_are_bounded(follow: Follow, service: FakeService, settings: Settings) -> None:
    """What a whole round may bring is limited too."""
    service.answers(THINGS, 200, text="[" + " " * 400 + "]")

    async def twice() -> None:
        target = await asyncio.to_thread(prepare, SERVICE, settings, {})
        async with Http(target, seconds=20, limit=1000, limit_in_all=500) as http:
            headers = {"Authorization": f"Basic {target.basic}"}
            assert await http.get(THINGS, headers) == []
            with pytest.raises(SourceError, match="more than 98 bytes"):
                await http.get(THINGS, headers)

    asyncio.run(twice())
