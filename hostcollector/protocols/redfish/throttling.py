"""Why the clocks are held down, in the words of NVML, from the words of the BMC."""

import re

# The BMC's words (NVIDIA's dbus_utils.hpp) to the label's values, which are those of the NVML source.
_REASONS = {
    "SWPowerCap": "sw_power_cap",
    "HWSlowdown": "hw_slowdown",
    "HWThermalSlowdown": "hw_thermal",
    "HWPowerBrakeSlowdown": "hw_power_brake",
    "SyncBoost": "sync_boost",
    "ClockOptimizedForPower": "clock_optimized_for_power",
    "ClockOptimizedForThermalEngage": "clock_optimized_for_thermal",
}
_SOFTWARE_THERMAL = "sw_thermal"
# One reason is a sentence: nvml.h explains nvmlClocksThrottleReasonSwThermalSlowdown with it.
_SENTENCE = "temperature above"
_NONE = frozenset({"NA", "None"})
_WORD = re.compile(r"[A-Za-z]+")


def reasons_held(text: str) -> dict[str, float]:
    """Return 1 or 0 for each reason; nothing for a text that names none of them and does not say "none".

    The list comes as one word, as a list in JSON or with commas, from firmware to firmware.
    """
    words = set(_WORD.findall(text))
    held = {_REASONS[word] for word in words & _REASONS.keys()}
    if _SENTENCE in text:
        held.add(_SOFTWARE_THERMAL)
    if not text or (not held and words and not words <= _NONE):
        return {}
    return {reason: float(reason in held) for reason in (*_REASONS.values(), _SOFTWARE_THERMAL)}
