"""Takes a domain's `<metadata>`, which others write, out of the domain XML and reads it element by element.

Clouds and tenants write there what they like, and libvirt is laxer than XML parsers are: it hands on unbound
prefixes, names of newer versions of XML, and everything inside comments and CDATA. So the metadata is cut out
before the definition is parsed: what cannot be read there costs itself only.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree as ET

from hostcollector.base.definition import MetadataElement

OWN_NAMESPACE = "urn:hostcollector:domain:1"
NOVA_NAMESPACES = (
    "http://openstack.org/xmlns/libvirt/nova/1.1",
    "http://openstack.org/xmlns/libvirt/nova/1.0",
)
# What one guest's metadata may cost: characters of an element, characters and elements in all, depth.
LONGEST_ELEMENT, LONGEST_IN_ALL, MOST_ELEMENTS, DEEPEST = 256 * 1024, 1024 * 1024, 256, 64
# Remarks on what was left out name so many elements; the others are counted.
MOST_NAMED = 4
_LONGEST_NAME = 80
_KNOWN = (OWN_NAMESPACE, *NOVA_NAMESPACES)

# A comment, CDATA, an instruction, or a tag: its slash, name, attributes, and slash if it is empty.
_TOKEN = re.compile(
    r"<(?:!--.*?--|!\[CDATA\[.*?\]\]|\?.*?\?|"
    r"(?P<end>/?)(?P<name>[^\s<>/!?\"'=]++)(?P<attributes>(?:[^<>\"'/]++|\"[^\"]*+\"|'[^']*+'|/(?!>))*+)(?P<empty>/?)"
    r")>",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"\s([^\s=\"']++)\s*+=\s*+(\"[^\"<]*+\"|'[^'<]*+')")
# No parser accepts declarations of these.
_RESERVED_PREFIXES = ("xmlns:xml", "xmlns:xmlns")
_RESERVED = ("http://www.w3.org/XML/1998/namespace", "http://www.w3.org/2000/xmlns/")

Declarations = dict[str, str]


class Metadata(NamedTuple):
    """A domain XML without what was in its metadata, and what was in there.

    `remarks` say which elements were left out and why.
    """

    definition: str
    elements: tuple[MetadataElement, ...]
    remarks: tuple[str, ...]


class _Part(NamedTuple):
    """A child of the metadata: its tag's name, its place in the text, and how deep it is.

    `inherited` are the declarations of the elements around it, `namespace` is its own.
    """

    name: str
    start: int
    end: int
    depth: int
    inherited: Declarations
    namespace: str


def split(text: str) -> Metadata:
    """Return the definition and the metadata of a domain XML; of a text that is none, the text as it is."""
    cuts: list[tuple[int, int]] = []
    parts = list(_parts(text, cuts))
    kept: list[str] = []
    position = 0
    for start, end in cuts:
        kept.append(text[position:start])
        position = end
    kept.append(text[position:])
    elements, left_out = _read(text, parts)
    return Metadata("".join(kept), tuple(elements), tuple(_remarks(left_out)))


def _tokens(text: str) -> Iterator[re.Match[str]]:
    """Yield all markup; ends early where there is something that is none in a whole document."""
    position = text.find("<")
    while position >= 0 and (token := _TOKEN.match(text, position)):
        yield token
        position = text.find("<", token.end())


def _tags(text: str) -> Iterator[tuple[int, re.Match[str]]]:
    """Yield the tags of the first document with their depth; the root's is 1."""
    depth = 0
    for token in _tokens(text):
        if token["name"] is None:
            continue
        depth += not token["end"]
        yield depth, token
        depth -= bool(token["end"] or token["empty"])
        if depth <= 0:
            return


def _parts(text: str, cuts: list[tuple[int, int]]) -> Iterator[_Part]:
    """Yield the children of `<domain>`'s `<metadata>`; adds to `cuts` where its content begins and ends."""
    content = deepest = 0
    child: re.Match[str] | None = None
    around: list[Declarations] = [{}, {}]
    for depth, tag in _tags(text):
        deepest = max(deepest, depth)
        if not tag["end"]:
            if depth <= 2 and not content:
                around[depth - 1] = _declarations(tag["attributes"])
            if depth == 2 and tag["name"] == "metadata" and not tag["empty"]:
                content = tag.end()
            elif depth == 3 and content:
                child, deepest = tag, depth
        if depth == 3 and child is not None and (tag["end"] or tag["empty"]):
            yield _part(child, tag.end(), deepest - 2, around[0] | around[1])
        elif depth == 2 and content and tag["end"]:
            cuts.append((content, tag.start()))
            content, child = 0, None


def _part(tag: re.Match[str], end: int, depth: int, inherited: Declarations) -> _Part:
    prefix, _, _ = tag["name"].rpartition(":")
    namespace = (inherited | _declarations(tag["attributes"])).get(prefix, "")[1:-1]
    return _Part(tag["name"], tag.start(), end, depth, inherited, namespace)


def _declarations(attributes: str) -> Declarations:
    """Return the namespaces that a tag declares, quoted, by prefix; without those that no parser takes."""
    return {
        name.removeprefix("xmlns").removeprefix(":"): quoted
        for name, quoted in _ATTRIBUTE.findall(attributes)
        if name == "xmlns" or (name.startswith("xmlns:") and len(quoted) > 2)
        if name not in _RESERVED_PREFIXES and quoted[1:-1] not in _RESERVED
    }


def _read(text: str, parts: list[_Part]) -> tuple[list[MetadataElement], list[tuple[str, str]]]:
    """Return the elements, and what each one that was left out is called and why it was."""
    elements: list[MetadataElement] = []
    left_out: list[tuple[str, str]] = []
    room = LONGEST_IN_ALL
    # The elements that name the tenant come first, whatever else there is.
    for part in sorted(parts, key=lambda part: part.namespace not in _KNOWN):
        size = part.end - part.start
        if size > LONGEST_ELEMENT:
            why = f"it has {size} characters, more than {LONGEST_ELEMENT}"
        elif part.depth > DEEPEST:
            why = f"its elements are {part.depth} deep, more than {DEEPEST}"
        elif size > room or len(elements) == MOST_ELEMENTS:
            why = f"only {MOST_ELEMENTS} elements and {LONGEST_IN_ALL} characters are read"
        else:
            room -= size
            try:
                elements.append(_element(text[part.start : part.end], part.inherited))
            except (ET.ParseError, ValueError) as error:
                why = str(error)
            else:
                continue
        left_out.append((f"<{part.name[:_LONGEST_NAME]}> of {part.namespace[:_LONGEST_NAME]!r}", why))
    return elements, left_out


def _element(xml: str, inherited: Declarations) -> MetadataElement:
    """Return the element with the namespaces it inherits. Raises `ParseError` or `ValueError`."""
    declarations = "".join(
        f" xmlns{':' if prefix else ''}{prefix}={quoted}"
        for prefix, quoted in inherited.items()
        if f"{prefix}:" in xml or not prefix
    )
    (element,) = ET.fromstring(f"<metadata{declarations}>{xml}</metadata>")  # noqa: S314 - no DTD can be here
    namespace, _, name = element.tag.rpartition("}")
    return MetadataElement(
        namespace=namespace.lstrip("{"), name=name, xml=ET.tostring(element, encoding="unicode")
    )


def _remarks(left_out: list[tuple[str, str]]) -> Iterator[str]:
    for name, why in left_out[:MOST_NAMED]:
        yield f"{name} in its metadata is left out: {why}"
    if len(left_out) > MOST_NAMED:
        yield f"{len(left_out) - MOST_NAMED} more elements in its metadata are left out"
