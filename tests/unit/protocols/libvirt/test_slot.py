"""A place for a connection to a libvirt that does not answer."""

import gc
import weakref
from contextlib import suppress

from hostcollector.base.errors import SourceUnavailableError
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
