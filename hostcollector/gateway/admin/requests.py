"""What the operator's console sends: one annotated line per key, read as strictly as a configuration."""

from dataclasses import dataclass
from typing import Annotated

from hostcollector.catalogue.usage import LARGEST
from hostcollector.config.checks import whole
from hostcollector.config.reader import Needed
from hostcollector.gateway.accounts.accounts import Scope
from hostcollector.gateway.accounts.changes import LONGEST_LIFE_SECONDS
from hostcollector.gateway.api.usage import MOST_RECORDS, Format


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTenant:
    """A tenant to add."""

    id: Annotated[str, Needed("the tenant's id, as in the label of the metrics")]
    """The tenant's id."""

    plan: str = "detailed"
    """The name of a plan."""

    name: str = ""
    """A name for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlan:
    """The plan that a tenant is to have."""

    plan: Annotated[str, Needed("the name of a plan")]
    """The name of a plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token to make."""

    tenant: Annotated[str, Needed("the tenant's id")]
    """The tenant's id."""

    scopes: Annotated[tuple[Scope, ...], Needed("what the token is good for")]
    """What the token is good for."""

    seconds: Annotated[int, whole(10, LONGEST_LIFE_SECONDS), Needed("how long the token is valid")]
    """How long it is valid. A console that hands a browser a token takes a few minutes."""

    vms: tuple[str, ...] = ()
    """Only these VMs; with the scope metrics:read alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecords:
    """A page of all tenants' usage records, for billing."""

    cursor: str = "p0"
    """The cursor that came with the page before."""

    limit: Annotated[int, whole(1, MOST_RECORDS)] = 1000
    """How many records."""

    format: Format = Format.CLOUDEVENTS
    """How they are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageCorrection:
    """A correction of a usage record."""

    id: Annotated[str, Needed("the record's id")]
    """The record's id."""

    vm: Annotated[str, Needed("the VM's UUID")]
    """The VM's UUID."""

    hour: Annotated[str, Needed("the record's hour, such as 2026-11-28T23:00:00Z")]
    """The record's hour."""

    meter: Annotated[str, Needed("the meter")]
    """The meter."""

    amount: Annotated[int, whole(0, LARGEST), Needed("what the meter is to be")]
    """What is to be billed of it, in its base unit."""

    reason: Annotated[str, Needed("why; the tenant sees it")]
    """Why; the tenant sees it."""

    author: Annotated[str, Needed("who has decided it")]
    """Who has decided it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmName:
    """The display name of a VM."""

    name: Annotated[str, Needed("the name; empty to remove it")]
    """The name; an empty one removes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A login of the OpenID provider."""

    issuer: Annotated[str, Needed("the provider's `iss`")]
    """The provider's `iss`."""

    subject: Annotated[str, Needed("the login's `sub`")]
    """The login's `sub`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """The erasure of a tenant, which cannot be undone."""

    confirm: Annotated[str, Needed("the tenant's id once more")]
    """The tenant's id once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """A request whose path says everything."""
