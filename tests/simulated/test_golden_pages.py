"""The simulated hosts' pages are the golden ones, so that a reviewer sees what a change does to a page."""

import pytest

from tests.simulated.golden import HOSTS, path


@pytest.mark.parametrize("name", HOSTS)
def test_the_page_is_the_golden_one(name: str) -> None:
    """Every series, label and value is as in the kept page; ``make golden`` writes a wanted change."""
    assert HOSTS[name]().splitlines() == path(name).read_text().splitlines()
