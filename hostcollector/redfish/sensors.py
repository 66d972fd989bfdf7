"""What the sensors in a GPU's chassis read, by what they say of themselves and not by their names."""

from collections.abc import Iterable, Mapping
from typing import Any

from hostcollector.redfish import texts
from hostcollector.redfish.links import text
from hostcollector.redfish.meanings import Counted, Meaning

# What a sensor of a GPU may be of; in a chassis there may be sensors of fans and power supplies too.
_CONTEXTS = frozenset({"", "GPU", "GPUSubsystem", "Accelerator", "Memory", "MemorySubsystem"})
# By ReadingType, but for temperatures.
_OF_GPU: Mapping[str, Meaning | Counted] = {
    "Power": Meaning("power_watts", texts.number),
    "EnergyJoules": Counted("energy_joules", texts.milli),
    "Voltage": Meaning("voltage_volts", texts.number),
}
_OF_MEMORY: Mapping[str, Meaning | Counted] = {"Power": Meaning("memory_power_watts", texts.number)}


def meanings(sensors: Mapping[str, dict[str, Any]], memories: Iterable[str]) -> dict[str, Meaning | Counted]:
    """Return what the sensors of a GPU mean, by path; `memories` are the Ids of its memories.

    Where two of them claim to read the same, neither is believed, unless one is numbered 0 among its kind.
    """
    claims: dict[Meaning | Counted, list[str]] = {}
    for path, sensor in sensors.items():
        meaning = _meaning(sensor, memories)
        if meaning is not None:
            claims.setdefault(meaning, []).append(path)
    return {_the_one(paths): meaning for meaning, paths in claims.items() if _the_one(paths)}


def _the_one(paths: list[str]) -> str:
    if len(paths) == 1:
        return paths[0]
    first = [path for path in paths if path.lower().endswith("temp_0")]
    return first[0] if len(first) == 1 else ""


def _meaning(sensor: dict[str, Any], memories: Iterable[str]) -> Meaning | Counted | None:
    """Return what a sensor reads; None for nothing of interest."""
    context, kind = text(sensor, "PhysicalContext"), text(sensor, "ReadingType")
    if context not in _CONTEXTS:
        return None
    of_memory = "Memory" in context or any(memory in text(sensor, "Id") for memory in memories)
    if kind == "Temperature":
        return _temperature(sensor, of_memory=of_memory)
    return (_OF_MEMORY if of_memory else _OF_GPU).get(kind)


def _temperature(sensor: dict[str, Any], *, of_memory: bool) -> Meaning | None:
    """Return what a sensor in degrees reads: a distance to a limit is never a temperature.

    The basis of the reading says which it is; older firmware says it in the description only.
    """
    basis = text(sensor, "ReadingBasis")
    if basis not in ("", "Zero") or "limit" in text(sensor, "Description").lower():
        is_headroom = not of_memory and basis in ("", "Headroom")
        return Meaning("temperature_headroom_celsius", texts.number) if is_headroom else None
    return Meaning("memory_temperature_celsius" if of_memory else "temperature_celsius", texts.number)
