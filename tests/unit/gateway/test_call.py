"""Parameters of requests: what is read, and what is refused before it costs anything."""

import pytest

from hostcollector.gateway.api.call import limit_of
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
