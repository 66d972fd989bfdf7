"""The laboratory as fixtures, for every test that is marked `lab`."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.image import GuestImage
from tests.lab.running import RunningGuest

Boot = Callable[[Guest], RunningGuest]
BootAll = Callable[[Iterable[Guest]], list[RunningGuest]]


@pytest.fixture(scope="session")
def guest_image() -> GuestImage:
    """Give the kernel and initramfs that guests with a workload boot."""
    return GuestImage.build()


@pytest.fixture(scope="session")
def hypervisor() -> Iterator[PrivateHypervisor]:
    """Give the libvirtd that tests share; one that stops or kills libvirtd takes `own_hypervisor`."""
    with PrivateHypervisor.start() as shared:
        yield shared


@pytest.fixture
def own_hypervisor() -> Iterator[PrivateHypervisor]:
    """Give a libvirtd for this test alone, which ends with all its guests."""
    with PrivateHypervisor.start() as own:
        yield own


@pytest.fixture
def boot_all(hypervisor: PrivateHypervisor, guest_image: GuestImage) -> Iterator[BootAll]:
    """Give a function that boots guests on the shared libvirtd; they end with the test."""
    booted: list[RunningGuest] = []

    def boot_all(guests: Iterable[Guest]) -> list[RunningGuest]:
        running = hypervisor.boot_all(guests, guest_image)
        booted.extend(running)
        return running

    yield boot_all
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(RunningGuest.destroy, booted))


@pytest.fixture
def boot(boot_all: BootAll) -> Boot:
    """Give a function that boots one guest on the shared libvirtd; it ends with the test."""
    return lambda guest: boot_all([guest])[0]
