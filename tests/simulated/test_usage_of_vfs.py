"""From a card's answers to an invoice: what a VM's virtual functions carried is in its usage records."""

from dataclasses import replace
from pathlib import Path

from hostcollector.base.model import Snapshot
from hostcollector.catalogue.usage import Ended, UsageRecord
from hostcollector.gateway.usage.answers import Place, read_answer
from hostcollector.gateway.usage.exports import Entry, page_of_all
from hostcollector.gateway.usage.formats import record_document
from hostcollector.gateway.usage.ledger import Ledger
from hostcollector.gateway.usage.months import By, Span, usage_of
from hostcollector.gateway.usage.reading import LedgerReader
from hostcollector.guests.presence import Presence
from hostcollector.guests.processes import QemuProcess
from hostcollector.outputs.usage.books import Account, Books
from hostcollector.outputs.usage.extraction import round_of
from hostcollector.outputs.usage.reading import SECOND, Moment
from tests.simulated import network_host
from tests.simulated.running import running
from tests.unit.gateway.usage.records import START, clock, content, database, ledger_name
from tests.unit.outputs.usage.world import total

EDGE, ROUTER = network_host.GUESTS
TARGET = "hv1:10177"
WORK = 6_000_000
"""The bytes of one round of the simulated host, of which RDMA is the half and counted by the representor."""


def moment(seconds: int) -> Moment:
    """Return the moment so many seconds after the hour's begin."""
    return Moment((START + seconds) * SECOND, (10**6 + seconds) * SECOND)


def lines_of(snapshots: list[Snapshot]) -> list[UsageRecord]:
    """Return the records of the host's VMs, which end after the last collection."""
    books = Books(Account.opened(ledger_name(1), "boot", moment(0)), moment(0), "boot")
    processes = {
        uuid: QemuProcess(uuid=uuid, pid=number, start_ticks=1)
        for number, uuid in enumerate(network_host.GUESTS, start=1)
    }
    for number, snapshot in enumerate(snapshots):
        at = moment(30 * number)
        taken = running(replace(snapshot, taken_at=at.wall / SECOND), network_host.GUESTS.values())
        books.take(round_of(taken, processes, Presence(), at, listed=True))
    for uuid in processes:
        books.ended(uuid, moment(30 * len(snapshots)), Ended.SHUTDOWN)
    books.take(round_of(replace(snapshots[-1], families=()), {}, Presence(), moment(3700), listed=True))
    return [line for line in books.account.lines if isinstance(line, UsageRecord)]


def test_rdma_is_in_records_ledger_sums_and_exports(tmp_path: Path) -> None:
    """The bytes that the card counts apart, by direction; a VM without such a card has none, not 0."""
    with network_host.network_host(tmp_path / "host") as host:
        host.settle()
        snapshots = [host.snapshot()]
        for _ in range(3):
            host.work()
            snapshots.append(host.snapshot())
    records = lines_of(snapshots)
    own = [record for record in records if record.vm == EDGE]
    for meter in ("rdma_received_bytes", "rdma_transmitted_bytes"):
        assert total(own, meter) == 3 * WORK // 2
        assert all(meter not in record.meters for record in records if record.vm == ROUTER)
    assert total(own, "network_received_bytes") > 0

    engine = database(tmp_path)
    ledger = Ledger(engine, lambda: clock(2))
    ledger.list_hosts([TARGET])
    taken = ledger.take(read_answer(TARGET, Place(ledger=ledger_name(1)), content(records)))
    assert (taken.new, taken.refused) == (len(records), {})
    first = START // 3600
    with LedgerReader(engine).open() as reading:
        sums = usage_of(reading, "acme", Span(first=first, after=first + 1), By.VM)
        (amounts,) = sums.values()
        others = usage_of(reading, "globex", Span(first=first, after=first + 1), By.VM)
        entries = [entry for entry in page_of_all(reading, 0, 100).entries if isinstance(entry, Entry)]
    assert amounts.meters["rdma_transmitted_bytes"] == 3 * WORK // 2
    assert all("rdma_transmitted_bytes" not in one.meters for one in others.values())
    shown = [record_document(entry, lambda *_: "", for_operator=True)["meters"] for entry in entries]
    assert sum(meters.get("rdma_received_bytes", 0) for meters in shown) == 3 * WORK // 2
