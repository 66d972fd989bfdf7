"""What others write into a domain's metadata costs itself only: definition, devices and tenant are read."""

import string
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostcollector.base.definition import Domain, HostDevice
from hostcollector.base.errors import DomainXmlError
from hostcollector.base.model import Tenant
from hostcollector.guests.domain_xml import parse
from hostcollector.guests.metadata import LONGEST_ELEMENT, split
from hostcollector.guests.tenancy import from_nova, from_own_metadata

OWN = "<hc:tenant xmlns:hc='urn:hostcollector:domain:1' id='acme'/>"
NOVA = (
    "<nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1'><nova:owner>"
    "<nova:project uuid='p-1'>Acme</nova:project></nova:owner></nova:instance>"
)
GPU = HostDevice(type="pci", pci_address="0000:3b:00.0")


def domain(metadata: str, root: str = "<domain>", open_tag: str = "<metadata>") -> str:
    """Return a domain XML with a GPU, and a title that looks like metadata."""
    return (
        f"{root}<name>a</name><uuid>7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55</uuid>"
        "<title>&lt;metadata&gt;</title>"
        f"{open_tag}{metadata}</metadata><devices><hostdev type='pci'><source>"
        "<address domain='0x0000' bus='0x3b' slot='0x00' function='0x0'/></source></hostdev></devices>"
        "</domain>"
    )


def is_whole(read: Domain) -> bool:
    """Whether definition, devices and tenant are there."""
    tenant = from_own_metadata(read)
    return read.complete and read.host_devices == (GPU,) and tenant is not None and tenant.id == "acme"


def deep(levels: int) -> str:
    """Return elements in each other, as many levels down."""
    return f"<n:note xmlns:n='urn:n'>{'<a>' * (levels - 1)}{'</a>' * (levels - 1)}</n:note>"


HARMLESS = {
    "document type in CDATA": "<n:note xmlns:n='urn:n'><![CDATA[<!DOCTYPE x>]]></n:note>",
    "document type in a comment": "<!-- <!DOCTYPE x> -->",
    "document type in a nested comment": "<n:note xmlns:n='urn:n'><!-- <!DOCTYPE x> --></n:note>",
    "end of the metadata in CDATA": "<n:note xmlns:n='urn:n'><![CDATA[</metadata></domain>]]></n:note>",
    "end of the metadata in a comment": "<!-- </metadata><devices/> -->",
    "ends of tags in attributes": "<n:note xmlns:n='urn:n' a=\"/>'\" b='/>\"![CDATA['/>",
    "an instruction": "<n:note xmlns:n='urn:n'><?php </metadata> ?></n:note>",
    "a whole domain": "<n:note xmlns:n='urn:n'><domain><metadata><x/></metadata></domain></n:note>",
    "text between": "stray text",
    "an empty name space": "<note xmlns=''/>",
    "another default name space": "<note xmlns='urn:n'><tenant id='mallory'/></note>",
    "64 levels": deep(64),
}
UNREADABLE = {
    "a prefix that is not bound": "<n:note/>",
    "a prefix that is taken back": "<n:note xmlns:n='urn:n'><a xmlns:n=''/></n:note>",
    "the prefix xml for something else": "<note xmlns:xml='urn:n'/>",
    "the prefix xmlns": "<note xmlns:xmlns='urn:n'/>",
    "two names that are the same": "<note xmlns:a='urn:n' xmlns:b='urn:n' a:c='1' b:c='2'/>",
    "a name of XML's fifth edition": "<n:\N{AEGEAN WORD SEPARATOR LINE} xmlns:n='urn:n'/>",
    "an unknown entity": "<n:note xmlns:n='urn:n'>&nbsp;</n:note>",
    "a thousand levels": deep(1000),
    "65 levels": deep(65),
    "five megabytes": f"<n:note xmlns:n='urn:n'>{'x' * 5_000_000}</n:note>",
    "a hundred thousand elements": f"<n:note xmlns:n='urn:n'>{'<a/>' * 100_000}</n:note>",
    "a hundred thousand elements beside each other": "".join(f"<a xmlns='urn:{n}'/>" for n in range(100_000)),
    "an attribute twice": "<note a='1' a='2'/>",
}


@pytest.mark.parametrize("note", HARMLESS.values(), ids=HARMLESS)
def test_what_is_only_odd_is_read(note: str) -> None:
    """Comments, CDATA and the like are no reason to leave anything out, before or behind the tenant."""
    for metadata in (note + OWN, OWN + note):
        read = parse(domain(metadata))
        assert is_whole(read)
        assert read.remarks == ()


@pytest.mark.parametrize("note", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_costs_itself(note: str) -> None:
    """It is left out with its reason; devices and tenants are read, by whichever resolver."""
    for metadata in (note + OWN + NOVA, NOVA + OWN + note):
        read = parse(domain(metadata))
        assert is_whole(read)
        assert from_nova(read) == Tenant(id="p-1", name="Acme", resolver="nova")
        assert "left out" in read.remarks[0]
        assert sum(map(len, read.remarks)) < 1500


@pytest.mark.parametrize(
    ("root", "metadata"),
    [
        ("<domain xmlns:hc='urn:hostcollector:domain:1'>", "<metadata>"),
        ("<domain>", "<metadata xmlns:hc='urn:hostcollector:domain:1'>"),
        ("<domain xmlns:hc='urn:x'>", '<metadata xmlns:hc="urn:hostcollector:domain:1" xmlns:a="">'),
        (
            "<domain>",
            "<metadata xmlns:\N{AEGEAN WORD SEPARATOR LINE}='u' xmlns:hc='urn:hostcollector:domain:1'>",
        ),
        ("<domain>", "<metadata xmlns:xml='u' xmlns:hc='urn:hostcollector:domain:1' a=' xmlns:hc=\"b\"'>"),
    ],
)
def test_prefixes_of_the_elements_around_count(root: str, metadata: str) -> None:
    """A prefix may be declared at the domain or at the metadata, beside declarations that cannot be read."""
    read = split(domain("<hc:tenant id='acme'/>", root, metadata))
    assert [(element.namespace, element.name) for element in read.elements] == [
        ("urn:hostcollector:domain:1", "tenant")
    ]


def test_an_element_that_is_too_long_is_named_with_its_size() -> None:
    """The remark is what the engineer needs to find who wrote it."""
    note = f"<n:note xmlns:n='urn:n'>{'x' * LONGEST_ELEMENT}</n:note>"
    (remark,) = split(domain(note)).remarks
    assert remark.startswith("<n:note> of 'urn:n' in its metadata is left out: it has 2621")


def test_a_document_type_is_refused_where_it_can_be_one() -> None:
    """Before the root element, in front of a definition whose metadata is whole."""
    with pytest.raises(DomainXmlError, match="document type"):
        parse("<!DOCTYPE domain [<!ENTITY a 'b'>]>" + domain(OWN + "<note>&a;</note>"))


def test_what_comes_after_the_domain_is_no_metadata_of_it() -> None:
    """Ends without a beginning, and a second document, are the definition's trouble."""
    for text in ("a</b></metadata><c/>", "<domain/>" + domain(OWN)):
        assert split(text) == (text, (), ())


_TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=20
)
_NAMES = st.text(string.ascii_letters, min_size=1, max_size=5)


def _markup() -> st.SearchStrategy[str]:
    """Return well-formed markup without any regard for name spaces, as libvirt hands it on."""
    leaf = st.one_of(
        _TEXTS.map(escape),
        _TEXTS.map(lambda text: f"<![CDATA[{text.replace(']]', '')}]]>"),
        _TEXTS.map(lambda text: f"<!--{text.replace('-', '')}-->"),
    )

    def element(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        def made(prefix: str, name: str, value: str, content: list[str]) -> str:
            quoted = escape(value, {"'": "&apos;"})
            return f"<{prefix}:{name} {name}='{quoted}'>{''.join(content)}</{prefix}:{name}>"

        return st.builds(made, _NAMES, _NAMES, _TEXTS, st.lists(inside, max_size=3))

    return st.recursive(leaf, element, max_leaves=10)


@settings(max_examples=200)
@given(st.lists(_markup(), max_size=4), st.lists(_markup(), max_size=4))
def test_no_markup_in_the_metadata_costs_the_guest(before: list[str], behind: list[str]) -> None:
    """Whatever is well-formed beside the tenant's element, the definition and the tenant are read."""
    assert is_whole(parse(domain("".join(before) + OWN + "".join(behind))))
