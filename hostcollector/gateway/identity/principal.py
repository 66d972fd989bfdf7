"""Whose request it is, and what it may do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hostcollector.gateway.accounts.accounts import Accounts, Scope
from hostcollector.gateway.errors import ForbiddenError, RequestRefusedError, UnauthenticatedError
from hostcollector.gateway.plans import Plan, Plans

TOKEN = "token:"  # noqa: S105 - how the subject of an API token begins

_INVALID = "the token is missing, wrong, expired or revoked: send 'Authorization: Bearer TOKEN'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """One tenant's client. `subject` names it in the audit; an empty `vms` means all VMs of the tenant."""

    tenant: str
    subject: str
    scopes: frozenset[Scope]
    plan_name: str
    plan: Plan
    vms: frozenset[str] = frozenset()

    @property
    def token_id(self) -> str:
        """The id of the API token; empty for a JWT."""
        return self.subject.removeprefix(TOKEN) if self.subject.startswith(TOKEN) else ""

    def require(self, scope: Scope) -> None:
        """Raise `ForbiddenError` if the token has not this scope."""
        if scope not in self.scopes:
            raise ForbiddenError(f"this token lacks the scope {scope}: use one that has it")
        if self.vms and scope is not Scope.METRICS:
            raise ForbiddenError("a token for some VMs is good for the typed API only, /api/v1/")


@contextmanager
def recognised(subject: str, tenant: str = "") -> Iterator[None]:
    """Let a refusal in the block say whose login it was: a valid one that is refused is audited too."""
    try:
        yield
    except RequestRefusedError as error:
        error.subject, error.tenant = subject, tenant
        raise


def invalid() -> UnauthenticatedError:
    """Return the one error for every token that is not good: it says nothing of which tokens exist."""
    return UnauthenticatedError(_INVALID)


def principal_of(
    accounts: Accounts,
    plans: Plans,
    tenant: str,
    *,
    subject: str,
    scopes: frozenset[Scope],
    vms: frozenset[str] = frozenset(),
) -> Principal:
    """Return the principal of a tenant that exists and is not suspended. Raises `RequestRefusedError`."""
    account = accounts.tenants.get(tenant)
    if account is None:
        raise invalid()
    if account.suspended:
        raise ForbiddenError("this account is suspended: ask your provider")
    return Principal(
        tenant=tenant,
        subject=subject,
        scopes=scopes,
        plan_name=account.plan,
        plan=plans.of(account.plan),
        vms=vms,
    )
