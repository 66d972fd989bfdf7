"""The typed API's usage: what a tenant used in a month, and the records that it is made of."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import TypeVar

from hostcollector.catalogue.usage import SECONDS_PER_HOUR, hour_text
from hostcollector.gateway.accounts.accounts import Accounts
from hostcollector.gateway.api.call import Call, limit_of
from hostcollector.gateway.api.replies import document
from hostcollector.gateway.api.threads import Threads
from hostcollector.gateway.api.types import GpuUsage, ServiceUsage, UsageAnswer, UsageRow
from hostcollector.gateway.errors import NotFoundError, QueryRefusedError
from hostcollector.gateway.reply import Reply
from hostcollector.gateway.tenant import is_vm
from hostcollector.gateway.usage.cursors import cursors_of
from hostcollector.gateway.usage.database import hours_of_month
from hostcollector.gateway.usage.exports import HourFinal, Page, has_records, page_of_tenant
from hostcollector.gateway.usage.formats import Names, events, record_document, table
from hostcollector.gateway.usage.months import Amounts, By, Key, Span, observed_by_hour, usage_of
from hostcollector.gateway.usage.reading import LedgerReader
from hostcollector.gateway.usage.service import ServiceReader

USUAL_RECORDS = 1000
MOST_RECORDS = 5000
CURSOR = "Hostcollector-Cursor"
"""The header with the cursor of the next page, where the body has no place for it."""

MONTH = "20[0-9]{2}-(0[1-9]|1[0-2])"
POSITION = "p[0-9]{1,18}"
"""What the operator's cursor looks like: to clients it is opaque."""

_NO_VM = "there is no usage of such a VM in this month: /api/v1/usage?by=vm lists yours"

Word = TypeVar("Word", bound=StrEnum)


class Format(StrEnum):
    """How records are written."""

    JSON = "json"
    CSV = "csv"
    CLOUDEVENTS = "cloudevents"


class Usage:
    """Answers the usage routes. `threads` read the databases."""

    def __init__(
        self,
        reader: LedgerReader,
        service: ServiceReader,
        threads: Threads,
        accounts: Callable[[], Accounts],
    ) -> None:
        self._reader = reader
        self._service = service
        self._threads = threads
        self._accounts = accounts

    @asynccontextmanager
    async def usage(self, call: Call) -> AsyncIterator[Reply]:
        """Give a tenant's usage of a month."""
        by, span = _word(call, "by", By, By.MONTH), _span(call)
        yield await self._threads.run(call, partial(self._usage, call, by, span))

    @asynccontextmanager
    async def records(self, call: Call) -> AsyncIterator[Reply]:
        """Give a page of a tenant's records of a month."""
        form, span = _word(call, "format", Format, Format.JSON), _span(call)
        cursor = call.one("cursor", "")
        limit = limit_of(call.one("limit", str(USUAL_RECORDS)), MOST_RECORDS)
        yield await self._threads.run(call, partial(self._records, call, form, span, cursor, limit))

    def _usage(self, call: Call, by: By, span: Span) -> Reply:
        tenant, names = call.principal.tenant, names_of(self._accounts())
        with self._reader.open() as reading:
            found = usage_of(reading, tenant, span, by)
            observed = list(observed_by_hour(reading, tenant, span)) if span.vm is None else []
            final_until = hour_text(reading.final_until * SECONDS_PER_HOUR) if reading.final_until else None
        if span.vm is not None and not found:
            raise NotFoundError(_NO_VM)
        service = self._service.service_of(tenant, span, observed) if span.vm is None else {}
        answer = UsageAnswer(
            month=_month(call),
            by=str(by),
            final_until=final_until,
            rows=[_row(key, amounts, partial(names, tenant)) for key, amounts in found.items()],
            service=[ServiceUsage(plan=plan, **asdict(used)) for plan, used in service.items()],
        )
        return document(asdict(answer))

    def _records(self, call: Call, form: Format, span: Span, cursor: str, limit: int) -> Reply:
        tenant, names = call.principal.tenant, names_of(self._accounts())
        with self._reader.open() as reading:
            cursors = cursors_of(reading, tenant)
            page = page_of_tenant(reading, tenant, span, cursors.position(cursor), limit)
            if span.vm is not None and not cursor and not has_records(reading, tenant, span):
                raise NotFoundError(_NO_VM)
        return page_reply(page, cursors.text(page.cursor), form, names, for_operator=False)


def page_reply(page: Page, cursor: str, form: Format, names: Names, *, for_operator: bool) -> Reply:
    """Return a page in one of the formats, with the next one's cursor."""
    if form is Format.JSON:
        return document(
            {
                "records": [
                    record_document(entry, names, for_operator=for_operator)
                    for entry in page.entries
                    if not isinstance(entry, HourFinal)
                ],
                "cursor": cursor,
                "more": page.more,
            }
        )
    write, kind = {
        Format.CSV: (table, "text/csv; charset=utf-8"),
        Format.CLOUDEVENTS: (events, "application/x-ndjson"),
    }[form]
    headers = {"Content-Type": kind, CURSOR: cursor, "Hostcollector-More": str(page.more).lower()}
    return Reply(headers=headers, body=write(page.entries, names, for_operator=for_operator))


def names_of(accounts: Accounts) -> Names:
    """Return what gives a VM's display name."""
    return lambda tenant, vm: accounts.vm_names.get((tenant, vm), "")


def cursor_text(position: int) -> str:
    """Return a position as the operator gets it."""
    return f"p{position}"


def cursor_of(text: str) -> int:
    """Return the position of the operator's cursor; 0 for an empty one. Raises `QueryRefusedError`."""
    if text and not re.fullmatch(POSITION, text, re.ASCII):
        raise QueryRefusedError("this cursor is not one of ours: begin without one")
    return int(text[1:] or 0)


def _row(key: Key, amounts: Amounts, name: Callable[[str], str]) -> UsageRow:
    start = None if key.start is None else hour_text(key.start * SECONDS_PER_HOUR)
    return UsageRow(
        start=start,
        vm=key.vm,
        name=(name(key.vm) or None) if key.vm else None,
        state=str(key.state),
        records=amounts.records,
        observed_seconds=amounts.observed_seconds,
        unseen_seconds=amounts.unseen_seconds,
        doubled_seconds=amounts.doubled_seconds,
        meters=amounts.meters,
        gpus=[
            GpuUsage(
                model=kind.model,
                mode=kind.mode,
                profile=kind.profile,
                seconds=seconds,
                joules=amounts.gpu_joules.get(kind),
            )
            for kind, seconds in sorted(amounts.gpu_seconds.items())
        ],
    )


def _month(call: Call) -> str:
    text = call.one("month", datetime.fromtimestamp(call.now, UTC).strftime("%Y-%m"))
    if not re.fullmatch(MONTH, text):
        raise QueryRefusedError("month takes a month such as 2026-11")
    return text


def _span(call: Call) -> Span:
    year, _, month = _month(call).partition("-")
    first, after = hours_of_month(int(year), int(month))
    vm = call.one("vm", "")
    if vm and not is_vm(vm):
        raise QueryRefusedError("vm takes a UUID in small letters")
    return Span(first=first, after=after, vm=vm or None)


def _word(call: Call, name: str, words: type[Word], default: Word) -> Word:
    text = call.one(name, str(default))
    if text not in list(words):
        raise QueryRefusedError(f"{name} takes {', '.join(words)}")
    return words(text)
