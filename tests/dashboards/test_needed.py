"""The list of which shipped rules and boards need which row."""

from tests.dashboards.needed import FILE, text


def test_the_list_is_current() -> None:
    """A warning about a dropped row names the present rules and boards."""
    assert FILE.read_text() == text(), "run: make dashboards"
