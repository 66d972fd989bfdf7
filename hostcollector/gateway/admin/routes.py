"""Every path of the operator's console: the same changes as the commands."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Engine, select

from hostcollector.gateway.accounts import schema
from hostcollector.gateway.accounts.accounts import read_accounts
from hostcollector.gateway.accounts.changes import Changes
from hostcollector.gateway.admin import requests
from hostcollector.gateway.admin.erasure import Step, erase
from hostcollector.gateway.api.usage import cursor_of, cursor_text, names_of, page_reply
from hostcollector.gateway.database import connect
from hostcollector.gateway.errors import AccountsError, ErasureError
from hostcollector.gateway.plans import Plans
from hostcollector.gateway.reply import Reply
from hostcollector.gateway.settings import GatewaySettings
from hostcollector.gateway.tenant import UUID
from hostcollector.gateway.usage.correcting import Correction, correct
from hostcollector.gateway.usage.database import check_schema
from hostcollector.gateway.usage.exports import page_of_all
from hostcollector.gateway.usage.reading import LedgerReader

ROOT = "/admin/v1/"
ID = "(?P<tenant>[A-Za-z0-9][A-Za-z0-9._-]{0,63})"
VM = f"(?P<vm>{UUID})"
TOKEN = "(?P<token>[0-9a-f]{16})"  # noqa: S105 - a pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminRoute:
    """A method and a path; `body` is what the request's JSON is read to, `run` blocks and does the work."""

    name: str
    method: str
    pattern: re.Pattern[str]
    body: type
    run: Callable[[Mapping[str, str], Any], object]


class Console:
    """What the routes do, on one accounts database. Every method raises `HostcollectorError`."""

    def __init__(
        self, engine: Engine, plans: Plans, settings: GatewaySettings, steps: Mapping[str, Step]
    ) -> None:
        self._engine = engine
        self._changes = Changes(engine)
        self._plans = plans
        self._settings = settings
        self._steps = steps

    def routes(self) -> list[AdminRoute]:
        """Return every route."""
        nothing = requests.Nothing
        return [
            _route("GET", "tenants", nothing, self._tenants),
            _route("POST", "tenants", requests.NewTenant, self._add_tenant),
            _route("PUT", f"tenants/{ID}/plan", requests.NewPlan, self._set_plan),
            _route("POST", f"tenants/{ID}/suspend", nothing, self._suspend),
            _route("POST", f"tenants/{ID}/resume", nothing, self._resume),
            _route("POST", f"tenants/{ID}/erase", requests.Erasure, self._erase),
            _route("PUT", f"tenants/{ID}/vms/{VM}", requests.VmName, self._name_vm),
            _route("POST", "usage/records", requests.UsageRecords, self._usage_records),
            _route("POST", "usage/corrections", requests.UsageCorrection, self._correct),
            _route("GET", "tokens", nothing, self._tokens),
            _route("POST", "tokens", requests.NewToken, self._issue),
            _route("DELETE", f"tokens/{TOKEN}", nothing, self._revoke),
            _route("POST", "subjects/suspend", requests.Subject, self._suspend_subject),
            _route("POST", "subjects/resume", requests.Subject, self._resume_subject),
        ]

    def _tenants(self, _path: Mapping[str, str], _body: object) -> object:
        with self._engine.connect() as connection:
            accounts = read_accounts(connection)
        return {"tenants": [asdict(one) for _, one in sorted(accounts.tenants.items())]}

    def _add_tenant(self, _path: Mapping[str, str], body: requests.NewTenant) -> None:
        self._require_plan(body.plan)
        self._changes.add_tenant(body.id, body.plan, body.name)

    def _set_plan(self, path: Mapping[str, str], body: requests.NewPlan) -> None:
        self._require_plan(body.plan)
        self._changes.set_plan(path["tenant"], body.plan)

    def _suspend(self, path: Mapping[str, str], _body: object) -> None:
        self._changes.suspend(path["tenant"])

    def _resume(self, path: Mapping[str, str], _body: object) -> None:
        self._changes.suspend(path["tenant"], suspended=False)

    def _erase(self, path: Mapping[str, str], body: requests.Erasure) -> object:
        if body.confirm != path["tenant"]:
            raise ErasureError("confirm is not the tenant's id: nothing was erased")
        return asdict(erase(path["tenant"], self._steps, self._settings))

    def _name_vm(self, path: Mapping[str, str], body: requests.VmName) -> None:
        self._changes.name_vm(path["tenant"], path["vm"], body.name)

    def _usage_records(self, _path: Mapping[str, str], body: requests.UsageRecords) -> Reply:
        with self._engine.connect() as connection:
            names = names_of(read_accounts(connection))
        reader = LedgerReader(connect(self._settings.ledger, reads_only=True))
        try:
            with reader.open() as reading:
                page = page_of_all(reading, cursor_of(body.cursor), body.limit)
        finally:
            reader.close()
        return page_reply(page, cursor_text(page.cursor), body.format, names, for_operator=True)

    def _correct(self, _path: Mapping[str, str], body: requests.UsageCorrection) -> object:
        engine = connect(self._settings.ledger)
        try:
            check_schema(engine)
            return asdict(correct(engine, Correction(**asdict(body))))
        finally:
            engine.dispose()

    def _tokens(self, _path: Mapping[str, str], _body: object) -> object:
        with self._engine.connect() as connection:
            rows = connection.execute(select(schema.tokens).order_by(schema.tokens.c.created_at)).mappings()
            return {"tokens": [{key: row[key] for key in row if key != "sha256"} for row in rows]}

    def _issue(self, _path: Mapping[str, str], body: requests.NewToken) -> object:
        token = self._changes.issue_token(body.tenant, body.scopes, body.seconds, body.vms)
        return {"token": token}

    def _revoke(self, path: Mapping[str, str], _body: object) -> None:
        self._changes.revoke_token(path["token"])

    def _suspend_subject(self, _path: Mapping[str, str], body: requests.Subject) -> None:
        self._changes.suspend_subject(body.issuer, body.subject)

    def _resume_subject(self, _path: Mapping[str, str], body: requests.Subject) -> None:
        self._changes.suspend_subject(body.issuer, body.subject, suspended=False)

    def _require_plan(self, name: str) -> None:
        if name not in self._plans.plans:
            raise AccountsError(f"there is no plan {name[:80]!a}; there are {', '.join(self._plans.plans)}")


def _route(method: str, path: str, body: type, run: Callable[[Mapping[str, str], Any], object]) -> AdminRoute:
    name = f"{method} {ROOT}" + re.sub(r"\(\?P<(\w+)>.*?\)(?=/|$)", r"{\1}", path)
    return AdminRoute(name=name, method=method, pattern=re.compile(ROOT + path), body=body, run=run)
