"""Reads OpenStack Nova's element of a domain's metadata, versions 1.0 and 1.1."""

from dataclasses import dataclass
from xml.etree import ElementTree as ET

from hostcollector.base.definition import Domain
from hostcollector.guests.metadata import NOVA_NAMESPACES


@dataclass(frozen=True, slots=True, kw_only=True)
class NovaInstance:
    """What Nova wrote at the guest's last boot; empty where it wrote nothing."""

    instance_name: str = ""
    flavor: str = ""
    user_name: str = ""
    user_id: str = ""
    project_name: str = ""
    project_id: str = ""
    root_type: str = ""
    root_uuid: str = ""


def instance_of(domain: Domain) -> NovaInstance | None:
    """Return the domain's Nova element, the newest version first, or None for other guests."""
    for namespace in NOVA_NAMESPACES:
        for element in domain.metadata:
            if element.namespace == namespace and element.name == "instance":
                return _parse(ET.fromstring(element.xml), f"{{{namespace}}}")  # noqa: S314 - see import
    return None


def _parse(root: ET.Element, namespace: str) -> NovaInstance:
    def attribute(path: str, name: str) -> str:
        found = root.find(path.format(namespace))
        return found.get(name, "") if found is not None else ""

    def text(path: str) -> str:
        return (root.findtext(path.format(namespace)) or "").strip()

    return NovaInstance(
        instance_name=text("{0}name"),
        flavor=attribute("{0}flavor", "name"),
        user_name=text("{0}owner/{0}user"),
        user_id=attribute("{0}owner/{0}user", "uuid"),
        project_name=text("{0}owner/{0}project"),
        project_id=attribute("{0}owner/{0}project", "uuid"),
        root_type=attribute("{0}root", "type"),
        root_uuid=attribute("{0}root", "uuid"),
    )
