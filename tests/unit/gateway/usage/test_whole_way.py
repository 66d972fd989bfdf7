"""The whole way: a daemon's books and ledger, its endpoint, the intake, the gateway's ledger, the API."""

import asyncio
import json
from pathlib import Path
from typing import Any

from hostcollector.app.site import RecordsView
from hostcollector.base.lanes import Workers
from hostcollector.catalogue.usage import UsageRecord
from hostcollector.gateway.accounts.accounts import Accounts, Scope
from hostcollector.gateway.api.call import Call
from hostcollector.gateway.api.threads import Threads
from hostcollector.gateway.api.usage import Usage
from hostcollector.gateway.identity.principal import Principal
from hostcollector.gateway.plans import Plan
from hostcollector.gateway.settings import IntakeSettings
from hostcollector.gateway.usage.intake import Intake
from hostcollector.gateway.usage.intake_metrics import IntakeCounters
from hostcollector.gateway.usage.ledger import Ledger
from hostcollector.gateway.usage.reading import LedgerReader
from hostcollector.gateway.usage.service import ServiceReader
from hostcollector.outputs.usage import PATH
from hostcollector.outputs.usage.ledger import Ledger as HostLedger
from hostcollector.outputs.usage.reading import SECOND
from tests.fakes.site import serving
from tests.unit.gateway.accounts import database as accounts_database
from tests.unit.gateway.usage.records import database
from tests.unit.gateway.usage.served_hosts import write_list
from tests.unit.outputs.usage.world import LEDGER, World, total, vm_name

MONTH = "2026-11"


def _lived(directory: Path) -> tuple[World, list[UsageRecord], HostLedger]:
    """Let VMs of two tenants run for some hours, with a crash of the daemon, and write what it wrote."""
    world = World()
    world.start(1)
    world.start(2)
    world.assign(2, "globex")
    for minutes in range(150):
        world.pass_time(60, work=1000 + minutes)
        world.read()
        if minutes == 40:
            world.reboot(1)
        if minutes == 70:
            world.crash(0, saved=False)
    records = world.end()
    ledger = HostLedger(directory)
    ledger.open()
    ledger.name = LEDGER
    ledger.append(world.ledger, world.now.wall / SECOND)
    return world, records, ledger


async def _asked(usage: Usage, tenant: str, now: float, route: str, **parameters: str) -> Any:
    principal = Principal(
        tenant=tenant, subject="test", scopes=frozenset({Scope.USAGE}), plan_name="detailed", plan=Plan()
    )
    call = Call(principal=principal, parameters=[*parameters.items()], path={}, now=now)
    async with getattr(usage, route)(call) as reply:
        return json.loads(reply.body)


async def test_a_tenant_reads_what_its_host_has_counted(tmp_path: Path) -> None:
    """Bytes, seconds and records are the same at both ends, each tenant's its own, and the hours final."""
    world, records, host = await asyncio.to_thread(_lived, tmp_path / "host")
    now = world.now.wall / SECOND
    engine = await asyncio.to_thread(database, tmp_path)
    accounts = await asyncio.to_thread(accounts_database, tmp_path)
    workers, counters = Workers("test", 1), IntakeCounters()
    async with serving(None, records={PATH: RecordsView(host)}) as site:
        target = site.server.urls[0].removeprefix("http://").rstrip("/")
        file = await asyncio.to_thread(write_list, tmp_path / "hosts.json", [target])
        settings = IntakeSettings(hosts_file=str(file))
        intake = Intake(settings, Ledger(engine, lambda: now), counters, lambda: now)
        assert await intake.round()
        assert await intake.round()
        intake.close()
    usage = Usage(LedgerReader(engine), ServiceReader(accounts), Threads(workers), Accounts)
    for tenant, vm in (("acme", vm_name(1)), ("globex", vm_name(2))):
        own = [record for record in records if record.tenant == tenant]
        (row,) = (await _asked(usage, tenant, now, "usage", month=MONTH, by="vm", vm=vm))["rows"]
        assert row["state"] == "final"
        assert row["records"] == len(own)
        for meter in ("disk_written_bytes", "vcpu_used_seconds", "running_seconds"):
            assert row["meters"][meter] == total(own, meter)
        page = await _asked(usage, tenant, now, "records", month=MONTH)
        assert {record["id"] for record in page["records"]} == {
            record.id for record in own if record.vm == vm
        }
    assert total([record for record in records if record.tenant == "globex"], "disk_written_bytes") > 0
    assert sum(record.meters["disk_written_bytes"] for record in records) == sum(
        world.written(vm_name(number)) for number in (1, 2)
    )
    workers.close()
    await asyncio.to_thread(engine.dispose)
    await asyncio.to_thread(accounts.dispose)
