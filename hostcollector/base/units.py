"""Conversions to Prometheus base units."""

NANOSECONDS_PER_SECOND = 1_000_000_000
MICROSECONDS_PER_SECOND = 1_000_000
MILLISECONDS_PER_SECOND = 1_000
BYTES_PER_KIB = 1024
BITS_PER_BYTE = 8
BITS_PER_MBIT = 1_000_000


def seconds_from_ns(nanoseconds: int) -> float:
    """Return seconds for a kernel or QEMU time in nanoseconds."""
    return nanoseconds / NANOSECONDS_PER_SECOND


def seconds_from_us(microseconds: int) -> float:
    """Return seconds for a cgroup or PSI time in microseconds."""
    return microseconds / MICROSECONDS_PER_SECOND


def seconds_from_ms(milliseconds: int) -> float:
    """Return seconds for a libvirt job or monitor time in milliseconds."""
    return milliseconds / MILLISECONDS_PER_SECOND


def bytes_from_kib(kibibytes: int) -> int:
    """Return bytes for libvirt's and procfs' KiB values."""
    return kibibytes * BYTES_PER_KIB


def bytes_from_bits(bits: float) -> float:
    """Return bytes for a number of bits, such as a link's rate."""
    return bits / BITS_PER_BYTE


def bytes_from_mbit(megabits: int) -> int:
    """Return bytes for the kernel's Mbit, which are a million bits each."""
    return megabits * BITS_PER_MBIT // BITS_PER_BYTE
