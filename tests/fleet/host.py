"""One hypervisor of the fleet: a container with systemd, sshd, libvirtd, and guests in QEMU."""

import shlex
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.fleet import cgroups, network
from tests.fleet.release import Release
from tests.lab.guest import Guest, domain_xml, make_disks
from tests.lab.modular import DAEMONS, modular_daemons
from tests.lab.process import Process, spawn, until

GUESTS = Path("/var/lib/libvirt/images")
NETWORK = "[Match]\nName=host0\n[Network]\nAddress={address}/24\nLinkLocalAddressing=no\n"
# A laboratory's settings: a container has no AppArmor of its own, and may hand on no control groups.
QEMU_CONF = 'security_driver = "none"\ncgroup_controllers = []\n'
# The kernel's controllers may belong to the first version of control groups; inside are those of the second.
CONTAINERS_CONF = "[containers]\npids_limit = 0\n"
PATH_OF_ROOT = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian's, of login(1)."""
SECONDS_TO_BOOT = 120.0
"""It takes two on an idle machine."""
START = 'for file in $GROUPS_FILES; do echo $$ >"$file"; done; exec "$@"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A booted host."""

    name: str
    release: Release
    address: str
    rack: str
    init: Process
    """Its systemd, as this side numbers it."""
    nspawn: subprocess.Popen[bytes]
    """What holds the container."""

    @property
    def root(self) -> Path:
        """Its file system, seen from here."""
        return Path(f"/proc/{self.init.pid}/root")

    def run(self, *command: str, check: bool = True) -> str:
        """Run a program in all of the host's namespaces and return what it prints."""
        enter = ("nsenter", "--all", f"--target={self.init.pid}", "--", *command)
        done = subprocess.run(enter, capture_output=True, text=True, check=False, timeout=60)
        if check and done.returncode:
            raise AssertionError(f"{self.name}: {' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def status(self, command: str) -> tuple[int, str]:
        """Run a line of shell as root's login would, and return its exit status and what it prints."""
        shell = ("env", f"PATH={PATH_OF_ROOT}", "sh", "-c", command)
        enter = ("nsenter", "--all", f"--target={self.init.pid}", "--", *shell)
        done = subprocess.run(enter, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def boot(self, guest: Guest) -> None:
        """Start a guest without a kernel."""
        directory = GUESTS / guest.name
        outside = self.root / directory.relative_to("/")
        outside.mkdir(parents=True)
        make_disks(guest, outside)
        (outside / "domain.xml").write_text(domain_xml(guest, directory, None))
        self.run("virsh", "create", str(directory / "domain.xml"))

    def qemu(self, guest: str) -> str:
        """Return the number that the guest's QEMU has on the host."""
        return (self.root / f"run/libvirt/qemu/{guest}.pid").read_text().strip()

    def running(self) -> bool:
        """Tell whether systemd has started everything and libvirt answers."""
        state = self.run("systemctl", "is-system-running", check=False)
        return state == "running" and "libvirt" in self.run("virsh", "--readonly", "version", check=False)

    def end(self) -> None:
        """Kill the host with everything in it."""
        self.init.send(signal.SIGKILL)
        self.nspawn.wait()

    def complaints(self) -> str:
        """Return what systemd says about its state: what has failed, what is still to start."""
        questions = (("is-system-running",), ("--failed",), ("list-jobs",))
        return "\n".join(self.run("systemctl", *question, check=False) for question in questions)


def start(
    name: str, release: Release, tree: Path, directory: Path, *, number: int, rack: str, public_key: str
) -> Host:
    """Boot a host from the root tree, of which it changes nothing: its own files are in the directory."""
    upper, work, root = (directory / name / part for part in ("upper", "work", "root"))
    for path in (upper, work, root):
        path.mkdir(parents=True)
    layers = f"lowerdir={tree},upperdir={upper},workdir={work}"
    subprocess.run(("mount", "-t", "overlay", "overlay", "-o", layers, root), check=True)
    address = network.address(number)
    _settle(root, name, address, public_key)
    if release.modular:
        _serve_modular(root, release)
    if release.by_image:
        (root / "etc/containers/containers.conf").write_text(CONTAINERS_CONF)
    files = cgroups.make(f"{directory.name}/{name}")
    command = (
        *("systemd-nspawn", "--quiet", "--boot", f"--directory={root}", f"--machine={name}"),
        *("--register=no", "--keep-unit", "--capability=all", "--bind=/dev/net/tun"),
        *(f"--network-bridge={network.BRIDGE}", "--console=pipe", "--resolv-conf=off", "--timezone=off"),
        "--link-journal=no",
        # Podman stacks its layers, which cannot be done on layers.
        *(("--tmpfs=/var/lib/containers:mode=755", "--system-call-filter=@keyring bpf") * release.by_image),
    )
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "GROUPS_FILES": shlex.join(map(str, files)),
        "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    }
    log = directory / f"{name}.log"
    child = spawn(("sh", "-c", START, "sh", *command), log, environment)

    def booted() -> bool:
        assert child.poll() is None, log.read_text()[-2000:]
        return _init_of(child.pid) is not None

    until(booted, SECONDS_TO_BOOT, f"the first process of {name}")
    init = _init_of(child.pid)
    assert init is not None
    host = Host(name=name, release=release, address=address, rack=rack, init=init, nspawn=child)
    try:
        until(host.running, SECONDS_TO_BOOT, f"the start of {name}")
    except TimeoutError as error:
        raise TimeoutError(f"{error}\n{host.complaints()}") from None
    return host


def _init_of(nspawn: int) -> Process | None:
    """Return the container's systemd; None while nspawn still prepares it, in short-lived children."""
    for pid in Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split():
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                return Process.of(int(pid))
    return None


def _serve_modular(root: Path, release: Release) -> None:
    """Put virtqemud and virtproxyd in the place of libvirtd, as a distribution does that has them."""
    subprocess.run(("cp", "-a", f"{modular_daemons(release.codename)}/usr", root), check=True)
    units = root / "etc/systemd/system"
    for name in ("libvirtd.service", *(f"libvirtd{kind}.socket" for kind in ("", "-ro", "-admin"))):
        (units / name).symlink_to("/dev/null")
    wanted = units / "sockets.target.wants"
    wanted.mkdir(exist_ok=True)
    for daemon in DAEMONS:
        for kind in ("", "-ro"):
            (wanted / f"{daemon}{kind}.socket").symlink_to(f"/usr/lib/systemd/system/{daemon}{kind}.socket")


def _settle(root: Path, name: str, address: str, public_key: str) -> None:
    """Give a tree the host's own identity, before its first boot."""
    (root / "etc/hostname").write_text(f"{name}\n")
    # Before 80-container-host0.network, which would ask for an address.
    (root / "etc/systemd/network").mkdir(parents=True, exist_ok=True)
    (root / "etc/systemd/network/10-fleet.network").write_text(NETWORK.format(address=address))
    enabled = root / "etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
    enabled.symlink_to("/usr/lib/systemd/system/systemd-networkd.service")
    (root / "etc/libvirt/qemu.conf").write_text(QEMU_CONF)
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    (root / "root/.ssh/authorized_keys").write_text(public_key)
