"""Real guests keep their identity, whatever they are called and whatever others wrote into their metadata."""

from pathlib import Path

import libvirt
import pytest

from hostcollector.guests.domain_xml import parse
from hostcollector.guests.tenancy import from_own_metadata
from tests.lab.connection import connected
from tests.lab.fixtures import Boot, BootAll
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.metadata import own_tenant
from tests.lab.served import serving

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

NAMES = ("trail ", "\N{NO-BREAK SPACE}nbsp", "em\N{EM QUAD}")
CDATA = "<n:note xmlns:n='urn:n'><![CDATA[<!DOCTYPE x>]]></n:note>"


def test_blanks_around_a_name_cost_no_family(
    boot_all: BootAll, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """They have all that the guest without any has, with a note in their metadata too."""
    metadata = own_tenant("acme") + CDATA + "<!-- <!DOCTYPE x> -->"
    guests = boot_all([Guest.idle(name, metadata=metadata) for name in ("trail", *NAMES)])
    with serving(hypervisor.uri_readonly, tmp_path) as served:
        page = served.page()
    families = {
        running.guest.name: {name for name, labels in page.series if ("uuid", running.guest.uuid) in labels}
        for running in guests
    }
    assert len(families["trail"]) > 40
    for name in NAMES:
        assert families[name] == families["trail"]
    shown = {dict(labels)["domain"] for name, labels in page.series if name == "libvirt_domain_tenant_info"}
    assert {"trail", "trail "} <= shown


ODD = {
    "urn:cdata": "<note><![CDATA[<!DOCTYPE x>]]></note>",
    "urn:comment": "<note><!-- <!DOCTYPE x></metadata> --></note>",
    "urn:instruction": "<note><?php </metadata> ?></note>",
    "urn:unbound": "<note><x:a/></note>",
    "urn:taken-back": "<note><a xmlns:y=''/></note>",
    "urn:clash": "<note xmlns:a='urn:n' xmlns:b='urn:n' a:c='1' b:c='2'/>",
    "urn:edition": "<note><\N{AEGEAN WORD SEPARATOR LINE}/></note>",
    "urn:deep": f"<note>{'<a>' * 200}{'</a>' * 200}</note>",
    "urn:long": f"<note>{'x' * 1_000_000}</note>",
    "urn:many": f"<note>{'<a/>' * 20_000}</note>",
    "urn:quotes": "<note a=\"/>'\" b='/>\"'/>",
}


def test_no_note_that_libvirt_takes_costs_a_guest_anything(boot: Boot, hypervisor: PrivateHypervisor) -> None:
    """Each is set as a tenant's agent would; what libvirt refuses is no case."""
    guest = boot(Guest.idle("noted", metadata=own_tenant("acme")))
    taken = []
    with connected(hypervisor.uri) as connection:
        domain = connection.lookupByUUIDString(guest.guest.uuid)
        for namespace, note in ODD.items():
            try:
                domain.setMetadata(
                    libvirt.VIR_DOMAIN_METADATA_ELEMENT, note, "n", namespace, libvirt.VIR_DOMAIN_AFFECT_LIVE
                )
            except libvirt.libvirtError:
                continue
            taken.append(namespace)
            read = parse(domain.XMLDesc(0))
            assert read.complete, namespace
            assert len(read.disks) == len(read.nics) == 1, namespace
            tenant = from_own_metadata(read)
            assert tenant is not None, namespace
            assert tenant.id == "acme", namespace
    assert {"urn:cdata", "urn:comment", "urn:deep", "urn:many"} <= set(taken)
