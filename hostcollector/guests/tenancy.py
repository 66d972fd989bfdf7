"""The tenant of each domain: resolvers in configured order, the first answer wins; no answer is unassigned.

A resolver gets one domain and returns a tenant or None. Answers are kept until the domain's definition or the
resolver's data changes: a scrape costs nothing for a guest that did not change.

A running guest keeps its last tenant until a resolver finds another one: a resolver that fails, or a
definition that cannot be read, is no change of tenant.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol
from xml.etree import ElementTree as ET

from hostcollector.base.definition import Domain
from hostcollector.base.followed_file import FollowedFile
from hostcollector.base.model import UNASSIGNED, Guest, Tenant
from hostcollector.config.tenancy import XPathRule
from hostcollector.guests import nova
from hostcollector.guests.metadata import OWN_NAMESPACE
from hostcollector.guests.tenant_map import LONGEST_ID, TenantMap

Resolver = Callable[[Domain], Tenant | None]


class Changing(Protocol):
    """Data of a resolver that may change although the domain does not, such as the map file."""

    def changed(self) -> bool:
        """Return whether answers may differ from those before the last call."""


def from_own_metadata(domain: Domain) -> Tenant | None:
    """Read the project's own element, ``<tenant xmlns="urn:hostcollector:domain:1" id="" name=""/>``."""
    for element in domain.metadata:
        if element.namespace == OWN_NAMESPACE and element.name == "tenant":
            root = ET.fromstring(element.xml)  # noqa: S314 - see import
            return _tenant(root.get("id", ""), root.get("name", ""), "metadata")
    return None


def from_nova(domain: Domain) -> Tenant | None:
    """Read the project of Nova's element, versions 1.0 and 1.1."""
    instance = nova.instance_of(domain)
    return _tenant(instance.project_id, instance.project_name, "nova") if instance else None


def from_xpath(rules: Sequence[XPathRule]) -> Resolver:
    """Return the resolver for metadata of other clouds; the first rule that finds a tenant wins."""

    def resolve(domain: Domain) -> Tenant | None:
        if not domain.metadata:
            return None
        root = ET.Element("metadata")
        root.extend(ET.fromstring(element.xml) for element in domain.metadata)  # noqa: S314 - see import
        for rule in rules:
            tenant = _tenant(_value(root, rule.tenant, rule), _value(root, rule.name, rule), "xpath")
            if tenant:
                return tenant
        return None

    return resolve


def from_map(tenants: FollowedFile[TenantMap]) -> Resolver:
    """Return the resolver for the operator's map file of UUIDs and name patterns."""

    def resolve(domain: Domain) -> Tenant | None:
        found = tenants.current.lookup(domain.uuid, domain.name)
        return _tenant(found.id, found.name, "map") if found else None

    return resolve


def from_ovn(projects_of: Callable[[Domain], frozenset[str]]) -> Resolver:
    """Return the resolver by the projects of the guest's logical ports, which `projects_of` finds.

    Ports of different projects give no answer: each could be the wrong one.
    """

    def resolve(domain: Domain) -> Tenant | None:
        projects = projects_of(domain)
        return _tenant(next(iter(projects)), "", "ovn") if len(projects) == 1 else None

    return resolve


class Tenancy:
    """Joins domains with their tenants, anew when one of `changing` has. Called from one thread at a time.

    `predecessor` had the same rules before a reload: its tenants stay until a resolver finds other ones.
    """

    def __init__(
        self, resolvers: Sequence[Resolver], *changing: Changing, predecessor: "Tenancy | None" = None
    ) -> None:
        self._resolvers = tuple(resolvers)
        self._changing = changing
        self._kept: Mapping[str, Guest] = {}
        self._inherited: Mapping[str, Guest] = {} if predecessor is None else predecessor.known

    @property
    def known(self) -> Mapping[str, Guest]:
        """The guests of the last call by UUID; before the first call those of the predecessor."""
        return self._kept or self._inherited

    def guests(self, domains: Mapping[str, Domain]) -> Mapping[str, Guest]:
        """Return a guest per domain; an unchanged domain gives the very same object again."""
        news = [answers.changed() for answers in self._changing]  # all are read, also after a yes
        kept = {}
        for uuid, domain in domains.items():
            before = self._kept.get(uuid)
            same = before is not None and before.domain is domain and not any(news)
            last = before or self._inherited.get(uuid)
            kept[uuid] = before if before is not None and same else self._join(domain, last)
        self._kept, self._inherited = kept, {}
        return MappingProxyType(kept)

    def tenant_of(self, domain: Domain) -> Tenant:
        """Return the tenant of one domain, which need not be active. May be called from any thread."""
        return self._join(domain).tenant

    def _join(self, domain: Domain, before: Guest | None = None) -> Guest:
        answers = (resolve(domain) for resolve in self._resolvers)
        found = next((answer for answer in answers if answer), None)
        if found is None and before is not None and _is_same_run(before.domain, domain):
            found = before.tenant
        return Guest(domain=domain, tenant=found or UNASSIGNED)


def _is_same_run(before: Domain, now: Domain) -> bool:
    """Whether the guest has run on between the two; libvirt gives each run an id."""
    return before.id == now.id or not before.complete or not now.complete


def _tenant(identity: str, name: str, resolver: str) -> Tenant | None:
    """Return the tenant if its id can be a label as it is: a changed id could be another tenant's."""
    if not identity or len(identity) > LONGEST_ID or not identity.isprintable():
        return None
    return Tenant(id=identity, name=name, resolver=resolver)


def _value(root: ET.Element, path: str, rule: XPathRule) -> str:
    if not path:
        return ""
    where, _, attribute = path.rpartition("/@")
    namespaces = dict(rule.namespaces)
    if not where:
        return (root.findtext(path, "", namespaces) or "").strip()
    found = root.find(where, namespaces)
    return found.get(attribute, "").strip() if found is not None else ""
