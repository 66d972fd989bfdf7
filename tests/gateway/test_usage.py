"""Usage over HTTP: the plan decides, a tenant gets its own, and the metrics product is metered too."""

import csv
import io
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from hostcollector.catalogue.usage import SECONDS_PER_HOUR
from hostcollector.gateway.accounts import schema
from hostcollector.gateway.accounts.accounts import Scope
from hostcollector.gateway.api.routes import prometheus_routes, typed_routes, usage_routes
from hostcollector.gateway.api.typed import Typed
from hostcollector.gateway.api.usage import Usage
from hostcollector.gateway.database import connect
from hostcollector.gateway.queries import Queries
from hostcollector.gateway.settings import AccountSettings, LedgerSettings
from hostcollector.gateway.usage.ledger import Ledger
from tests.gateway.served import DAY, PROMETHEUS, Gateway, served
from tests.gateway.stores import victoria_metrics
from tests.gateway.world import VMS, World
from tests.unit.gateway.usage.records import START, answer, clock, closed, usage, vm_uuid

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

MONTH = datetime.fromtimestamp(START, UTC).strftime("%Y-%m")
PLANS = """\
plans:
  detailed: {requests_per_minute: 100000}
  basic:
    families: [vm_state, vm_cpu_*]
    history_days: 15
    step_seconds: 300
    promql: false
    scrape: false
    requests_per_minute: 100000
  metrics_only: {usage: false, requests_per_minute: 100000}
"""
PLAN_NAMES = ("detailed", "basic", "metrics_only")
OK, REFUSED = 200, 403
TABLE: Mapping[str, tuple[int, int, int]] = {
    "/api/v1/vms": (OK, OK, OK),
    f"/api/v1/vms/{VMS[0]}": (OK, OK, OK),
    f"/api/v1/vms/{VMS[0]}/series?metric=vm_cpu_seconds_total&step=300": (OK, OK, OK),
    f"/api/v1/vms/{VMS[0]}/series?metric=vm_cpu_seconds_total&step=60": (OK, REFUSED, OK),
    f"/api/v1/vms/{VMS[0]}/series?metric=vm_gpu_power_watts&step=300": (OK, REFUSED, OK),
    "/api/v1/metrics": (OK, OK, OK),
    "/api/v1/openapi.json": (OK, OK, OK),
    "/api/v1/scrape": (OK, REFUSED, OK),
    "/api/v1/usage": (OK, OK, REFUSED),
    "/api/v1/usage/records": (OK, OK, REFUSED),
    f"{PROMETHEUS}query?query=vm_state": (OK, REFUSED, OK),
    f"{PROMETHEUS}query_range?query=vm_state&start=%s&end=%s&step=60": (OK, REFUSED, OK),
    f"{PROMETHEUS}series?match[]=vm_state": (OK, REFUSED, OK),
    f"{PROMETHEUS}labels": (OK, REFUSED, OK),
    f"{PROMETHEUS}label/vm/values": (OK, REFUSED, OK),
    f"{PROMETHEUS}status/buildinfo": (OK, REFUSED, OK),
    f"{PROMETHEUS}metadata": (OK, REFUSED, OK),
    f"{PROMETHEUS}rules": (OK, REFUSED, OK),
    f"{PROMETHEUS}alerts": (OK, REFUSED, OK),
    f"{PROMETHEUS}query_exemplars": (OK, REFUSED, OK),
}
"""Every route with what the plans detailed, basic and metrics_only give."""


@pytest.fixture(scope="module")
def gateway(the_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Give a gateway with three plans on a store with everything, and a ledger with usage of a and b."""
    directory = tmp_path_factory.mktemp("usage")
    (directory / "plans.yml").write_text(PLANS)
    with (
        victoria_metrics(the_world.all) as store,
        served(store, directory / "gateway", plans=str(directory / "plans.yml")) as running,
    ):
        engine = connect(LedgerSettings(database=f"sqlite:///{running.directory}/ledger.db"))
        ledger = Ledger(engine, lambda: clock(30))
        ledger.list_hosts(["hv1:10177", "hv2:10177"])
        ledger.take(answer([usage(1), usage(2, vm=2), closed(3), usage(4, hour=1)]))
        ledger.take(answer([usage(1, ledger=2, tenant="b", vm=3)], target="hv2:10177", ledger=2))
        ledger.finish_hours(6)
        later = usage(2, ledger=2, tenant="b", vm=4, hour=26)
        ledger.take(answer([later], target="hv2:10177", ledger=2, after=1))
        engine.dispose()
        running.changes.name_vm("a", vm_uuid(1), "=cmd|' /C calc'!A0")
        yield running


def _put_on(gateway: Gateway, plan: str) -> None:
    """Give tenant a a plan, and return when every worker has it."""
    gateway.changes.set_plan("a", plan)
    gateway.wait_for_workers()


@pytest.mark.parametrize(("number", "plan"), list(enumerate(PLAN_NAMES)))
def test_a_plan_decides_on_each_route(gateway: Gateway, number: int, plan: str) -> None:
    """What a plan leaves out is 403, with the plan that has it; usage is among the routes."""
    _put_on(gateway, plan)
    now = int(time.time())
    for path, statuses in TABLE.items():
        found = gateway.ask(path % (now - 600, now) if "%s" in path else path)
        assert found.status == statuses[number], (path, found.body)
        if found.status == REFUSED and "series" not in path:
            assert "the plan " in found.body.decode()
    _put_on(gateway, "detailed")


def test_every_route_is_in_the_table(gateway: Gateway) -> None:
    """A new route needs a row."""
    queries = cast(Queries, None)
    routes = [
        *prometheus_routes(queries),
        *typed_routes(cast(Typed, Mock()), Mock()),
        *usage_routes(cast(Usage, Mock())),
    ]
    paths = [path.partition("?")[0] for path in TABLE]
    assert [route.name for route in routes if not any(route.pattern.fullmatch(path) for path in paths)] == []


def test_a_tenant_gets_its_own_usage(gateway: Gateway) -> None:
    """Sums, VMs and records of a have nothing of b; each has its state."""
    month = gateway.ask("/api/v1/usage", month=MONTH).document
    assert {row["state"]: row["meters"]["running_seconds"] for row in month["rows"]} == {"final": 10800}
    by_vm = gateway.ask("/api/v1/usage", month=MONTH, by="vm").document["rows"]
    assert {row["vm"] for row in by_vm} == {vm_uuid(1), vm_uuid(2)}
    records = gateway.ask("/api/v1/usage/records", month=MONTH, limit="2").document
    assert (len(records["records"]), records["more"]) == (2, True)
    rest = gateway.ask("/api/v1/usage/records", month=MONTH, cursor=records["cursor"]).document
    assert len(rest["records"]) == 1
    assert not rest["more"]
    other = gateway.ask("/api/v1/usage", gateway.other, month=MONTH, by="vm").document["rows"]
    assert [row["vm"] for row in other] == [vm_uuid(3), vm_uuid(4)]


def test_another_tenants_vm_and_none_give_the_same(gateway: Gateway) -> None:
    """404 with the same words, also where a first page has final hours alone; cursors are a tenant's own."""
    answers = [
        gateway.ask(path, month=MONTH, vm=vm).body
        for path in ("/api/v1/usage", "/api/v1/usage/records")
        for vm in (vm_uuid(3), vm_uuid(77))
    ]
    assert len(set(answers)) == 1
    assert b"404" in answers[0]
    cursor = gateway.ask("/api/v1/usage/records", gateway.other, month=MONTH).document["cursor"]
    assert gateway.ask("/api/v1/usage/records", month=MONTH, cursor=cursor).status == 404
    asked: dict[str, Any] = {"month": MONTH, "limit": "1"}
    for vm, status in ((vm_uuid(4), 200), (vm_uuid(1), 404), (vm_uuid(77), 404)):
        assert gateway.ask("/api/v1/usage/records", gateway.other, vm=vm, **asked).status == status


def test_files_have_the_cursor_in_a_header(gateway: Gateway) -> None:
    """CSV without formulas, and CloudEvents."""
    found = gateway.ask("/api/v1/usage/records", month=MONTH, format="csv", limit="2")
    assert found.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(found.body.decode())))
    assert {row["name"] for row in rows} == {"'=cmd|' /C calc'!A0", ""}
    cursor = found.headers["Hostcollector-Cursor"]
    rest = gateway.ask("/api/v1/usage/records", month=MONTH, format="cloudevents", cursor=cursor)
    assert rest.headers["Content-Type"] == "application/x-ndjson"
    assert b"hostcollector.usage.record.v1" in rest.body
    assert b"hostcollector.usage.hour_final.v1" in rest.body


@pytest.mark.parametrize(
    "parameters",
    [
        {"month": "2026-13"},
        {"month": "2026-1"},
        {"by": "week"},
        {"vm": "'; DROP TABLE usage_records"},
        {"month": "0000-01"},
    ],
)
def test_a_wrong_parameter_is_400(gateway: Gateway, parameters: dict[str, str]) -> None:
    """With a sentence that says what is taken."""
    assert gateway.ask(f"/api/v1/usage?{urlencode(parameters)}").status == 400


@pytest.mark.parametrize("cursor", ["p0", "p-1", "1", "0" * 31, "A" * 32, "' OR 1", "\u0661" * 32])
def test_what_is_no_cursor_is_400(gateway: Gateway, cursor: str) -> None:
    """A position has one form."""
    assert gateway.ask("/api/v1/usage/records", cursor=cursor).status == 400


def test_a_cursor_that_was_made_up_is_404(gateway: Gateway) -> None:
    """Of the right form, and none that the tenant was given."""
    cursor = gateway.ask("/api/v1/usage/records", month=MONTH, limit="1").document["cursor"]
    for made_up in ("0" * 32, cursor[:-1] + ("1" if cursor[-1] == "0" else "0")):
        assert gateway.ask("/api/v1/usage/records", cursor=made_up).status == 404


def test_a_token_without_the_scope_is_refused(gateway: Gateway) -> None:
    """Metrics and bills are two things; a token for some VMs has neither."""
    for scopes in ([Scope.METRICS], [Scope.PROMQL, Scope.SCRAPE]):
        token = gateway.changes.issue_token("a", scopes, DAY)
        gateway.wait_for_workers()
        assert gateway.ask("/api/v1/usage", token).status == REFUSED


def test_monitored_seconds_are_metered_by_plan(gateway: Gateway) -> None:
    """The plan that a tenant had at the beginning of an hour has its seconds."""
    service = gateway.ask("/api/v1/usage", month=MONTH).document["service"]
    observed = {each["plan"]: each["monitored_vm_seconds"] for each in service}
    assert observed["detailed"] == 3 * SECONDS_PER_HOUR


def test_a_gateway_without_a_ledger_answers_the_rest(the_world: World, tmp_path: Path) -> None:
    """A ledger that is missing is 503 on its routes; what was read is metered when the workers end."""
    with victoria_metrics(the_world.own) as store, served(store, tmp_path / "gateway") as running:
        (running.directory / "ledger.db").unlink()
        assert running.ask("/api/v1/usage").status == 503
        sizes = [len(running.ask("/api/v1/metrics").body) for _ in range(4)]
        assert not (running.directory / "ledger.db").exists()
    engine = connect(AccountSettings(database=f"sqlite:///{running.directory}/accounts.db"))
    with engine.connect() as connection:
        rows = connection.execute(select(schema.metered).where(schema.metered.c.tenant == "a")).all()
    engine.dispose()
    assert {row.plan for row in rows} == {"detailed"}
    assert sum(row.requests for row in rows) >= len(sizes)
    assert sum(row.bytes for row in rows) >= sum(sizes)
