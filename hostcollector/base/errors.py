"""The exception tree: each class is one kind of failure, so that no caller parses texts."""

import errno
from collections.abc import Sequence
from enum import StrEnum


class Reason(StrEnum):
    """Why a source gave nothing, as the closed set of the ``reason`` label."""

    TIMEOUT = "timeout"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    DENIED = "denied"
    MALFORMED = "malformed"
    BACKOFF = "backoff"
    INTERNAL = "internal"


class HostcollectorError(Exception):
    """Base of every error that the collector raises itself."""


class ConfigError(HostcollectorError):
    """The configuration cannot be used; carries every problem found, each with its path."""

    def __init__(self, origin: str, problems: Sequence[str]) -> None:
        self.origin = origin
        self.problems = tuple(problems)
        super().__init__(f"{origin}: " + "; ".join(self.problems))


class ConfigUnreachableError(ConfigError):
    """A file of the configuration cannot be read at present; its content is not known."""


class CertificateError(HostcollectorError):
    """Files for TLS cannot be used; carries every problem found, each with its key of the web-config."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class DomainXmlError(HostcollectorError):
    """A domain's XML cannot be parsed at all; the guest is then known by name and UUID only."""


class LaneBusyError(HostcollectorError):
    """The lane's previous call has not returned; nothing is queued behind it."""

    def __init__(self, lane: str, seconds: float) -> None:
        self.lane = lane
        self.seconds = seconds
        super().__init__(f"lane {lane} has been busy for {seconds:.1f} s")


class LaneClosedError(HostcollectorError):
    """The lane was closed and takes no more calls."""


class StateError(HostcollectorError):
    """A state file cannot be read or written; the message names the file and the cause."""


class StateUnreachableError(StateError):
    """The disk failed while a state file was read; a later attempt may succeed."""


class SourceError(HostcollectorError):
    """A source could not be read; the message names the cause and, where known, the fix."""

    reason = Reason.INTERNAL


class SourceUnavailableError(SourceError):
    """What the source reads does not exist on this host, or does not answer."""

    reason = Reason.UNAVAILABLE


class SourceDeniedError(SourceError):
    """The source exists but this account may not read it."""

    reason = Reason.DENIED


class SourceMalformedError(SourceError):
    """The source answered with data that its format does not allow."""

    reason = Reason.MALFORMED


class SourceTimeoutError(SourceError):
    """The source did not answer before its deadline."""

    reason = Reason.TIMEOUT


class ListenError(HostcollectorError):
    """The page cannot be served at the configured address."""

    def __init__(self, address: str, cause: str) -> None:
        self.address = address
        super().__init__(f"cannot listen on {address}: {cause}")


class AddressInUseError(ListenError):
    """Another process listens at the configured address."""


def listen_error(address: str, error: OSError) -> ListenError:
    """Return the error for an address that the kernel refused, with what to do."""
    # From Python 3.13 on asyncio gives no number for an address that is not this machine's.
    number = errno.EADDRNOTAVAIL if error.errno is None else error.errno
    cause = _LISTEN_FIXES.get(number) or error.strerror or str(error)
    kind = AddressInUseError if error.errno == errno.EADDRINUSE else ListenError
    return kind(address, cause)


_LISTEN_FIXES = {
    errno.EADDRINUSE: "the port is in use; `ss -ltnp` shows by whom, or configure another listen address",
    errno.EADDRNOTAVAIL: "this machine has no such address; `ip address` shows those that it has",
    errno.EACCES: "this account may not listen there; ports below 1024 need CAP_NET_BIND_SERVICE",
}
