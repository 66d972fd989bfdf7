"""Since when devices are with their present owners, as far as it was watched."""

import math
from collections.abc import Mapping

from hostcollector.devices.baselines import same_stay
from hostcollector.devices.owners import Owner


class Stays:
    """Remembers for each device its owner's stay and when that was first seen, in monotonic seconds.

    What was asked of the BMC before is of an earlier owner. An owner that is there at the first look counts
    as having been there: else a collection by hand, which has one look only, would show nothing.
    """

    def __init__(self) -> None:
        self._stays: dict[str, tuple[str, float]] = {}
        self._looked = False

    def look(self, owners: Mapping[str, Owner], now: float) -> None:
        """Take note of who owns what now."""
        for device, owner in owners.items():
            stay, _ = self._stays.get(device, ("", 0.0))
            if device not in self._stays or not same_stay(stay, owner.stay):
                self._stays[device] = owner.stay, now if self._looked else -math.inf
        for device in self._stays.keys() - owners.keys():
            del self._stays[device]
        self._looked = self._looked or bool(owners)

    def since(self, device: str) -> float:
        """Return since when the device is with its present owner; for ever if it is not watched."""
        return self._stays.get(device, ("", -math.inf))[1]
