"""What a tenant used of the metrics product itself: monitored VM-seconds, requests and bytes, by plan."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from hostcollector.catalogue.usage import SECONDS_PER_HOUR
from hostcollector.gateway.accounts import schema
from hostcollector.gateway.errors import LedgerUnavailableError
from hostcollector.gateway.isolation import Isolation
from hostcollector.gateway.usage.months import Span
from hostcollector.gateway.usage.reading import rows_of_tenant


@dataclass(slots=True)
class Service:
    """What was used under one plan."""

    monitored_vm_seconds: int = 0
    requests: int = 0
    bytes: int = 0


class ServiceReader:
    """Reads the accounts database. Calls block."""

    def __init__(self, engine: Engine, isolation: Isolation | None = None) -> None:
        self._engine = engine
        self._isolation = isolation or Isolation()

    def service_of(
        self, tenant: str, span: Span, observed: Iterable[tuple[int, int]]
    ) -> Mapping[str, Service]:
        """Return what a tenant used by plan. `observed` are VM-seconds by hour, under the plan at its begin.

        Raises `RequestRefusedError`.
        """
        found: defaultdict[str, Service] = defaultdict(Service)
        with self._reading() as connection:
            for plan, requests, size in self._metered(connection, tenant, span):
                found[plan].requests, found[plan].bytes = requests, size
            periods = self._periods(connection, tenant)
        for hour, seconds in observed:
            plan = _plan_at(periods, hour * SECONDS_PER_HOUR)
            found[plan].monitored_vm_seconds += seconds
        return dict(sorted(found.items()))

    def _metered(self, connection: Connection, tenant: str, span: Span) -> Iterator[tuple[str, int, int]]:
        table = schema.metered
        sums = [func.sum(table.c[name]).label(f"{name}_sum") for name in ("requests", "bytes")]
        statement = select(table.c.tenant, table.c.plan, *sums).group_by(table.c.tenant, table.c.plan)
        within = statement.where(table.c.hour >= span.first, table.c.hour < span.after)
        for row in rows_of_tenant(connection, self._isolation, tenant, within, table.c.tenant):
            yield row.plan, int(row.requests_sum), int(row.bytes_sum)

    def _periods(self, connection: Connection, tenant: str) -> Sequence[tuple[int, str]]:
        table = schema.plan_periods
        rows = rows_of_tenant(connection, self._isolation, tenant, select(table), table.c.tenant)
        return sorted((row.since, row.plan) for row in rows)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise LedgerUnavailableError("usage cannot be read at present: try again later") from error


def _plan_at(periods: Sequence[tuple[int, str]], moment: int) -> str:
    """Return the plan at a moment; the first one for what was before."""
    if not periods:
        return ""
    number = bisect_right(periods, moment, key=lambda period: period[0])
    return periods[max(0, number - 1)][1]
