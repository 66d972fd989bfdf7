"""The images of arm64 on another machine, under emulation: what is not the kernel's is as on amd64."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostcollector import __version__
from tests.lab.container import UNPRIVILEGED, Engine
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.metadata import own_tenant
from tests.lab.process import until
from tests.lab.served import Page
from tests.places import REPOSITORY

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(1800)]

EMULATED = REPOSITORY / ".ci/emulated"
HANDLER = Path("/proc/sys/fs/binfmt_misc/hostcollector-arm64")


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a build of both images (5 minutes)."""
    target = tmp_path_factory.mktemp("dist")
    command = ("env", "ARCHITECTURE=arm64", EMULATED, REPOSITORY / ".ci/image", target)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give podman on a machine that runs programs of arm64."""
    with (
        (tmp_path / "emulated.log").open("wb") as log,
        tempfile.TemporaryDirectory(prefix="hostcollector-podman-", dir="/tmp") as directory,
        subprocess.Popen((EMULATED, "cat"), stdin=subprocess.PIPE, stdout=log, stderr=log),
    ):
        until(HANDLER.exists, 120.0, "the emulator")
        podman = Engine(Path(directory))
        yield podman
        podman.run("rmi", "--all", "--force")


def test_it_shows_the_guests_of_a_real_libvirtd(engine: Engine, builds: Path, tmp_path: Path) -> None:
    """The daemon of one architecture reads libvirt, /proc and control groups of another."""
    (archive,) = builds.glob(f"hostcollector-{__version__}-image-arm64.tar")
    image = engine.load(archive)
    assert json.loads(engine.run("image", "inspect", image))[0]["Architecture"] == "arm64"
    with PrivateHypervisor.start() as on:
        on.directory.chmod(0o755)
        for name, tenant in (("image-web", "acme"), ("image-db", "globex")):
            on.boot(Guest.idle(name, metadata=own_tenant(tenant)))
        volumes = [f"{on.runtime}:/run/libvirt:ro", "/sys/fs/cgroup:/sys/fs/cgroup:ro"]
        with engine.serving(image, volumes, tmp_path / "log", "--tmpfs=/var/lib/hostcollector") as served:
            page = served.page_where(_both, "the guests")
    states = map(dict, page.all("libvirt_domain_info_vstate"))
    assert {each["domain"]: each["tenant"] for each in states} == {"image-web": "acme", "image-db": "globex"}
    for name in ("libvirt_domain_vcpu_time_seconds_total", "libvirt_domain_cgroup_cpu_usage_seconds_total"):
        assert len(page.all(name)) == 2


def test_the_gateways_image_starts(engine: Engine, builds: Path) -> None:
    """Its wheels are those of the architecture: every module that a command needs is loaded."""
    (archive,) = builds.glob(f"hostcollector-gateway-{__version__}-image-arm64.tar")
    image = engine.load(archive)
    assert engine.run("run", *UNPRIVILEGED, image, "--version") == f"hostcollector-gateway {__version__}"
    assert "database" in engine.run("run", *UNPRIVILEGED, image, "ledger", "upgrade", "--help")


def _both(page: Page) -> bool:
    return len(page.all("libvirt_domain_info_vstate")) == 2
