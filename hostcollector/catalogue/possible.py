"""What the values of a row can be, by name: a row says `can_be=RATIO`, and a value of 2.55 is left out.

Gauges are `measured`, counters are `counted`. The bounds are far beyond what hardware of today does, and far
below what a failed read says: all ones or -1 in 8, 16, 32 or 64 bits, before or after a unit's conversion.
"""

from collections.abc import Iterable

from hostcollector.base.model import Given, Metric, Possible
from hostcollector.base.units import BYTES_PER_KIB, NANOSECONDS_PER_SECOND

AHEAD_SECONDS = 60.0
"""How far a time may be ahead of a collection's: it takes a while, and clocks are set."""

# A negative number, read as an unsigned one of 64 bits, is above this.
_MOST_IN_64_BITS = 2**64 - 2**40
# What a counter of 64 bits shows when it is one of 32 bits at its end, or signed and at either end.
_ALL_ONES = (2**32 - 1, 2**63 - 1, 2**63)
_LEAST_UNKNOWN = min(_ALL_ONES)
_UNKNOWN_COUNTS = frozenset((*_ALL_ONES, *(one * BYTES_PER_KIB for one in _ALL_ONES)))


def is_unknown_count(raw: int) -> bool:
    """Whether a raw count means "not known": negative, or all ones, in units of one or of 1,024."""
    if 0 <= raw < _LEAST_UNKNOWN:
        return False
    return (
        raw < 0
        or raw in _UNKNOWN_COUNTS
        or _MOST_IN_64_BITS <= raw < 2**64
        or _MOST_IN_64_BITS * BYTES_PER_KIB <= raw < 2**64 * BYTES_PER_KIB
    )


def fastest(row: Metric, scale: float = 1) -> float:
    """Return by how much a counter grows in a second at most, in raw counts of which `scale` make a unit."""
    return scale * (row.can_be.per_second or 0.0)


def measured(
    least: float,
    most: float,
    *,
    unknown: Iterable[float],
    given: Given | None = None,
    within: Metric | None = None,
) -> Possible:
    """Return what a gauge can be: `least` to `most` in the base unit, but none of `unknown`."""
    bounds = (
        f"{_short(least)} to {_short(most)}" if least < most else _short(least),
        f"at most {given}" if given else "",
        f"at most {within.name}" if within else "",
    )
    return Possible(
        least=least,
        most=most,
        unknown=_inside(unknown, least, most),
        per_second=None,
        text="; ".join(filter(None, bounds)),
        given=given,
        within=within,
    )


def counted(
    per_second: float, *, step: float = 1, bits: int = 64, saturates: bool = False, given: Given | None = None
) -> Possible:
    """Return what a counter can be, which grows by `per_second` at most.

    `step` is what one count of the device is in the base unit, `bits` how wide it counts. One that
    `saturates` stays at its last number, and says nothing any more.
    """
    most = (_MOST_IN_64_BITS if bits == 64 else 2**bits - 1) * step
    last = (2**bits - 1) * step
    growth = f"grows by {_short(per_second)}/s at most"
    return Possible(
        least=0,
        most=most,
        unknown=frozenset([last]) if saturates else _inside((one * step for one in _ALL_ONES), 0, most),
        per_second=per_second,
        text=f"{growth} for each of {given}"
        if given
        else f"{growth}; {_short(last)} is its end"
        if saturates
        else growth,
        given=given,
    )


def unbounded(reason: str) -> Possible:
    """Return what a gauge can be that has no bounds, for a `reason`; it is still a finite number."""
    return Possible(
        least=-(2.0**1023), most=2.0**1023, unknown=frozenset(), per_second=None, text=f"any number: {reason}"
    )


def code(last: int) -> Possible:
    """Return what a number that encodes a word can be: 0 to `last`."""
    return measured(0, last, unknown=())


def number_of(most: float, *, least: float = 0, within: Metric | None = None) -> Possible:
    """Return what a number of things can be."""
    return measured(least, most, unknown=(), within=within)


def _inside(values: Iterable[float], least: float, most: float) -> frozenset[float]:
    return frozenset(value for value in values if least <= value <= most)


def _short(value: float) -> str:
    """Return a bound for people: powers of two and of ten as such."""
    if abs(value) < 100_000:
        return f"{value:g}"
    whole = int(value)
    if whole == value and whole & (whole - 1) == 0:
        return f"2^{whole.bit_length() - 1}"
    return f"{value:.3g}".replace("e+", "e")


# Gauges.
ONE = measured(1, 1, unknown=())
FLAG = code(1)
RATIO = measured(0, 1, unknown=())
PERCENT = measured(0, 100, unknown=())
# -1 is all ones, signed; what computes is never that cold.
CELSIUS = measured(-40, 200, unknown=(-1,))
# One device: a GPU, its memory. 65535 is 16 bits of ones, and 65.535 is that in milliwatts.
WATTS = measured(0, 10_000, unknown=(65.535,))
VOLTS = measured(0, 60, unknown=())
HERTZ = measured(0, 2e10, unknown=())
# How long something took or takes, how old it is; 4294.967295 and 4294967.295 are 32 bits of us and ms.
DURATION = measured(0, 1e9, unknown=(4294.967295, 4294967.295))
# A Unix time; 0 means never.
TIMESTAMP = measured(1, 2**33, unknown=(2**32 - 1, 2**31 - 1), given=Given.PRESENT)
# A disk, an image, a job's data: up to 1 EiB.
DISK_SIZE = measured(0, 2**60, unknown=())
# Memory of one host, up to 1 PiB.
MEMORY = measured(0, 2**50, unknown=(2**32 - 1, (2**32 - 1) * BYTES_PER_KIB))
# What is said of a guest's memory by QEMU or by the guest.
GUEST_MEMORY = measured(0, 2**50, unknown=MEMORY.unknown, given=Given.MEMORY)
BYTES_PER_SECOND = measured(0, 1e12, unknown=(2**32 - 1,))
VCPUS = number_of(2**16)
CPUS = number_of(2**20)

# Counters: of the fastest device that there is, with room.
NETWORK_BYTES = counted(2e11)
DISK_BYTES = PCIE_BYTES = counted(1e12)
NVLINK_BYTES = counted(1e13, step=BYTES_PER_KIB)
PACKETS = counted(1e10)
REQUESTS = counted(1e9)
# Faults, context switches, flits: each takes a processor or a link some nanoseconds.
EVENTS = counted(1e9)
# Errors of a device that still works.
ERRORS = counted(1e6)
# Time of one thread, or time that passes for a group of them.
SECONDS = counted(1, step=1 / NANOSECONDS_PER_SECOND, bits=63)
# Time of all of a guest's threads together.
GUEST_CPU_SECONDS = counted(1, step=1e-6, given=Given.VCPUS)
# Waiting times of many requests, summed.
SUMMED_SECONDS = counted(1e6, step=1 / NANOSECONDS_PER_SECOND, bits=63)
# As the driver counts it, in mJ.
JOULES = counted(10_000, step=1e-3)
# Observations in the buckets of a histogram.
OBSERVATIONS = counted(1e9)
