"""The images: equal in two builds; the daemon shows under podman what it shows outside of a container."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hostcollector import __version__
from tests.lab.container import RELEASE, UNPRIVILEGED, USER, Engine, build, docker
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor, PrivateHypervisor
from tests.lab.metadata import own_tenant
from tests.lab.root_tree import LIBVIRT, root_tree
from tests.lab.served import Page, serving

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(1200)]

MACHINE, CONTAINER = "this machine's", "in another container"
CONTROL_GROUPS = "/sys/fs/cgroup:/sys/fs/cgroup:ro"
OF_ITS_OWN = {"hostcollector_build_info", "hostcollector_config_info", "libvirt_versions_info"}
"""In the image Python and libvirt's library are Debian 13's, and there are no settings."""


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the directories of two builds of the same source, each with its own temporary files."""
    directories = []
    for number in ("first", "second"):
        target, temporary = (tmp_path_factory.mktemp(f"{number}-{use}") for use in ("dist", "tmp"))
        build(target, TMPDIR=str(temporary), SOURCE_DATE_EPOCH="1700000000")
        assert list(temporary.iterdir()) == []
        directories.append(target)
    return directories


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Give podman with an empty storage, in a directory of its own, because layers are mounted there."""
    directory = Path(tempfile.mkdtemp(prefix="hostcollector-podman-", dir="/tmp"))
    podman = Engine(directory)
    yield podman
    podman.run("rmi", "--all", "--force")
    subprocess.run(("rm", "-rf", "--one-file-system", directory), check=True)


@pytest.fixture(scope="module")
def image(builds: list[Path], engine: Engine) -> str:
    """Give the name of the daemon's image, loaded."""
    (archive,) = builds[0].glob(f"hostcollector-{__version__}-image-*.tar")
    return engine.load(archive)


@pytest.fixture(scope="module", params=[MACHINE, CONTAINER])
def hypervisor(request: pytest.FixtureRequest, engine: Engine) -> Iterator[Hypervisor]:
    """Give a libvirtd, the machine's own or one in a container, with two guests of two tenants."""
    in_it = request.param == CONTAINER
    with engine.libvirtd(root_tree("matrix", RELEASE, LIBVIRT)) if in_it else PrivateHypervisor.start() as on:
        on.directory.chmod(0o755)
        for name, tenant in (("image-web", "acme"), ("image-db", "globex")):
            on.boot(Guest.idle(name, metadata=own_tenant(tenant)))
        yield on


def test_two_builds_give_the_same_digest(builds: list[Path]) -> None:
    """What is shipped can be compared with a build of the same commit."""
    first, second = ({file.name: file.read_bytes() for file in folder.iterdir()} for folder in builds)
    assert len(first) == 6
    assert [name for name in first if first[name] != second.get(name)] == []


def test_the_bill_of_materials_names_packages_and_wheels(builds: list[Path]) -> None:
    """Debian's packages and the wheels are there with version and checksum; the gateway has no libvirt."""
    for name, in_it, not_in_it in (
        (
            "hostcollector",
            {"libvirt0", "libvirt-python", "python3.13-minimal"},
            {"sqlalchemy", "libvirt-daemon"},
        ),
        ("hostcollector-gateway", {"sqlalchemy", "python3.13-minimal"}, {"libvirt0", "libvirt-python"}),
    ):
        (bill,) = builds[0].glob(f"{name}-{__version__}-*.cdx.json")
        parts = json.loads(bill.read_text())["components"]
        names = {part["name"] for part in parts}
        assert in_it <= names
        assert not not_in_it & names
        assert all(part["version"] and len(part["hashes"][0]["content"]) == 64 for part in parts)


def test_there_is_no_shell_and_no_account_but_its_own(engine: Engine, image: str) -> None:
    """Who breaks into the program finds no tools, and a user that owns nothing but the state."""
    config = json.loads(engine.run("image", "inspect", image))[0]["Config"]
    assert config["User"] == "10177:10177"
    assert __version__ in engine.run("run", *UNPRIVILEGED, image, "--version")
    for program in ("/bin/sh", "/usr/bin/bash", "/usr/bin/apt-get", "/usr/bin/pip"):
        with pytest.raises(AssertionError, match=r"no such file|not found"):
            engine.run("run", *UNPRIVILEGED, f"--entrypoint={program}", image)


def test_it_shows_under_podman_what_it_shows_outside(
    engine: Engine, image: str, hypervisor: Hypervisor, tmp_path: Path
) -> None:
    """The same series, with libvirt on the machine or in another container, read as an unprivileged user."""
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, USER, USER)
    volumes = [f"{hypervisor.runtime}:/run/libvirt:ro", CONTROL_GROUPS, f"{state}:/var/lib/hostcollector"]
    with engine.serving(image, volumes, tmp_path / "inside.log") as served:
        inside = served.page_where(_whole, "the guests in the container")
        status = Path(f"/proc/{_collector()}/status").read_text()
    configuration = tmp_path / "outside.yml"
    configuration.write_text(f"paths: {{state_directory: {tmp_path}/outside, runtime_directory: ''}}\n")
    with serving(hypervisor.uri_readonly, tmp_path, f"--config.file={configuration}") as served:
        outside = served.page_where(_whole, "the guests outside")
    assert f"Uid:\t{USER}\t{USER}" in status
    assert "CapEff:\t0000000000000000" in status
    states = map(dict, inside.all("libvirt_domain_info_vstate"))
    assert {each["domain"]: each["tenant"] for each in states} == {"image-web": "acme", "image-db": "globex"}
    assert _compared(inside) == _compared(outside)
    assert len(inside.all("libvirt_domain_cgroup_cpu_usage_seconds_total")) == 2


@pytest.mark.parametrize("hypervisor", [MACHINE], indirect=True)
def test_a_namespace_of_control_groups_hides_no_guest(
    engine: Engine, image: str, hypervisor: Hypervisor, tmp_path: Path
) -> None:
    """As in Kubernetes, which has no option against it: the host's control groups are mounted.

    Guests whose groups are in that of a container beside the collector's are not found.
    """
    volumes = [f"{hypervisor.runtime}:/run/libvirt:ro", CONTROL_GROUPS]
    log = tmp_path / "inside.log"
    with engine.serving(
        image, volumes, log, "--cgroupns=private", "--tmpfs=/var/lib/hostcollector"
    ) as served:
        page = served.page_where(_whole, "the guests")
    assert len(page.all("libvirt_domain_cgroup_cpu_usage_seconds_total")) == 2


def test_a_user_without_a_name_where_libvirt_runs_is_refused(
    engine: Engine, image: str, hypervisor: Hypervisor
) -> None:
    """The image's own user has none there, and the collector names the cause and the fix."""
    volume = f"--volume={hypervisor.runtime}:/run/libvirt:ro"
    with pytest.raises(
        AssertionError, match=r"user record for uid '10177'; .* needs a name in the /etc/passwd"
    ):
        engine.run("run", *UNPRIVILEGED, volume, image, "diagnose", "--own")


def test_docker_before_25_loads_and_runs_it(builds: list[Path]) -> None:
    """It does not read OCI archives, but the list beside; the options are the same."""
    (archive,) = builds[0].glob(f"hostcollector-{__version__}-image-*.tar")
    with (
        tempfile.TemporaryDirectory(prefix="hostcollector-docker-", dir="/tmp") as directory,
        docker(Path(directory)) as client,
    ):
        loaded = subprocess.check_output((*client, "load", f"--input={archive}"), text=True)
        run = (*client, "run", *UNPRIVILEGED, f"localhost/hostcollector:{__version__}", "--version")
        assert subprocess.check_output(run, text=True) == f"hostcollector {__version__}\n"
    assert f"localhost/hostcollector:{__version__}" in loaded


def _whole(page: Page) -> bool:
    """Tell whether both guests are there, and what libvirt was asked in the background."""
    return len(page.guests() - {""}) == 2 and len(page.all("libvirt_versions_info")) == 1


def _compared(page: Page) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """Return the series whose labels are to be the same."""
    return {(name, labels) for name, labels in page.series if name not in OF_ITS_OWN}


def _collector() -> str:
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"/usr/bin/hostcollector\0serve" in (entry / "cmdline").read_bytes():
                return entry.name
    raise AssertionError("no collector runs in a container")
