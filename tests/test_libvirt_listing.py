"""A domain whose XML cannot be had is told from a libvirt that went away meanwhile."""

import libvirt
import pytest

from hostcollector.errors import DomainXmlError, SourceUnavailableError
from hostcollector.libvirt_link import Connection, ListedDomain, read_xml

UUID = "7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55"


class _Raw:
    """A connection and a handle on it, neither of which gives anything."""

    def __init__(self, *, answers: bool) -> None:
        self._answers = answers

    def isAlive(self) -> int:  # noqa: N802 - libvirt's name
        """Return whether libvirt has not hung up."""
        return int(self._answers)

    def XMLDesc(self, _flags: int) -> str:  # noqa: N802 - libvirt's name
        """Fail."""
        raise libvirt.libvirtError("no XML")


@pytest.mark.parametrize(("answers", "error"), [(True, DomainXmlError), (False, SourceUnavailableError)])
def test_only_a_libvirt_that_still_answers_speaks_of_the_domain(
    *, answers: bool, error: type[Exception]
) -> None:
    """Otherwise the listing is given up, and what was known before of tenants and devices stays."""
    raw = _Raw(answers=answers)
    with pytest.raises(error, match="no XML"):
        read_xml(Connection(raw), ListedDomain(uuid=UUID, name="vm", handle=raw))
