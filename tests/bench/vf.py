"""What VFs cost: parsing one long list, and a whole collection of 8 cards with 128 VFs each.

``python -m tests.bench.vf`` prints medians of CPU time. The lists are crafted messages in the kernel's
layout; in the second part they come through a socket pair, half of the VFs belong to guests, and the counters
move from one collection to the next.
"""

import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path

from hostcollector.base.definition import Domain, Nic
from hostcollector.base.model import Guest, Tenant
from hostcollector.base.source import Request
from hostcollector.devices.baselines import Baselines
from hostcollector.protocols.netlink.route_socket import RouteSocket
from hostcollector.protocols.netlink.vf_list import parse
from hostcollector.sources.sriov import Sriov
from tests.fakes.link_kernel import Answer, LinkKernel, Question
from tests.fakes.link_messages import Vf, link_message
from tests.fakes.sysfs import Sysfs

LONG_LIST = 1000
CARDS, VFS = 8, 128
ROUNDS = 21
LIMIT_LIST_MS, LIMIT_COLLECTION_MS = 20, 60


def long_list() -> float:
    """Print and return the milliseconds that parsing one list of 1,000 VFs takes."""
    message = link_message([Vf(number=n, counters=tuple(range(n, n + 8))) for n in range(LONG_LIST)])
    assert len(parse(message).vfs) == LONG_LIST
    costs = []
    for _ in range(ROUNDS):
        gc.collect()
        start = time.thread_time()
        parse(message)
        costs.append((time.thread_time() - start) * 1e3)
    median = statistics.median(costs)
    print(f"one list of {LONG_LIST:,} VFs: {median:.1f} ms (at most {LIMIT_LIST_MS})")
    return median


def address(card: int, vf: int | None = None) -> str:
    """Return the PCI address of a card, or of one of its VFs."""
    return f"0000:{card + 1:02x}:00.0" if vf is None else f"0000:{card + 1:02x}:{vf // 8 + 1:02x}.{vf % 8}"


def host(root: Path) -> None:
    """Build the host's sysfs."""
    sysfs = Sysfs(root)
    for card in range(CARDS):
        sysfs.pf(address(card), netdev=f"enp{card}s0", index=card + 2)
        for vf in range(VFS):
            sysfs.vf(address(card), vf, address(card, vf))


def guests() -> dict[str, Guest]:
    """Return guests that own every second VF."""
    found = {}
    for card in range(CARDS):
        for vf in range(0, VFS, 2):
            uuid = f"5c0c3b1a-7d5e-4f1b-9d3a-{card:06x}{vf:06x}"
            nic = Nic(type="hostdev", mac="52:54:00:00:00:01", pci_address=address(card, vf))
            domain = Domain(uuid=uuid, name=f"instance-{card}-{vf}", id=1, nics=(nic,))
            found[uuid] = Guest(domain=domain, tenant=Tenant(id=f"{card:032x}"))
    return found


def answer(card: int, moved: int) -> Answer:
    """Return what the kernel says of a card after `moved` rounds; made before, so that it costs nothing."""
    vfs = [
        Vf(number=n, vlan=100 + n, counters=tuple(n * 1000 + moved * k for k in range(1, 9)))
        for n in range(VFS)
    ]
    message = bytearray(link_message(vfs, index=card + 2))

    def reply(question: Question) -> bytes:
        message[8:12] = question.sequence.to_bytes(4, sys.byteorder)
        return bytes(message)

    return reply


def collection() -> float:
    """Print and return the milliseconds of CPU that one collection of all cards takes."""
    owners = guests()
    with tempfile.TemporaryDirectory() as directory, LinkKernel({}) as kernel:
        root = Path(directory)
        host(root)
        source = Sriov(root, Baselines(root / "state", root), RouteSocket(kernel.connect))
        costs, samples = [], 0
        for moved in range(ROUNDS):
            kernel.links = {card + 2: answer(card, moved) for card in range(CARDS)}
            request = Request(guests=owners, deadline=time.monotonic() + 60, taken_at=0.0)
            gc.collect()
            start = time.thread_time()
            samples = len(source.read(request).samples)
            costs.append((time.thread_time() - start) * 1e3)
    first, median = costs[0], statistics.median(costs[1:])
    print(
        f"{CARDS} cards of {VFS} VFs, {samples:,} samples: {median:.1f} ms of CPU "
        f"(first time {first:.1f}; at most {LIMIT_COLLECTION_MS})"
    )
    return median


if __name__ == "__main__":
    raise SystemExit(long_list() > LIMIT_LIST_MS or collection() > LIMIT_COLLECTION_MS)
