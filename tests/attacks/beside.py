"""What goes on beside an attack: a good scraper, a prober, and a look at the memory."""

import gzip
import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Thread

from tests.attacks.daemon import Daemon
from tests.attacks.kinds import Attack
from tests.attacks.victim import Victim

SCRAPE_SECONDS, PROBE_SECONDS = 10.0, 5.0
"""What a good client waits for an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a good client got: status (0 for no answer), series, and the seconds that it took."""

    status: int
    series: int
    seconds: float
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes at a time, in seconds since the attack's begin."""

    at: float
    resident: int
    used: int


@dataclass(slots=True)
class Account:
    """How a daemon fared."""

    attack: str
    seconds: float
    before: Answer
    memory: list[Memory] = field(default_factory=list)
    scrapes: list[Answer] = field(default_factory=list)
    probes: list[Answer] = field(default_factory=list)
    after: Answer | None = None
    peak: int = 0
    killed: int = 0
    logged: int = 0
    """Bytes that the daemon wrote to its log meanwhile."""

    @property
    def served(self) -> Sequence[Answer]:
        """The scrapes that were whole: as many series as before, but for a few that come and go."""
        enough = self.before.series * 0.98
        return [scrape for scrape in self.scrapes if scrape.status == 200 and scrape.series >= enough]

    @property
    def answered(self) -> Sequence[Answer]:
        """The probes that were answered."""
        return [probe for probe in self.probes if probe.status == 200]

    @property
    def faults(self) -> Sequence[str]:
        """What good clients got instead, each once."""
        wanting = [*(scrape for scrape in self.scrapes if scrape not in self.served), *self.probes]
        return list(dict.fromkeys(answer.fault for answer in wanting if answer.fault))

    @property
    def growth(self) -> int:
        """By how many bytes the resident memory was above that of the begin, at most."""
        return max(taken.resident for taken in self.memory) - self.memory[0].resident

    @property
    def slope(self) -> float:
        """Bytes a second that the resident memory grew by in the last two thirds, by least squares."""
        late = [taken for taken in self.memory if taken.at >= self.seconds / 3 and taken.resident]
        if len(late) < 2:
            return 0.0
        return statistics.linear_regression([t.at for t in late], [t.resident for t in late]).slope


def scrape(victim: Victim, path: str = "/metrics", timeout: float = SCRAPE_SECONDS) -> Answer:
    """Ask once as Prometheus does, on a connection of its own."""
    began = time.monotonic()
    status, page, fault = 0, b"", ""
    client = _client(victim, timeout)
    wanted = {"X-Prometheus-Scrape-Timeout-Seconds": f"{timeout:g}", "Accept-Encoding": "gzip"}
    try:
        client.request("GET", victim.path(path), headers={**victim.credentials, **wanted})
        reply = client.getresponse()
        page = reply.read()
        if reply.headers.get("Content-Encoding") == "gzip":
            page = gzip.decompress(page)
        status = reply.status
        fault = "" if status == 200 else page.decode(errors="replace")[:80].strip()
    except (OSError, http.client.HTTPException) as error:
        fault = f"{type(error).__name__}: {error}"[:80]
    finally:
        client.close()
    series = sum(1 for line in page.splitlines() if line and not line.startswith(b"#"))
    return Answer(status, series, time.monotonic() - began, fault)


def _client(victim: Victim, timeout: float) -> http.client.HTTPConnection:
    where = ("127.0.0.1", victim.port)
    if victim.context is None:
        return http.client.HTTPConnection(*where, timeout=timeout)
    return http.client.HTTPSConnection(*where, timeout=timeout, context=victim.context)


def probe(victim: Victim) -> Answer:
    """Ask whether it is healthy."""
    return scrape(victim, "/-/healthy", PROBE_SECONDS)


def under(attack: Attack, daemon: Daemon, seconds: float, *, interval: float, rest: float) -> Account:
    """Attack a daemon for so long, scraping at an interval, and look at it once more after `rest` seconds."""
    victim = daemon.victim
    account = Account(attack.name, seconds, scrape(victim))
    logged = daemon.log.stat().st_size
    over = Event()
    began = time.monotonic()

    def measure() -> None:
        account.memory.append(Memory(time.monotonic() - began, daemon.resident, daemon.group.used))

    def again(every: float, act: Callable[[], None]) -> Thread:
        def run() -> None:
            while not over.wait(every):
                act()

        return Thread(target=run, name="beside an attack")

    beside = (
        again(interval, lambda: account.scrapes.append(scrape(victim))),
        again(min(0.5, interval), lambda: account.probes.append(probe(victim))),
        again(min(1.0, interval), measure),
    )
    measure()
    for thread in beside:
        thread.start()
    try:
        _run(attack, daemon.attacker or victim, seconds)
    finally:
        over.set()
        for thread in beside:
            thread.join()
    time.sleep(rest)
    measure()
    account.after = scrape(victim)
    account.peak, account.killed = daemon.group.peak, daemon.group.killed
    account.logged = daemon.log.stat().st_size - logged
    return account


def _run(attack: Attack, victim: Victim, seconds: float) -> None:
    """Attack from a process of its own, so that the good clients' times are theirs."""
    known = {key: value for key, value in vars(victim).items() if key in Victim.__dataclass_fields__}
    command = [sys.executable, "-m", "tests.attacks", attack.name, str(seconds), json.dumps(known)]
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(command, check=False, timeout=seconds + 30, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
