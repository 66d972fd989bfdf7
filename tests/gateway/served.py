"""A gateway of its own: the real program with its workers, on a real store."""

import http.client
import json
import os
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

from hostcollector.gateway.accounts.accounts import Scope
from hostcollector.gateway.accounts.changes import Changes
from hostcollector.gateway.accounts.database import connect, upgrade
from hostcollector.gateway.settings import AccountSettings, LedgerSettings
from hostcollector.gateway.usage.database import upgrade as upgrade_ledger
from tests.lab.process import end, spawn, until
from tests.ports import reserved_port, reserved_ports

PROMETHEUS = "/prometheus/api/v1/"
DAY = 86_400
AGE = re.compile(r"^hostcollector_gateway_accounts_age_seconds (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Got:
    """A reply."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway; `token` is tenant a's with every scope, `other` tenant b's."""

    port: int
    operator_port: int
    directory: Path
    process: subprocess.Popen[bytes]
    changes: Changes
    token: str
    other: str
    workers: int
    authority: Path | None = None
    """What its certificate is checked against, where it serves under TLS."""

    def ask(
        self,
        path: str,
        token: str | None = None,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: str,
    ) -> Got:
        """Return the reply to a request with the parameters in the URL; `token` is a's by default."""
        authorization = {"Authorization": f"Bearer {self.token if token is None else token}"}
        target = f"{path}?{urlencode(parameters)}" if parameters else path
        return self.raw(target, method=method, body=body, headers={**authorization, **(headers or {})})

    def raw(
        self, target: str, *, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str]
    ) -> Got:
        """Return the reply to a request that is sent as it is."""
        connection = self._connection()
        try:
            connection.request(method, target, body, dict(headers))
            answer = connection.getresponse()
            return Got(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        where = ("127.0.0.1", self.port)
        if self.authority is None:
            return http.client.HTTPConnection(*where, timeout=120)
        context = ssl.create_default_context(cafile=self.authority)
        return http.client.HTTPSConnection(*where, timeout=120, context=context)

    def wait_for_workers(self) -> None:
        """Return when every worker has read the accounts as they are now."""
        now = time.monotonic()

        def newer(worker: int) -> bool:
            asked = time.monotonic()
            age = AGE.search(self.metrics(worker))
            return age is not None and float(age[1]) < asked - now

        until(lambda: all(map(newer, range(self.workers))), 30.0, "every worker's look at the accounts")

    def metrics(self, worker: int = 0) -> str:
        """Return the operator's page of a worker, counted from 0."""
        connection = http.client.HTTPConnection("127.0.0.1", self.operator_port + worker, timeout=30)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        except OSError:
            return ""
        finally:
            connection.close()

    def log(self) -> str:
        """Return what the gateway has logged."""
        return (self.directory / "log").read_text()

    def audit(self) -> list[dict[str, Any]]:
        """Return every record of every worker."""
        files = sorted((self.directory / "audit").glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@contextmanager
def served(
    store: str,
    directory: Path,
    *,
    workers: int = 2,
    more: str = "",
    plans: str = "",
    prepare: str = "",
    origins: str = "[]",
    operator: str = "",
    environment: Mapping[str, str] | None = None,
    certificates: Mapping[str, Path] | None = None,
    web: Path | None = None,
    authority: Path | None = None,
) -> Iterator[Gateway]:
    """Give a gateway on a store; `more` are further lines of its configuration, `plans` is a file.

    `origins` are those whose pages may read. `prepare` is a statement that its process runs first;
    `environment` is added to this one's. `certificates` are the files for a store with client
    certificates, by their keys in the section `store`. `web` is the web-config file, and `authority` what
    its certificate is checked against.
    """
    directory.mkdir(exist_ok=True)
    accounts = AccountSettings(database=f"sqlite:///{directory}/accounts.db")
    engine = connect(accounts)
    upgrade(engine)
    ledger = connect(LedgerSettings(database=f"sqlite:///{directory}/ledger.db"))
    upgrade_ledger(ledger)
    ledger.dispose()
    changes = Changes(engine)
    for tenant in ("a", "b"):
        changes.add_tenant(tenant, "detailed")
    own, other = (changes.issue_token(tenant, list(Scope), DAY) for tenant in ("a", "b"))
    files = {key: str(file) for key, file in (certificates or {}).items()}
    with reserved_port() as port, reserved_ports(workers) as operator_port:
        (directory / "gateway.yml").write_text(
            f"web: {{listen_address: '127.0.0.1:{port}', workers: {workers}, allowed_origins: {origins}, "
            f"config_file: {web or 'null'}}}\n"
            f"operator: {{listen_address: '127.0.0.1:{operator_port}', config_file: {operator or 'null'}}}\n"
            f"store: {json.dumps({'url': store, **files})}\n"
            f"accounts: {{database: '{accounts.database}', plans_file: {plans or 'null'}}}\n"
            f"ledger: {{database: 'sqlite:///{directory}/ledger.db'}}\n"
            f"audit: {{directory: '{directory}/audit'}}\n" + more
        )
        program = f"import sys; {prepare}\nfrom hostcollector.gateway.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", program, "serve", f"--config.file={directory}/gateway.yml"]
        child = spawn(command, directory / "log", {**os.environ, **(environment or {})})
        gateway = Gateway(port, operator_port, directory, child, changes, own, other, workers, authority)

        def ready() -> bool:
            assert child.poll() is None, gateway.log()
            with suppress(OSError):
                return gateway.ask(f"{PROMETHEUS}status/buildinfo").status == 200
            return False

        try:
            until(ready, 30.0, "the gateway")
            yield gateway
        finally:
            end(child)
            engine.dispose()


@contextmanager
def relay(gateway: Gateway) -> Iterator[str]:
    """Give an address that adds tenant a's token to each request, for clients that cannot."""

    class Relay(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass(None)

        def do_POST(self) -> None:
            self._pass(self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, *_: object) -> None:
            pass

        def _pass(self, body: bytes | None) -> None:
            kind = {"Content-Type": self.headers["Content-Type"]} if body is not None else {}
            got = gateway.ask(self.path, method=self.command, body=body, headers=kind)
            self.send_response(got.status)
            self.send_header("Content-Type", got.headers["Content-Type"])
            self.send_header("Content-Length", str(len(got.body)))
            self.end_headers()
            self.wfile.write(got.body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Relay) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/prometheus"
        finally:
            server.shutdown()
            thread.join()
