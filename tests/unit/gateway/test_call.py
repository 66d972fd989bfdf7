"""Parameters of requests: what is read, and what is refused before it costs anything."""

import pytest

from hostcollector.gateway.api.call import instant_of, limit_of
from hostcollector.gateway.errors import QueryRefusedError


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "-1",
        "1001",
        "001001",
        "000001000000",
        "0" * 9 + "1",
        "000001" + "9" * 5000,
        "1_0",
        "\u0661",
        "1.0",
        " 1",
    ],
)
def test_a_limit_is_bounded_whatever_its_digits(text: str) -> None:
    """Leading zeros hide no larger number, and thousands of digits are no fault of the gateway."""
    with pytest.raises(QueryRefusedError, match="limit takes 1 to 1000"):
        limit_of(text, 1000)


def test_a_limit_may_have_leading_zeros() -> None:
    """They change nothing."""
    assert [limit_of(text, 1000) for text in ("1", "1000", "001000")] == [1, 1000, 1000]


@pytest.mark.parametrize(
    "text", ["-0", "-0.0", "-1", "-1h", "now", "1e400", "nan", "2026-01-31T12:00", "4294967296"]
)
def test_an_instant_is_never_what_the_store_reads_as_another_one(text: str) -> None:
    """It has times before now, milliseconds and a last instant: history would be another one."""
    with pytest.raises(QueryRefusedError, match="Unix seconds"):
        instant_of(text, "time")
