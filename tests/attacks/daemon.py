"""The daemons that are attacked: with the packaged unit's limits, and with a page of a hundred guests."""

import json
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt

from tests.attacks.group import Group, limited
from tests.attacks.victim import Victim
from tests.fakes.authority import Authority
from tests.lab.process import end, spawn, until
from tests.lab.trees import TREE
from tests.ports import reserved_port

GUESTS = 100
USER, PASSWORD = "prometheus", "correct horse"
CLIENT = "prometheus.example"
LAUNCHER = Path(__file__).parent / "launcher.py"


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon in its group."""

    victim: Victim
    group: Group
    log: Path
    attacker: Victim | None = None
    """The same as an attacker knows it, where that has other rights than the good client."""

    @property
    def resident(self) -> int:
        """Its resident memory in bytes; 0 once it is gone."""
        with suppress(OSError):
            pages = Path(f"/proc/{self.victim.pid}/statm").read_text().split()[1]
            return int(pages) * os.sysconf("SC_PAGE_SIZE")
        return 0


@contextmanager
def attacked(page: str, directory: Path) -> Iterator[Daemon]:
    """Run a daemon for the block whose page is ``plain``, under ``tls`` with users, or ``mutual``."""
    known = _web_config(page, directory)
    (directory / "config.yml").write_text(
        json.dumps(
            {
                "libvirt": {"uri": f"test://{_guests(directory)}"},
                "paths": {"state_directory": str(directory / "state")},
                "web": {"config_file": str(directory / "web.yml")},
            }
        )
    )
    log = directory / "log"
    with limited() as group, reserved_port() as port:
        flags = (f"--config.file={directory / 'config.yml'}", f"--web.listen-address=127.0.0.1:{port}")
        command = [*group.within, sys.executable, "-P", str(LAUNCHER), "serve", *flags]
        child = spawn(command, log, {"PATH": os.environ["PATH"], "PYTHONPATH": str(TREE)})
        victim = Victim(port=port, pid=child.pid, **known)

        def ready() -> bool:
            assert child.poll() is None, log.read_text()
            with suppress(OSError), victim.open() as client:
                client.sendall(victim.request("/-/ready", "Connection: close"))
                return client.recv(12) == b"HTTP/1.1 200"
            return False

        try:
            until(ready, 30.0, f"the daemon, see {log}")
            yield Daemon(victim, group, log)
        finally:
            end(child)


def _web_config(page: str, directory: Path) -> dict[str, Any]:
    """Write the web-config, and return what a client has to know."""
    if page == "plain":
        (directory / "web.yml").write_text("{}")
        return {}
    authority = Authority.new(directory)
    server = authority.issue("server", "IP:127.0.0.1")
    tls = {"cert_file": str(server.file), "key_file": str(server.key)}
    known = {"authority": str(authority.file)}
    config: dict[str, object] = {"tls_server_config": tls}
    if page == "mutual":
        client = authority.issue("client", f"DNS:{CLIENT}")
        tls |= {"client_ca_file": str(authority.file), "client_auth_type": "RequireAndVerifyClientCert"}
        config["tls_server_config"] = {**tls, "client_allowed_sans": [CLIENT]}
        known |= {"certificate": str(client.file), "key": str(client.key)}
    else:
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
        config["basic_auth_users"] = {USER: hashed}
        known |= {"user": USER, "password": PASSWORD}
    (directory / "web.yml").write_text(json.dumps(config))
    return known


def _guests(directory: Path) -> Path:
    """Write what libvirt's test driver is to show, and return the file."""
    file = directory / "guests.xml"
    file.write_text(f"<node>{''.join(_guest(number) for number in range(GUESTS))}</node>")
    return file


def _guest(number: int) -> str:
    return f"""<domain type='test'>
  <name>guest-{number}</name><uuid>{uuid.UUID(int=number + 1)}</uuid>
  <memory unit='MiB'>512</memory><vcpu>2</vcpu><os><type>hvm</type></os>
  <devices>
    <disk type='file'><source file='/guest-{number}.img'/><target dev='vda' bus='virtio'/></disk>
    <interface type='bridge'><source bridge='br0'/><target dev='tap{number}'/></interface>
  </devices>
</domain>"""
