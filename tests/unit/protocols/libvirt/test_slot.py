"""Connections to a libvirt that does not answer, or refuses."""

import gc
import weakref
from contextlib import suppress

import libvirt
import pytest

from hostcollector.base.errors import SourceDeniedError, SourceUnavailableError
from hostcollector.protocols.libvirt.connection import Link, Slot
from tests.serving import NOWHERE


class _Caller:
    """What asks for a connection, in the place of a whole collection."""


def test_an_error_that_is_said_again_keeps_no_caller() -> None:
    """The last opening's error is raised to many; what is kept of it holds none of their frames."""
    slot = Slot(Link(NOWHERE))

    def ask() -> "weakref.ref[_Caller]":
        caller = _Caller()
        with suppress(SourceUnavailableError):
            slot.get()
        return weakref.ref(caller)

    heard = [ask() for _ in range(3)]
    gc.collect()
    assert [caller() for caller in heard] == [None] * 3


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("Failed to find user record for uid '10177'", "needs a name in the /etc/passwd"),
        ("Failed to connect socket to '/run/libvirt/libvirt-sock-ro': Permission denied", "group libvirt"),
    ],
)
def test_a_refused_account_is_named_with_the_fix(said: str, fix: str) -> None:
    """Libvirt looks its client up where it runs itself, which may be a container without this account."""

    def refusing(_uri: str) -> None:
        raise libvirt.libvirtError(said)

    with pytest.raises(SourceDeniedError, match=fix):
        Link("qemu:///system", opener=refusing).open_read_only()
