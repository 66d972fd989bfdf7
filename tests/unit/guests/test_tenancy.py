"""A domain's tenant is found by the first resolver that knows, and unknown is a value."""

import textwrap
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from hostcollector.base.definition import Domain, MetadataElement
from hostcollector.base.followed_file import FollowedFile
from hostcollector.base.model import UNASSIGNED, Tenant
from hostcollector.config.files import read_bytes
from hostcollector.config.settings import Settings
from hostcollector.config.tenancy import XPathRule
from hostcollector.guests import tenant_map
from hostcollector.guests.domain_xml import parse
from hostcollector.guests.metadata import NOVA_NAMESPACES
from hostcollector.guests.tenancy import Tenancy, from_map, from_nova, from_own_metadata, from_xpath
from hostcollector.guests.tenant_map import TenantMap
from tests.places import DOMAIN_XML, REPOSITORY

FIXTURE = parse(DOMAIN_XML.read_text())
BARE = Domain(uuid="00000000-0000-4000-8000-000000000001", name="i-2-7-VM")


def _with(element: MetadataElement) -> Domain:
    return Domain(uuid=BARE.uuid, name=BARE.name, metadata=(element,))


def _own(attributes: str) -> Domain:
    xml = f'<tenant xmlns="urn:hostcollector:domain:1" {attributes}/>'
    return _with(MetadataElement(namespace="urn:hostcollector:domain:1", name="tenant", xml=xml))


def _only(domain: Domain) -> Mapping[str, Domain]:
    return MappingProxyType({domain.uuid: domain})


def test_the_first_resolver_that_knows_wins() -> None:
    """The fixture has our own element and Nova's; the configured order decides."""
    own_first = Tenancy([from_own_metadata, from_nova]).guests(_only(FIXTURE))
    nova_first = Tenancy([from_nova, from_own_metadata]).guests(_only(FIXTURE))
    assert own_first[FIXTURE.uuid].tenant == Tenant(id="acme", name="Acme Corp", resolver="metadata")
    assert nova_first[FIXTURE.uuid].tenant == Tenant(id="p-1", name="Globex", resolver="nova")


def test_a_guest_that_has_ended_still_has_its_tenant() -> None:
    """Its definition is enough: it need not be among the guests of a collection."""
    tenancy = Tenancy([from_own_metadata])
    assert tenancy.tenant_of(_own('id="acme"')).id == "acme"
    assert tenancy.tenant_of(BARE) is UNASSIGNED


def test_no_answer_is_the_unassigned_tenant() -> None:
    """An unassigned guest has the empty tenant."""
    assert Tenancy([from_own_metadata, from_nova]).guests(_only(BARE))[BARE.uuid].tenant is UNASSIGNED


def test_a_running_guest_keeps_its_tenant_until_another_is_found() -> None:
    """Metadata that is taken out, or cannot be read, is no change; another tenant is one."""
    tenancy = Tenancy([from_own_metadata])
    unread = replace(BARE, complete=False)
    for domain, tenant in (
        (_own('id="acme"'), "acme"),
        (BARE, "acme"),
        (unread, "acme"),
        (_own('id="b"'), "b"),
    ):
        assert tenancy.guests(_only(domain))[BARE.uuid].tenant.id == tenant


def test_a_running_guest_keeps_its_tenant_over_a_reload() -> None:
    """Also if the resolver that knew it does not answer after the reload; its answer counts once it comes."""
    before = Tenancy([from_own_metadata])
    assert before.guests(_only(_own('id="acme"')))[BARE.uuid].tenant.id == "acme"
    after = Tenancy([from_own_metadata], predecessor=Tenancy([from_own_metadata], predecessor=before))
    assert after.guests(_only(BARE))[BARE.uuid].tenant.id == "acme"
    assert after.guests(_only(_own('id="b"')))[BARE.uuid].tenant.id == "b"
    restarted = Tenancy([from_own_metadata], predecessor=before)
    assert restarted.guests(_only(replace(BARE, id=4)))[BARE.uuid].tenant is UNASSIGNED


def test_a_reload_asks_the_resolvers_anew() -> None:
    """The same definition may have another tenant by the data that was loaded."""
    before = Tenancy([lambda _domain: Tenant(id="acme")])
    assert before.guests(_only(BARE))[BARE.uuid].tenant.id == "acme"
    after = Tenancy([lambda _domain: Tenant(id="b")], predecessor=before)
    assert after.guests(_only(BARE))[BARE.uuid].tenant.id == "b"


def test_a_guest_that_was_started_again_keeps_no_tenant() -> None:
    """Libvirt gives each run another id: the next run may be of another tenant."""
    tenancy = Tenancy([from_own_metadata])
    assert tenancy.guests(_only(replace(_own('id="acme"'), id=3)))[BARE.uuid].tenant.id == "acme"
    assert tenancy.guests(_only(replace(BARE, id=4)))[BARE.uuid].tenant is UNASSIGNED


def test_a_map_that_loses_a_guest_changes_nothing(tmp_path: Path) -> None:
    """An emptied map file is no change of tenant for guests that run."""
    path = tmp_path / "tenants.yml"
    path.write_text(f"uuids: {{{BARE.uuid}: acme}}\n")
    followed = FollowedFile(path, tenant_map.read, "tenant map")
    tenancy = Tenancy([from_map(followed)], followed)
    assert tenancy.guests(_only(BARE))[BARE.uuid].tenant.id == "acme"
    path.write_text("uuids: {}  # emptied\n")
    for _ in range(3):
        assert tenancy.guests(_only(BARE))[BARE.uuid].tenant.id == "acme"


@pytest.mark.parametrize("namespace", NOVA_NAMESPACES)
def test_both_versions_of_nova_metadata_are_read(namespace: str) -> None:
    """Guests booted by old and new Nova belong to their project alike."""
    owner = '<n:owner><n:project uuid="p9">Nine</n:project></n:owner>'
    xml = f'<n:instance xmlns:n="{namespace}">{owner}</n:instance>'
    domain = _with(MetadataElement(namespace=namespace, name="instance", xml=xml))
    assert from_nova(domain) == Tenant(id="p9", name="Nine", resolver="nova")


@pytest.mark.parametrize("identity", ["", "a&#10;b", "a&#8232;b", "x" * 300])
def test_an_id_that_cannot_stand_in_a_label_is_no_tenant(identity: str) -> None:
    """A repaired id could be another tenant's, so a broken one counts as unknown."""
    assert from_own_metadata(_own(f'id="{identity}"')) is None


def test_xpath_rules_read_text_and_attributes() -> None:
    """Another cloud's metadata is read by rules, the first that finds something wins."""
    uri = "urn:cloud"
    xml = f'<c:vm xmlns:c="{uri}"><c:group id="7">ops</c:group></c:vm>'
    domain = _with(MetadataElement(namespace=uri, name="vm", xml=xml))
    namespaces = {"c": uri}
    rules = [
        XPathRule(tenant="c:vm/c:owner", namespaces=namespaces),
        XPathRule(tenant="c:vm/c:group/@id", name="c:vm/c:group", namespaces=namespaces),
    ]
    assert from_xpath(rules)(domain) == Tenant(id="7", name="ops", resolver="xpath")
    assert from_xpath(rules)(BARE) is None


def test_the_example_of_the_readme_reads_what_opennebula_writes() -> None:
    """OpenNebula's element as its driver for KVM writes it gives the group's id and name."""
    uri = "http://opennebula.org/xmlns/libvirt/1.0"
    readme = (REPOSITORY / "README.md").read_text()
    example = next(part for part in readme.split("```") if uri in part)
    settings = read_bytes(textwrap.dedent(example.removeprefix("yaml\n")).encode(), "README", Settings)
    xml = f"""<one:vm xmlns:one="{uri}">
      <one:system_datastore><![CDATA[/var/lib/one//datastores/0/42]]></one:system_datastore>
      <one:name><![CDATA[web-42]]></one:name><one:uname><![CDATA[jane]]></one:uname><one:uid>7</one:uid>
      <one:gname><![CDATA[acme]]></one:gname><one:gid>101</one:gid>
    </one:vm>"""
    domain = _with(MetadataElement(namespace=uri, name="vm", xml=xml))
    assert from_xpath(settings.tenancy.xpath)(domain) == Tenant(id="101", name="acme", resolver="xpath")


def _map(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _followed(path: Path) -> FollowedFile[TenantMap]:
    return FollowedFile(path, tenant_map.read, "tenant map", patience=30)


def test_the_map_file_knows_uuids_and_patterns(tmp_path: Path) -> None:
    """An exact UUID comes before name patterns, and patterns are tried in file order."""
    text = "names:\n- {pattern: 'i-2-*', tenant: globex, name: Globex}\n- {pattern: '*', tenant: rest}\n"
    path = _map(tmp_path / "map.yml", text)
    resolve = from_map(_followed(path))
    assert resolve(BARE) == Tenant(id="globex", name="Globex", resolver="map")
    exact = _followed(_map(path, f"uuids: {{{BARE.uuid.upper()}: acme}}\n" + text))
    assert from_map(exact)(BARE) == Tenant(id="acme", resolver="map")


def test_a_changed_map_file_moves_its_guests(tmp_path: Path) -> None:
    """The next collection after a change of the file has the new tenant."""
    path = _map(tmp_path / "map.yml", f"uuids: {{{BARE.uuid}: acme}}")
    tenants = _followed(path)
    tenancy = Tenancy([from_map(tenants)], tenants)
    assert tenancy.guests(_only(BARE))[BARE.uuid].tenant.id == "acme"
    _map(path, f"uuids: {{{BARE.uuid}: initech}}")
    assert tenancy.guests(_only(BARE))[BARE.uuid].tenant.id == "initech"


def test_a_broken_map_file_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    """A mistake while the collector runs changes no tenant."""
    path = _map(tmp_path / "map.yml", f"uuids: {{{BARE.uuid}: acme}}")
    tenants = _followed(path)
    tenancy = Tenancy([from_map(tenants)], tenants)
    _map(path, "uuids: [oops, this is a list]")
    assert tenancy.guests(_only(BARE))[BARE.uuid].tenant.id == "acme"
    _map(path, f"uuids: {{{BARE.uuid}: globex}}")
    assert tenancy.guests(_only(BARE))[BARE.uuid].tenant.id == "globex"


def test_an_unchanged_guest_is_the_same_object_again() -> None:
    """Sources keep what they derived from a guest for as long as it does not change."""
    tenancy = Tenancy([from_own_metadata])
    before = tenancy.guests(_only(FIXTURE))[FIXTURE.uuid]
    assert tenancy.guests(_only(FIXTURE))[FIXTURE.uuid] is before
