"""A region's machine: what the role `tenant_store` writes, run by the commands of its own units."""

import json
import re
import shlex
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.authority import Authority
from tests.fleet.playbook import Playbooks
from tests.lab.process import end, spawn, until
from tests.lab.prometheus import answers
from tests.ports import reserved_port

CLIENTS = ("tenant-agent", "tenant-gateway", "tenant-eraser", "stranger")
NGINX = """daemon off;
pid {directory}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/nginx/*.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the front answered."""

    status: int
    body: str


@dataclass(slots=True)
class Region:
    """The rendered machine and its three programs; each can be ended and started again."""

    directory: Path
    front: int
    store: int
    agent: int
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def pki(self) -> Path:
        """The directory of `authority.pem`, and of `NAME.pem` and `NAME.key`."""
        return self.directory / "pki"

    def start(self, unit: str, *flags: str) -> None:
        """Start a unit's program with the command of the unit and more flags, and wait until it answers."""
        command = self._command(unit, unit)
        port = self.store if unit == "tenant-store" else self.agent
        self._start(unit, [*command, *flags])
        until(lambda: answers(f"http://127.0.0.1:{port}/health"), 30.0, f"the start of {unit}")

    def start_second_agent(self, *flags: str) -> None:
        """Start one more vmagent with a queue of its own, as for a second machine."""
        self._start("second", [*self._command("tenant-agent", "second"), "-httpListenAddr=", *flags])

    def _command(self, unit: str, state: str) -> list[str]:
        """Return the command of a unit, with the directories that systemd would give it."""
        text = (self.directory / f"units/hostcollector-{unit}.service").read_text()
        found = re.search(r"^ExecStart=((?:.*\\\n)*.*)", text, re.MULTILINE)
        assert found is not None
        kept = self.directory / state
        kept.mkdir(exist_ok=True)
        command = found[1].replace("\\\n", " ").replace("${STATE_DIRECTORY}", str(kept))
        return shlex.split(command.replace("${CREDENTIALS_DIRECTORY}", str(self.directory / "etc")))

    def start_front(self) -> None:
        """Start nginx with the front, and wait until it listens."""
        configuration = self.directory / "nginx.conf"
        configuration.write_text(NGINX.format(directory=self.directory))
        self._start("nginx", ["nginx", "-c", str(configuration), "-p", str(self.directory)])
        until(lambda: self.ask("stranger", "/").status == 404, 30.0, "the start of nginx")

    def _start(self, name: str, command: Sequence[str]) -> None:
        environment = {
            "CREDENTIALS_DIRECTORY": str(self.directory / "etc"),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            **self._environment(name),
        }
        self.running[name] = spawn(command, self.directory / f"{name}.log", environment)

    def _environment(self, unit: str) -> dict[str, str]:
        """Return what systemd reads from the files that a unit names; nothing without a unit."""
        file = self.directory / f"units/hostcollector-{unit}.service"
        named = re.findall(r"^EnvironmentFile=(.+)", file.read_text() if file.exists() else "", re.MULTILINE)
        lines = [line for name in named for line in Path(name).read_text().splitlines()]
        return dict(line.split("=", 1) for line in lines)

    def stop(self, name: str, grace: float = 30.0) -> None:
        """End a program as systemd would."""
        end(self.running.pop(name), grace)

    def kill(self, name: str) -> None:
        """Kill a program, which loses what it had in memory."""
        child = self.running.pop(name)
        child.kill()
        child.wait()

    def ask(
        self, client: str | None, path: str, body: bytes | None = None, method: str | None = None
    ) -> Answer:
        """Send the front a request with a client's certificate, or without one."""
        context = ssl.create_default_context(cafile=self.pki / "authority.pem")
        if client is not None:
            context.load_cert_chain(self.pki / f"{client}.pem", self.pki / f"{client}.key")
        request = urllib.request.Request(f"https://127.0.0.1:{self.front}{path}", body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                return Answer(answer.status, answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode(errors="replace"))
        except (OSError, ssl.SSLError):
            return Answer(0, "")

    def raw(self, path: str, **parameters: str) -> Any:
        """Ask the store itself, without any lock, and return the JSON that it answers."""
        address = f"http://127.0.0.1:{self.store}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=60) as answer:
            return json.load(answer)

    def post(self, path: str, /, **parameters: str) -> int:
        """Post to the store itself, as every account of the machine can, and return the status."""
        address = f"http://127.0.0.1:{self.store}{path}"
        request = urllib.request.Request(address, urllib.parse.urlencode(parameters).encode())
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def write(self, lines: str) -> None:
        """Put samples into the store itself, in the Prometheus text format."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.store}/api/v1/import/prometheus", lines.encode(), method="POST"
        )
        urllib.request.urlopen(request, timeout=30).close()
        urllib.request.urlopen(f"http://127.0.0.1:{self.store}/internal/force_flush", timeout=30).close()


@contextmanager
def rendered(directory: Path, targets: Mapping[str, str], **variables: Any) -> Iterator[Region]:
    """Apply the role to the directory, starting nothing; what was started ends with the block.

    The targets are addresses of hypervisors by their name in the inventory.
    """
    pki = directory / "pki"
    pki.mkdir(parents=True)
    authority = Authority.new(pki)
    for name in ("front", *CLIENTS):
        authority.issue(name, "DNS:localhost,IP:127.0.0.1")
    for made in ("units", "nginx"):
        (directory / made).mkdir()
    with ExitStack() as ports:
        front, store, agent = (ports.enter_context(reserved_port()) for _ in range(3))
        region = Region(directory, front, store, agent)
        inventory = directory / "inventory.json"
        inventory.write_text(json.dumps(_inventory(region, targets, variables)))
        outcome = Playbooks(directory, inventory).run("tenant_store")
        assert outcome.succeeded, outcome.output[-4000:]
        try:
            yield region
        finally:
            for name in list(region.running):
                region.stop(name)


def _inventory(region: Region, targets: Mapping[str, str], variables: Mapping[str, Any]) -> Mapping[str, Any]:
    pki = region.pki
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    machine = {
        **local,
        "ansible_become": False,
        "tenant_store_start": False,
        "tenant_store_listen": f"127.0.0.1:{region.front}",
        "tenant_store_url": f"https://127.0.0.1:{region.front}",
        "tenant_store_loopback_port": region.store,
        "tenant_store_agent_port": region.agent,
        "tenant_store_directory": str(region.directory / "etc"),
        "tenant_store_units_directory": str(region.directory / "units"),
        "tenant_store_nginx_directory": str(region.directory / "nginx"),
        "tenant_store_clients": {
            "write": ["CN=tenant-agent"],
            "read": ["CN=tenant-gateway"],
            "delete": ["CN=tenant-eraser"],
        },
        "tenant_store_files": {
            "front.crt": f"{pki}/front.pem",
            "front.key": f"{pki}/front.key",
            "clients.pem": f"{pki}/authority.pem",
            "agent.crt": f"{pki}/tenant-agent.pem",
            "agent.key": f"{pki}/tenant-agent.key",
            "front-ca.pem": f"{pki}/authority.pem",
            "hypervisors-ca.pem": f"{pki}/authority.pem",
        },
        **variables,
    }
    hosts = {name: {"ansible_host": address} for name, address in targets.items()}
    children = {
        "hypervisors": {"hosts": hosts},
        "tenant_store": {"hosts": {"region": machine}},
    }
    return {"all": {"children": children}}
