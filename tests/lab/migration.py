"""Live migrations between two libvirtds of the laboratory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.running import RunningGuest
from tests.ports import reserved_port

FLAGS = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_UNSAFE


@contextmanager
def migrating(guest: RunningGuest, target: PrivateHypervisor, bandwidth: int = 0) -> Iterator[list[str]]:
    """Migrate the guest during the block, with so many MiB per second; the list is libvirt's errors."""
    errors: list[str] = []

    def migrate() -> None:
        parameters: dict[str, int | str] = (
            {libvirt.VIR_MIGRATE_PARAM_BANDWIDTH: bandwidth} if bandwidth else {}
        )
        try:
            with reserved_port() as port, guest.domain() as domain:
                parameters[libvirt.VIR_MIGRATE_PARAM_URI] = f"tcp://127.0.0.1:{port}"
                domain.migrateToURI3(target.uri, parameters, FLAGS)
        except libvirt.libvirtError as error:
            errors.append(str(error))

    mover = threading.Thread(target=migrate)
    mover.start()
    try:
        yield errors
    finally:
        mover.join()
