"""What the sensors in a GPU's chassis read, by what they say of themselves and not by their names."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from hostcollector.base.gaps import Gaps
from hostcollector.protocols.redfish.links import canonical, text
from hostcollector.protocols.redfish.meanings import Counted, Meaning
from hostcollector.protocols.redfish.texts import Scaled, ScaledMilli

# What a sensor of a GPU may be of; in a chassis there may be sensors of fans and power supplies too.
_CONTEXTS = frozenset({"", "GPU", "GPUSubsystem", "Accelerator", "Memory", "MemorySubsystem"})
_ROWS = {"Power": "power_watts", "Voltage": "voltage_volts", "EnergyJoules": "energy_joules"}
_ROWS_OF_MEMORY = {"Power": "memory_power_watts"}
_HEADROOM = "temperature_headroom_celsius"

# Units by ReadingType, in UCUM's case-sensitive codes and as some firmware writes them instead.
_UNITS: Mapping[str, Mapping[str, Scaled]] = {
    "Power": {
        **dict.fromkeys(("", "W", "Watts", "Watt"), Scaled()),
        "mW": Scaled(per=1000),
        "uW": Scaled(per=10**6),
        "kW": Scaled(times=1000),
        "MW": Scaled(times=10**6),
    },
    "Voltage": {
        **dict.fromkeys(("", "V", "Volts", "Volt"), Scaled()),
        "mV": Scaled(per=1000),
        "uV": Scaled(per=10**6),
        "kV": Scaled(times=1000),
    },
    "Temperature": {
        **dict.fromkeys(("", "Cel", "C", "Celsius", "degC"), Scaled()),
        "mCel": Scaled(per=1000),
        "K": Scaled(plus=-273.15),
        "[degF]": Scaled(times=5, per=9, plus=-160 / 9),
    },
}
_UNITS_OF_ENERGY: Mapping[str, ScaledMilli] = {
    **dict.fromkeys(("", "J", "Joules", "Joule"), ScaledMilli()),
    "mJ": ScaledMilli(per=1000),
    "uJ": ScaledMilli(per=10**6),
    "kJ": ScaledMilli(times=1000),
    "MJ": ScaledMilli(times=10**6),
    "W.h": ScaledMilli(times=3600),
    "kW.h": ScaledMilli(times=3_600_000),
}


def meanings(
    sensors: Mapping[str, dict[str, Any]], memories: Collection[str], gaps: Gaps
) -> dict[str, Meaning | Counted]:
    """Return what the sensors of a GPU mean, by path; `memories` are its memories' names, in small letters.

    Where two of them claim to read the same, neither is believed, unless one is numbered 0 among its kind.
    """
    claims: dict[str, list[str]] = {}
    found = {}
    for path, sensor in sensors.items():
        row = _row(sensor, memories)
        if not row:
            continue
        try:
            found[path] = _meaning(sensor, row)
        except KeyError:
            gaps.unread(path, f"its ReadingUnits {text(sensor, 'ReadingUnits')!r} are not known")
        else:
            claims.setdefault(row, []).append(path)
    for row, paths in claims.items():
        if not _the_one(paths):
            gaps.note(f"{' and '.join(paths[:2])} of the BMC both read {row}: neither is shown")
    return {path: found[path] for paths in claims.values() if (path := _the_one(paths))}


def _the_one(paths: list[str]) -> str:
    if len(paths) == 1:
        return paths[0]
    first = [path for path in paths if canonical(path).endswith("temp_0")]
    return first[0] if len(first) == 1 else ""


def _row(sensor: dict[str, Any], memories: Collection[str]) -> str:
    """Return the row that a sensor reads; empty for nothing of interest."""
    context, kind = text(sensor, "PhysicalContext"), text(sensor, "ReadingType")
    if context not in _CONTEXTS:
        return ""
    of_memory = "Memory" in context or any(memory in text(sensor, "Id").casefold() for memory in memories)
    if kind == "Temperature":
        return _temperature(sensor, of_memory=of_memory)
    return (_ROWS_OF_MEMORY if of_memory else _ROWS).get(kind, "")


def _temperature(sensor: dict[str, Any], *, of_memory: bool) -> str:
    """Return the row of a sensor in degrees: a distance to a limit is never a temperature.

    The basis of the reading says which it is; older firmware says it in the description only.
    """
    basis = text(sensor, "ReadingBasis")
    if basis not in ("", "Zero") or "limit" in text(sensor, "Description").lower():
        return _HEADROOM if not of_memory and basis in ("", "Headroom") else ""
    return "memory_temperature_celsius" if of_memory else "temperature_celsius"


def _meaning(sensor: dict[str, Any], row: str) -> Meaning | Counted:
    """Return how the number of a sensor is read. Raises `KeyError` for a unit that is not known."""
    kind, unit = text(sensor, "ReadingType"), text(sensor, "ReadingUnits")
    if kind == "EnergyJoules":
        return Counted(row, _UNITS_OF_ENERGY[unit])
    scale = _UNITS[kind][unit]
    # A distance has no offset: 10 K to the limit are 10 degrees.
    read: Callable[[str], float | None] = Scaled(scale.times, scale.per) if row == _HEADROOM else scale
    return Meaning(row, read)
