"""What the collector remembers of the guests' monitors from one reading, and one reload, to the next."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from hostcollector.guests.halts import Halts
from hostcollector.protocols.libvirt.pool import Pool


@dataclass(slots=True)
class Memory:
    """The workers for monitors, the QEMUs that are halted, and the guests that `answered` last time.

    Made once for the process: the guests behind it stay the same over reloads, and so do stuck calls.
    """

    pool: Pool
    halts: Halts
    answered: AbstractSet[str] = field(default_factory=frozenset)
