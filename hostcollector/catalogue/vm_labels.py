"""What labels of the tenant page can be: the allow-list of their values."""

from collections.abc import Mapping

LONGEST_VALUE = 128
"""Characters of a label's value."""

MOST_SERIES = 1024
"""Series of one family of one VM."""

EVENT_WORDS = ("reboot", "crashed", "watchdog", "io_error", "memory_failure")
"""The events that a tenant sees. A VM is crashed when its kernel panicked."""

_NUMBER = "[0-9]{1,5}"
_HEX = "[0-9a-f]"
_UUID = f"{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}"
_REASONS = (
    *("sw_power_cap", "hw_slowdown", "hw_thermal", "hw_power_brake", "sync_boost", "sw_thermal"),
    *("clock_optimized_for_power", "clock_optimized_for_thermal"),
    *("power", "thermal", "board_limit", "reliability"),
)
_LINK_ERRORS = (
    *("crc_flit", "crc_data", "replay", "recovery", "receive", "symbol", "malformed_packet"),
    *("link_recovery", "link_downed", "link_down_unintended", "transmit_discard"),
)


def _words(*words: str) -> str:
    return "|".join(words)


LABELS: Mapping[str, str] = {
    "tenant": "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    "vm": _UUID,
    "vcpu": _NUMBER,
    "disk": _NUMBER,
    "nic": _NUMBER,
    "gpu": _NUMBER,
    "arch": "[a-z0-9_]{1,20}",
    "state": _words("running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended"),
    "check": _words("system", "instance"),
    "event": _words(*EVENT_WORDS),
    "direction": _words("read", "write", "total", "receive", "transmit"),
    "volume": f"({_UUID})?",
    "port": f"({_UUID})?",
    "address": f"({_HEX}{{4}}:{_HEX}{{2}}:{_HEX}{{2}}\\.[0-7])?",
    "model": "([A-Za-z0-9][A-Za-z0-9 ._/()+-]{0,63}|0x[0-9a-f]{4})?",
    "gpu_uuid": f"({_UUID})?",
    "engine": _words("gpu", "sm", "memory", "encoder", "decoder", "jpeg", "ofa"),
    "clock": _words("graphics", "sm", "memory", "video"),
    "reason": _words(*_REASONS),
    "memory": _words("dram", "sram"),
    "severity": _words("corrected", "uncorrected"),
    "kind": _words(*_LINK_ERRORS),
}
"""What the value of each label can be, as a regular expression for the whole value (RE2 and Python's).

A series with any other value, or with one longer than `LONGEST_VALUE`, is not on the tenant page.
"""
