"""Hypervisors with the tenant page on: collectors, a guest's tenant, and what the kernel counts of it."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import libvirt
import yaml

from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.running import RunningGuest
from tests.lab.served import Served, serving

OWN = "urn:hostcollector:domain:1"


@contextmanager
def collecting(
    uri: str,
    directory: Path,
    within: tuple[str, ...] = (),
    *,
    maximum_age: float = 1,
    **settings: object,
) -> Iterator[Served]:
    """Run a collector with the tenant page on; its collections are never older than `maximum_age` seconds."""
    directory.mkdir(exist_ok=True)
    file = directory / "hostcollector.yml"
    paths = {"state_directory": str(directory / "state"), "runtime_directory": ""}
    page = {"page": True, "maximum_age_seconds": maximum_age}
    file.write_text(yaml.safe_dump({"tenants": page, "paths": paths, **settings}))
    with serving(uri, directory, f"--config.file={file}", within=within) as served:
        yield served


def side(
    hypervisor: PrivateHypervisor, directory: Path, maximum_age: float = 1
) -> AbstractContextManager[Served]:
    """Run a collector that sees the hypervisor's own /run."""
    inside = ("nsenter", f"--mount=/proc/{hypervisor.pid}/ns/mnt")
    return collecting(hypervisor.uri_readonly, directory, inside, maximum_age=maximum_age)


def assign(guest: RunningGuest, tenant: str | None) -> None:
    """Write a tenant into the metadata of a running guest, or take it out."""
    element = f'<tenant id="{tenant}"/>' if tenant is not None else None
    with guest.domain() as domain:
        domain.setMetadata(
            libvirt.VIR_DOMAIN_METADATA_ELEMENT, element, "hc", OWN, libvirt.VIR_DOMAIN_AFFECT_LIVE
        )


def vcpu_seconds(uuid: str) -> Mapping[str, float]:
    """Return the CPU time of the vCPU threads of each QEMU with the guest, by process, in seconds."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"uuid\0{uuid}".encode() in (process / "cmdline").read_bytes():
                tasks = [task for task in (process / "task").iterdir() if _is_vcpu(task)]
                found[process.name] = (
                    sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
                )
    return found


def _is_vcpu(task: Path) -> bool:
    return (task / "comm").read_text().startswith("CPU ")
