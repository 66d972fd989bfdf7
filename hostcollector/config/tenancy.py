"""The settings about tenants: how a guest's tenant is found, their page of metrics, and usage records."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from hostcollector.config import checks
from hostcollector.config.checks import number
from hostcollector.config.reader import Distinct, Needed, Section


class ResolverName(StrEnum):
    """A way to find the tenant of a guest."""

    METADATA = "metadata"
    NOVA = "nova"
    XPATH = "xpath"
    MAP = "map"
    OVN = "ovn"


@dataclass(frozen=True, slots=True, kw_only=True)
class XPathRule(Section):
    """One entry of `tenancy.xpath`: where the metadata of a cloud has the tenant.

    Paths are of ElementTree's XPath subset, relative to the domain's `<metadata>`, and may end in
    ``/@attribute``.
    """

    tenant: Annotated[str, Needed("the path of the tenant's id")]
    """The path of the tenant's id."""

    name: str = ""
    """The path of the tenant's display name; empty when there is none."""

    namespaces: Annotated[Mapping[str, str], checks.NAMESPACES] = field(default_factory=dict)
    """The prefixes that the paths use, each with its namespace URI."""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield each path that ElementTree does not take with these prefixes."""
        for key, path in (("tenant", self.tenant), ("name", self.name)):
            if path and (complaint := checks.xpath_complaint(path, dict(self.namespaces))):
                yield key, complaint


@dataclass(frozen=True, slots=True, kw_only=True)
class TenancySettings:
    """The `tenancy` section: how a guest's tenant is found."""

    resolvers: Annotated[tuple[ResolverName, ...], Distinct()] = tuple(ResolverName)
    """The resolvers in their order. The first one that knows the guest decides."""

    xpath: tuple[XPathRule, ...] = ()
    """Rules of the `xpath` resolver, in their order."""

    map_file: Annotated[str | None, checks.FILE] = None
    """The `map` resolver's YAML file of UUIDs and name patterns; null for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantsSettings:
    """The `tenants` section: what is made for tenants, see docs/tenant-page.md."""

    page: bool = False
    """Serve ``/tenants/metrics``: each VM's metrics for its tenant, for the vmagent of a tenant store."""

    maximum_age_seconds: Annotated[float, number(0, 60)] = 15.0
    """How old the collection may be that the page is made from. An older one is made anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSettings:
    """The `usage` section: usage records, for bills. They are in the state directory, for 40 days."""

    records: bool = False
    """Record what each guest uses in each hour, and serve the records on ``/tenants/usage``.

    While no scrape comes, the daemon then collects every 30 s for itself.
    """
