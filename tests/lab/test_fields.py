"""Every statistics field of this machine's libvirt is shown or left out on purpose; none is unknown."""

import pytest

from hostcollector.catalogue.libvirt_fields import field_of, normalised
from tests.lab.connection import connected
from tests.lab.fixtures import Boot
from tests.lab.guest import Disk, Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.process import until
from tests.lab.workload import Workload

pytestmark = pytest.mark.lab

ALL_GROUPS = 0


def test_no_field_of_the_real_libvirt_is_unknown(boot: Boot, hypervisor: PrivateHypervisor) -> None:
    """A guest with every kind of device, asked for all groups, gives no field that the table lacks."""
    elements = "<iothreads>2</iothreads>"
    guest = boot(
        Guest(name="fields", vcpus=2, disks=(Disk(), Disk()), elements=elements, workload=Workload())
    )
    guest.account()
    with connected(hypervisor.uri_readonly, readonly=True) as connection:
        domain = connection.lookupByUUIDString(guest.guest.uuid)
        until(lambda: "available" in domain.memoryStats(), 10.0, "the first balloon statistics")
        ((_, record),) = connection.domainListGetStats([domain], ALL_GROUPS)
    rows = {normalised(key)[0]: field_of(key) for key in record}
    print(f"\n{'field':32} what becomes of it")
    for pattern, field in sorted(rows.items()):
        outcome = (
            "UNKNOWN" if field is None else field.metric.name if field.metric else f"left out: {field.reason}"
        )
        print(f"{pattern:32} {outcome}")
    assert {pattern for pattern, field in rows.items() if field is None} == set()
    assert sum(1 for field in rows.values() if field and field.metric) >= 20
