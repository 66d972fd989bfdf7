"""The five guests of the demo, each with a light workload that never ends."""

from tests.lab.guest import MIB, Disk, Guest
from tests.lab.metadata import nova, own_tenant
from tests.lab.workload import Workload

GLOBEX = "6f1c2f0e4b7a4f0e9d3b5a1c8e2d7f90"
"""An OpenStack project id."""
TENANTS = {"acme", GLOBEX, ""}


def five_guests() -> list[Guest]:
    """Return two guests of each tenant, one tenant tagged in either way, and one guest without a tenant."""
    acme = own_tenant("acme", "Acme Corp")
    metadata = [
        ("acme-1", acme),
        ("acme-2", acme),
        ("globex-1", nova(project_id=GLOBEX, project_name="globex", instance_name="web", flavor="m1.small")),
        ("globex-2", nova(project_id=GLOBEX, project_name="globex", instance_name="db", flavor="m1.large")),
        ("unowned", ""),
    ]
    return [
        Guest(
            name=f"demo-{name}",
            metadata=element,
            vcpus=1 + number % 2,
            disks=(Disk(size=32 * MIB),),
            workload=Workload(
                read_bytes=number * MIB,
                write_bytes=number * MIB // 2,
                flushes=2,
                cpu_seconds=0.04 * number,
                memory_bytes=8 * number * MIB,
                packets=20 * number,
                packet_bytes=400,
                period_seconds=2,
            ),
        )
        for number, (name, element) in enumerate(metadata, start=1)
    ]


def owner(guest: Guest) -> str:
    """Return the tenant of one of the guests; empty for none."""
    return {"acme": "acme", "globex": GLOBEX}.get(guest.name.split("-")[1], "")
