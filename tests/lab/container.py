"""The project's images under podman and Docker, in a storage of their own that ends with the test."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.connection import connected
from tests.lab.hypervisor import LIBVIRTD_CONF, QEMU_CONF, Hypervisor
from tests.lab.process import end, spawn, until
from tests.lab.root_tree import root_tree
from tests.lab.served import Served
from tests.places import REPOSITORY
from tests.ports import reserved_port

RELEASE = "trixie"
"""The release of Debian that the images consist of."""
TOOLS = ("gcc", "libc6-dev", "libvirt-dev", "pkg-config", "python3-dev", "python3-venv")
USER = 65534
"""A user with a name in every root tree of Debian: libvirtd refuses a client whose user has none there."""

LIMITS = ("--ulimit=nofile=16384:16384", "--ulimit=nproc=1024:1024")
# What the role's script `run-image` gives the container, but for the directories.
UNPRIVILEGED = (
    *("--rm", "--pull=never", "--pid=host", "--network=host", "--cgroupns=host"),
    *("--cap-drop=all", "--security-opt=no-new-privileges", "--security-opt=label=disable", "--read-only"),
    *LIMITS,
)
# As Kolla runs libvirt: with the host's processes, network, control groups and devices, and files of its own.
AS_A_HOST = ("--rm", "--privileged", "--pid=host", "--network=host", "--cgroupns=host", *LIMITS)


def build(target: Path, **environment: str) -> None:
    """Build both images of the present source into a directory (3 minutes)."""
    tree = root_tree("image-build", RELEASE, TOOLS)
    done = subprocess.run(
        (REPOSITORY / ".ci/image", target),
        env={**os.environ, "BUILD_TREE": str(tree), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True, slots=True)
class Engine:
    """Podman with its images and containers below one directory."""

    directory: Path

    def run(self, *arguments: str) -> str:
        """Run one of its commands and return what it prints."""
        command = (*self.command, *arguments)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    @property
    def command(self) -> tuple[str, ...]:
        """The program with the options that come before a command.

        runc, because crun refuses a machine with both versions of control groups.
        """
        places = (f"--root={self.directory}/root", f"--runroot={self.directory}/run")
        return ("podman", *places, "--cgroup-manager=cgroupfs", "--runtime=runc")

    def load(self, archive: Path) -> str:
        """Load an image from an archive and return its name."""
        return self.run("load", "--quiet", f"--input={archive}").rpartition("Loaded image: ")[2]

    @contextmanager
    def serving(self, image: str, volumes: Sequence[str], log: Path, *options: str) -> Iterator[Served]:
        """Run `serve` in a container for the block, and wait until it is ready to be scraped."""
        name = f"hostcollector-{self.directory.name}"
        mounts = [f"--volume={volume}" for volume in volumes]
        with reserved_port() as port:
            given = (*UNPRIVILEGED, f"--user={USER}:{USER}", *mounts, *options)
            command = (*self.command, "run", f"--name={name}", *given, image)
            child = spawn([*command, "serve", f"--web.listen-address=127.0.0.1:{port}"], log)
            try:
                served = Served(child, f"http://127.0.0.1:{port}", log)
                until(served.ready, 60.0, f"the collector in a container, see {log}")
                yield served
            finally:
                self.run("rm", "--force", "--ignore", "--time=5", name)
                end(child)

    @contextmanager
    def libvirtd(self, tree: Path) -> Iterator[Hypervisor]:
        """Run the libvirtd of a root tree in a container for the block; this side sees its /run/libvirt."""
        directory = self.directory / "libvirtd"
        runtime, configuration, log = directory / "run", directory / "etc", directory / "log"
        for path in (runtime, configuration):
            path.mkdir(parents=True)
        (configuration / "libvirtd.conf").write_text(LIBVIRTD_CONF)
        (configuration / "qemu.conf").write_text(QEMU_CONF)
        uri = f"qemu+unix:///system?socket={runtime}/libvirt-sock"
        hypervisor = Hypervisor(directory, uri, f"{uri}-ro", runtime)
        name = f"libvirtd-{self.directory.name}"
        places = {runtime: "/run/libvirt", configuration: "/etc/libvirt", directory: directory}
        mounts = [f"--volume={here}:{there}" for here, there in places.items()]
        child = spawn(
            [
                *self.command,
                "run",
                f"--name={name}",
                *AS_A_HOST,
                *mounts,
                "--rootfs",
                f"{tree}:O",
                "libvirtd",
            ],
            log,
        )

        def listens() -> bool:
            assert child.poll() is None, log.read_text()
            return (runtime / "libvirt-sock-ro").exists()

        try:
            until(listens, 60.0, f"libvirtd in a container, see {log}")
            try:
                yield hypervisor
            finally:
                _end_guests(hypervisor)
        finally:
            self.run("rm", "--force", "--ignore", "--time=5", name)
            end(child)


def _end_guests(hypervisor: Hypervisor) -> None:
    with connected(hypervisor.uri) as connection:
        for domain in connection.listAllDomains():
            domain.destroy()


@contextmanager
def docker(directory: Path) -> Iterator[tuple[str, ...]]:
    """Run a Docker daemon of its own for the block, without networks; give its client's command."""
    socket = f"unix://{directory}/sock"
    places = (f"--data-root={directory}/root", f"--exec-root={directory}/exec", f"--pidfile={directory}/pid")
    no_network = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-masq=false")
    # What it mounts ends with its mount namespace.
    enter = ("unshare", "--mount", "--propagation", "private")
    child = spawn([*enter, "dockerd", f"--host={socket}", *places, *no_network], directory / "log")
    command = ("docker", f"--host={socket}")
    try:
        until(
            lambda: subprocess.run((*command, "version"), capture_output=True, check=False).returncode == 0,
            60.0,
            f"an answer of dockerd, see {directory}/log",
        )
        yield command
    finally:
        end(child)
