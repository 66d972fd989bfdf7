"""Stores and databases that fail: what a tenant gets then, and that nothing of it stays."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.gateway.served import PROMETHEUS, Gateway, served
from tests.lab.process import eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

EMPTY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
FULL = b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]}]}}'

Behaviour = Callable[[BaseHTTPRequestHandler, bool], None]


class FakeStore:
    """A store whose behaviour a test changes; the watchdog's query is answered well unless it says so."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = good
        self.url = ""


def reply(handler: BaseHTTPRequestHandler, content: bytes, status: int = 200) -> None:
    """Send an answer."""
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def good(handler: BaseHTTPRequestHandler, watched: bool) -> None:  # noqa: FBT001
    """Answer as a store with the lock does."""
    reply(handler, EMPTY if watched else FULL)


def unlocked(handler: BaseHTTPRequestHandler, watched: bool) -> None:  # noqa: FBT001
    """Answer everything, whatever the lock says."""
    reply(handler, FULL)


def garbage(handler: BaseHTTPRequestHandler, watched: bool) -> None:  # noqa: FBT001
    """Answer with an error page that names internals."""
    reply(handler, b"<html>internal-secret</html>", 200 if watched else 500)


def broken(handler: BaseHTTPRequestHandler, watched: bool) -> None:  # noqa: FBT001
    """Promise more than is sent."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    handler.wfile.write(b'{"status":"success","data":{"result":[' + b" " * 200_000)


def silent(handler: BaseHTTPRequestHandler, watched: bool) -> None:  # noqa: FBT001
    """Answer never."""
    time.sleep(8)


@contextmanager
def fake_store() -> Iterator[FakeStore]:
    """Give a store that does what a test says."""
    store = FakeStore()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            label = parse_qs(urlsplit(self.path).query).get("extra_label", [""])[0]
            store.behaviour(self, label.startswith("tenant=watchdog-"))
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        store.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield store
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def faulty() -> Iterator[FakeStore]:
    """Give a store for this file."""
    with fake_store() as store:
        yield store


@pytest.fixture(scope="module")
def gateway(faulty: FakeStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Give a gateway on that store, with short deadlines."""
    directory = tmp_path_factory.mktemp("faults")
    with served(faulty.url, directory, workers=1, more="limits: {seconds: 4}\n") as running:
        yield running


def asked(gateway: Gateway) -> tuple[int, bytes]:
    """Return status and body of a query."""
    found = gateway.ask(f"{PROMETHEUS}query", query="vm_state")
    return found.status, found.body


@pytest.mark.parametrize(("behaviour", "status"), [(garbage, 503), (silent, 503)], ids=["garbage", "silent"])
def test_a_store_that_fails_gives_own_words_and_is_used_again(
    gateway: Gateway, faulty: FakeStore, behaviour: Behaviour, status: int
) -> None:
    """The tenant gets a status and a sentence; the next good answer passes."""
    faulty.behaviour = good
    assert eventually(lambda: asked(gateway)[0] == 200, 30.0, "a good answer")
    faulty.behaviour = behaviour
    found, body = asked(gateway)
    faulty.behaviour = good
    assert found == status
    assert json.loads(body)["status"] == "error"
    assert b"secret" not in body
    assert eventually(lambda: asked(gateway)[0] == 200, 30.0, "a good answer again")


def test_half_an_answer_does_not_look_like_a_whole_one(gateway: Gateway, faulty: FakeStore) -> None:
    """A store that breaks off in the middle ends the tenant's connection too."""
    faulty.behaviour = good
    assert eventually(lambda: asked(gateway)[0] == 200, 30.0, "a good answer")
    faulty.behaviour = broken
    try:
        status, body = asked(gateway)
    except (ConnectionError, OSError):
        status, body = 0, b""
    except Exception as error:  # noqa: BLE001 - http.client's name for a body that breaks off
        assert type(error).__name__ == "IncompleteRead"  # noqa: PT017
        status, body = 0, b""
    faulty.behaviour = good
    assert (status, body) == (0, b"") or status == 503


def test_a_lock_that_gets_lost_stops_promql(tmp_path: Path) -> None:
    """A gateway that starts on a store without the lock answers no query until the lock works."""
    with fake_store() as store:
        store.behaviour = unlocked
        with served(store.url, tmp_path / "gateway", workers=1) as gateway:
            assert asked(gateway)[0] == 503
            assert "hostcollector_gateway_store_lock_verified 0" in gateway.metrics()
            assert gateway.ask(f"{PROMETHEUS}metadata").status == 200
            store.behaviour = good
            assert eventually(lambda: asked(gateway)[0] == 200, 30.0, "the lock")
    assert "PromQL is stopped" in gateway.log()


def test_a_store_that_does_not_listen_is_a_sentence(tmp_path: Path) -> None:
    """Without a verified lock there is no query; the rest answers."""
    with served("http://127.0.0.1:9", tmp_path / "gateway", workers=1) as gateway:
        assert asked(gateway)[0] == 503
        assert gateway.ask(f"{PROMETHEUS}rules").status == 200


def test_a_store_that_hangs_does_not_keep_the_gateway_from_its_start(tmp_path: Path) -> None:
    """It serves what needs no store, and answers queries as soon as the store does."""
    with fake_store() as store:
        store.behaviour = silent
        hasty = "import hostcollector.gateway.worker as worker; worker.FIRST_LOOK_SECONDS = 1.0"
        with served(store.url, tmp_path / "gateway", workers=1, prepare=hasty) as gateway:
            assert asked(gateway)[0] == 503
            store.behaviour = good
            assert eventually(lambda: asked(gateway)[0] == 200, 60.0, "a good answer")
    assert "is killed" not in gateway.log()
