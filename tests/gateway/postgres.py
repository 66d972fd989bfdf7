"""A PostgreSQL of our own, with a role that owns the accounts and one that may only read them."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hostcollector.gateway.settings import AccountSettings
from tests.ports import reserved_port

ACCOUNT = "postgres"
"""PostgreSQL refuses to run as root; Debian's package has this account."""

READER = "gateway_reader"


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server in a directory; passwords are in files beside it."""

    directory: Path
    port: int
    programs: Path
    fsync: bool = False
    address: str = "127.0.0.1"

    def settings(self, user: str) -> AccountSettings:
        """Return how a user connects."""
        url = f"postgresql+psycopg://{user}@{self.address}:{self.port}/postgres"
        return AccountSettings(database=url, password_file=str(self.directory / "password"))

    def control(self, action: str, *more: str) -> None:
        """Start or stop the server."""
        settings = f"-c listen_addresses={self.address} -c fsync={'on' if self.fsync else 'off'}"
        options = ["-o", f"-p {self.port} -k {self.directory} {settings}"]
        command = ["pg_ctl", "-w", "-D", f"{self.directory}/data", "-l", f"{self.directory}/log", *more]
        _as_account([str(self.programs / command[0]), *command[1:], *options, action])


@contextmanager
def postgres(*, fsync: bool = False, address: str = "127.0.0.1", clients: str = "") -> Iterator[Postgres]:
    """Give a running server on an address; tests need none of its durability, measurements do.

    `clients` are the network from which others than this machine connect.
    """
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    with tempfile.TemporaryDirectory(prefix="hostcollector-postgres-") as name, reserved_port() as port:
        directory = Path(name)
        (directory / "password").write_text("secret\n")
        for path in (directory, directory / "password"):
            shutil.chown(path, ACCOUNT)
            path.chmod(0o700 if path.is_dir() else 0o600)
        made = ["initdb", "-D", f"{directory}/data", "-A", "scram-sha-256", f"--pwfile={directory}/password"]
        _as_account([str(programs / made[0]), *made[1:], "--no-sync"])
        if clients:
            with (directory / "data/pg_hba.conf").open("a") as file:
                file.write(f"host all all {clients} scram-sha-256\n")
        server = Postgres(directory, port, programs, fsync, address)
        server.control("start")
        try:
            yield server
        finally:
            server.control("stop", "-m", "immediate")


def _as_account(command: Sequence[str]) -> None:
    account = pwd.getpwnam(ACCOUNT)
    found = subprocess.run(
        command,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=float(os.environ.get("POSTGRES_SECONDS", "120")),
    )
    assert found.returncode == 0, found.stderr
