"""What can go wrong with a call of NVML, by what it costs."""

from hostcollector.base.errors import HostcollectorError


class NvmlCallError(HostcollectorError):
    """A call of NVML gave no answer; the message is the library's."""


class UnsupportedError(NvmlCallError):
    """This driver or this GPU does not have the call: it need not be tried again."""


class NoAnswerError(NvmlCallError):
    """No answer this time; there may be one the next."""


class LostError(NvmlCallError):
    """The GPU does not answer its driver any more; the other ones do."""


class ClosedError(NvmlCallError):
    """The library or the driver is missing or went away: no call will be answered before the next start."""
