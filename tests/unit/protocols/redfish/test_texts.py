"""The texts of metric reports: numbers, durations, words, and what is none of these."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.protocols.redfish import texts
from hostcollector.protocols.redfish.properties import reasons_held


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("P1DT17H41M2.268611840S", 150_062_268_611_840),
        ("PT0S", 0),
        ("PT1.5S", 1_500_000_000),
        ("P2D", 172_800_000_000_000),
        ("PT3M", 180_000_000_000),
        ("PT0.0000000019S", 1),
    ],
)
def test_durations(text: str, nanoseconds: int) -> None:
    """ISO 8601 durations are read to the nanosecond."""
    assert texts.nanoseconds(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "P", "PT", "P1Y", "P1M", "1 day", "-PT1S", "PT1,5S", "PT1S ", "P" * 99])
def test_what_is_no_duration(text: str) -> None:
    """A text that is no duration, or one with months or years, is no value."""
    assert texts.nanoseconds(text) is None


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-inf", "NA", "", "1_000", "1e999", "0x10", "٣"])
def test_what_is_no_number(text: str) -> None:
    """Neither nan nor anything else that is no number becomes a value."""
    assert texts.number(text) is None
    assert texts.count(text) is None


def test_large_counters_are_exact() -> None:
    """A counter of 64 bits loses none of them."""
    assert texts.count("18446744073709551615") == 2**64 - 1
    assert texts.count("232168.000000") == 232168
    assert texts.milli("232168.250000") == 232168250
    assert texts.count("-1") is None
    assert texts.count("99999999999999999999") is None


@given(st.text())
@pytest.mark.parametrize(
    "read",
    [texts.number, texts.count, texts.milli, texts.share, texts.truth, texts.health, texts.nanoseconds],
)
def test_no_text_breaks_the_reading(read: Callable[[str], float | None], text: str) -> None:
    """Whatever a BMC writes, it is a number or nothing."""
    value = read(text)
    assert value is None or value == value  # noqa: PLR0124 - not a nan


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("NA", set()),
        ("[]", set()),
        ('["NA"]', set()),
        ("SWPowerCap", {"sw_power_cap"}),
        ('["SWPowerCap", "HWThermalSlowdown"]', {"sw_power_cap", "hw_thermal"}),
        ("SyncBoost,HWPowerBrakeSlowdown", {"sync_boost", "hw_power_brake"}),
        ("Current GPU temperature above the GPU Max Operating Temperature", {"sw_thermal"}),
    ],
)
def test_reasons_for_throttling(text: str, held: set[str]) -> None:
    """Every form of the list gives 1 for the reasons in it and 0 for all others."""
    found = reasons_held(text)
    assert {reason for reason, value in found.items() if value} == held
    assert len(found) == 8


def test_unknown_reasons_are_not_none() -> None:
    """A text that names no known reason does not say that there is none."""
    assert reasons_held("nan") == {}
    assert reasons_held("") == {}
    assert reasons_held("SomethingNew") == {}
