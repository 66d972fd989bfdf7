"""The program as systemd sees it: readiness, reloads, workers that hang, and what a broken file changes."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gateway.served import PROMETHEUS, Gateway, served
from tests.lab.process import eventually, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

NO_STORE = "http://127.0.0.1:9"
HASTY = "import hostcollector.gateway.supervisor as supervisor; supervisor.SILENT_SECONDS = 3.0"
WITH_PROMQL = "plans: {detailed: {promql: true}}\n"
WITHOUT_PROMQL = "plans: {detailed: {promql: false}}\n"


@dataclass(frozen=True, slots=True)
class Service:
    """A gateway, and what it has sent to systemd."""

    gateway: Gateway
    systemd: socket.socket
    plans: Path

    def hears(self, word: str) -> str:
        """Return the next datagram that begins with a word; those before it are passed over."""
        while True:
            datagram = self.systemd.recv(4096).decode()
            if datagram.startswith(word):
                return datagram

    def workers(self) -> list[int]:
        """Return the workers' process numbers."""
        pid = self.gateway.process.pid
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def reload(self) -> str:
        """Reload, and return what systemd shows when that is over."""
        self.gateway.process.send_signal(signal.SIGHUP)
        self.hears("RELOADING=1")
        return self.hears("READY=1")

    def status(self) -> int:
        """Return the status of a request that only a plan with PromQL permits."""
        return self.gateway.ask(f"{PROMETHEUS}rules").status


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Give a service with two workers."""
    directory = tmp_path_factory.mktemp("service")
    plans = directory / "plans.yml"
    plans.write_text(WITH_PROMQL)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(directory / "notify"))
        systemd.settimeout(120)
        environment = {"NOTIFY_SOCKET": str(directory / "notify"), "WATCHDOG_USEC": "30000000"}
        with served(
            NO_STORE, directory / "g", plans=str(plans), prepare=HASTY, environment=environment
        ) as gateway:
            yield Service(gateway, systemd, plans)


def test_it_is_ready_when_all_workers_serve_and_says_that_it_is_alive(service: Service) -> None:
    """Nothing is reported before; then the watchdog hears from it again and again."""
    first = service.systemd.recv(4096).decode()
    while first == "WATCHDOG=1":  # one worker serves already
        first = service.systemd.recv(4096).decode()
    assert first == "READY=1\nSTATUS=2 of 2 workers serve"
    assert service.gateway.log().count("is ready") == 2
    service.hears("WATCHDOG=1")
    service.hears("WATCHDOG=1")


def test_a_reload_puts_new_plans_in_use_and_loses_no_request(service: Service) -> None:
    """The workers are replaced one after the other, while a client sends requests."""
    before, done, found = service.workers(), threading.Event(), set()
    assert service.status() == 200

    def ask() -> None:
        while not done.is_set():
            found.add(service.gateway.raw("/", headers={}).status)

    client = threading.Thread(target=ask)
    client.start()
    service.plans.write_text(WITHOUT_PROMQL)
    assert service.reload() == "READY=1\nSTATUS=2 of 2 workers serve"
    done.set()
    client.join()
    assert not set(before) & set(service.workers())
    assert [service.status() for _ in range(8)] == [403] * 8
    assert found == {200}


def test_a_broken_file_changes_nothing_also_for_workers_that_start_later(service: Service) -> None:
    """The fault is in the log, the old plans hold, and a worker that is killed comes back with them."""
    service.plans.write_text(WITH_PROMQL)
    service.reload()
    before = service.workers()
    service.plans.write_text("plans: {detailed: {promql: perhaps}}\n")
    service.reload()
    assert service.workers() == before
    assert "the old configuration stays in use" in service.gateway.log()
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(set(service.workers()) - set(before)) == 1, 30.0, "another worker")
    service.hears("READY=1")
    assert [service.status() for _ in range(8)] == [200] * 8


def test_a_configuration_that_no_worker_can_use_is_taken_back(service: Service) -> None:
    """Files that look right can be unusable: the audit's directory is a file here."""
    service.plans.write_text(WITH_PROMQL)
    file = service.gateway.directory / "gateway.yml"
    text = file.read_text()
    file.write_text(text.replace("/audit'", "/gateway.yml'"))
    service.reload()
    file.write_text(text)
    assert "cannot use the new one" in service.gateway.log()
    assert len(service.workers()) == 2
    assert service.status() == 200


def test_a_worker_that_hangs_is_replaced(service: Service) -> None:
    """The other one answers meanwhile; clients of the first are cut off with it."""
    stuck = service.workers()[0]
    os.kill(stuck, signal.SIGSTOP)
    until(lambda: stuck not in service.workers(), 30.0, "the end of the worker that hangs")

    def answered() -> bool:
        with suppress(OSError):
            return len(service.workers()) == 2 and service.status() == 200
        return False

    assert eventually(answered, 30.0, "an answer")
    assert "has been silent" in service.gateway.log()
