"""Private OVSDB servers and a private Open vSwitch in user space; nothing of the machine's own."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from hostcollector.config.address import Remote, Transport
from tests.lab.process import Process, end, spawn, until

VSWITCH_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
DATAPATH = Path("/sys/class/net/ovs-netdev")
DATAPATH_LOCK = Path("/tmp/hostcollector-lab-datapath.lock")
OVN_SB_SCHEMA = Path("/usr/share/ovn/ovn-sb.ovsschema")
OVN_NB_SCHEMA = Path("/usr/share/ovn/ovn-nb.ovsschema")


class DatabaseServer:
    """An ovsdb-server in a directory of its own, on a unix socket and with what `options` add."""

    def __init__(self, directory: Path, schema: Path, *options: str) -> None:
        self.directory = directory
        self.socket = directory / "db.sock"
        self.remote = Remote(Transport.UNIX, path=str(self.socket))
        self._options = options
        self._child: subprocess.Popen[bytes] | None = None
        self._database = directory / "conf.db"
        directory.mkdir(parents=True, exist_ok=True)
        self._create(schema)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the server and wait until it listens."""
        listen = f"--remote=punix:{self.socket}"
        self._child = self.daemon("ovsdb-server", listen, *self._options, str(self._database))
        until(self.socket.exists, 10, "the database's socket")

    def kill(self) -> None:
        """End the server as a crash does, and remove its socket, which a new one would replace."""
        self._process().send(signal.SIGKILL)
        assert self._child is not None
        self._child.wait()
        self.socket.unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop the server: its socket still takes connections, and nothing is answered."""
        self._process().send(signal.SIGSTOP)

    def cont(self) -> None:
        """Let a stopped server go on."""
        self._process().send(signal.SIGCONT)

    def close(self) -> None:
        """End the server."""
        if self._child is not None:
            end(self._child)

    def _create(self, schema: Path) -> None:
        self.tool("ovsdb-tool", "create", str(self._database), str(schema))

    def vsctl(self, *arguments: str) -> str:
        """Run ovs-vsctl on the database, without waiting for a switch."""
        return self.tool("ovs-vsctl", f"--db={self.remote}", "--timeout=10", "--no-wait", *arguments)

    def transact(self, operations: str) -> str:
        """Run a transaction written as JSON."""
        return self.tool("ovsdb-client", "--timeout=10", "transact", str(self.remote), operations)

    def tool(self, *command: str) -> str:
        """Run one of Open vSwitch's tools and return what it prints."""
        done = subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, check=False, timeout=30
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def daemon(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one of Open vSwitch's daemons in the foreground, with its control socket in our directory."""
        control = f"--unixctl={self.directory / program}.ctl"
        command: Sequence[str] = (program, control, "-vconsole:warn", *arguments)
        return spawn(command, self.directory / f"{program}.log", self.environment())

    def environment(self) -> dict[str, str]:
        """Return the environment in which the programs know no directory but ours."""
        directories = ("RUNDIR", "LOGDIR", "DBDIR", "SYSCONFDIR")
        own = {f"{program}_{name}": str(self.directory) for program in ("OVS", "OVN") for name in directories}
        return {**os.environ, **own}

    def _process(self) -> Process:
        assert self._child is not None
        return Process.of(self._child.pid)


class Member(DatabaseServer):
    """A member of a cluster of servers: the first makes it, the others join `first`."""

    def __init__(self, directory: Path, schema: Path, name: str, first: "Member | None" = None) -> None:
        self.address = f"unix:{directory / 'raft'}"
        self._name = name
        self._first = first
        super().__init__(directory, schema)

    def cut_off(self) -> None:
        """Let the member neither hear nor say anything in its cluster from now on."""
        self.tool("ovs-appctl", *self._control, "cluster/failure-test", "stop-raft-rpc")

    def joined(self) -> bool:
        """Whether the member has its cluster's rows."""
        status = self.tool("ovs-appctl", *self._control, "cluster/status", self._name)
        return "Status: cluster member" in status

    @property
    def _control(self) -> tuple[str, ...]:
        return (f"--target={self.directory / 'ovsdb-server'}.ctl",)

    def _create(self, schema: Path) -> None:
        if self._first is None:
            self.tool("ovsdb-tool", "create-cluster", str(self._database), str(schema), self.address)
        else:
            other = (self.address, self._first.address)
            self.tool("ovsdb-tool", "join-cluster", str(self._database), self._name, *other)


class UserSpaceSwitch(DatabaseServer):
    """A whole Open vSwitch with one bridge, in user space: it needs no kernel module.

    Its datapath has one device per network namespace, so a second one of the machine waits for the first.
    """

    def __init__(self, directory: Path, bridge: str) -> None:
        super().__init__(directory, VSWITCH_SCHEMA)
        self.bridge = bridge
        self._switch: subprocess.Popen[bytes] | None = None
        self._had_datapath = False
        self._turn = DATAPATH_LOCK.open("w")

    def start(self) -> None:
        """Start database and switch and wait until the bridge is there."""
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        # The device outlives its switch: one that was there before is left.
        self._had_datapath = DATAPATH.exists()
        super().start()
        self.vsctl("init")
        self.vsctl("add-br", self.bridge, "--", "set", "bridge", self.bridge, "datapath_type=netdev")
        self._switch = self.daemon("ovs-vswitchd", str(self.remote))
        self.tool("ovs-vsctl", f"--db={self.remote}", "--timeout=20", "br-exists", self.bridge)
        until(lambda: self._ofport() > 0, 20, f"the bridge, see {self.directory}")

    def close(self) -> None:
        """End switch and database, and remove the devices, which outlive a switch that is merely ended."""
        if self._switch is not None:
            if self._switch.poll() is None:
                self.tool("ovs-appctl", f"--target={self.directory}/ovs-vswitchd.ctl", "exit", "--cleanup")
            end(self._switch)
        for device in (self.bridge, *([] if self._had_datapath else [DATAPATH.name])):
            if DATAPATH.with_name(device).exists():
                self.tool("ip", "link", "delete", "dev", device)
        super().close()
        self._turn.close()

    def _ofport(self) -> int:
        text = self.vsctl("--if-exists", "get", "interface", self.bridge, "ofport").strip()
        return int(text) if text.isdigit() else 0
