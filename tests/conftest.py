"""Where the laboratory is missing, its tests are skipped with the reason, or fail where it is required.

No test fails because the machine is busy: property tests have no deadline but the one of all tests.
"""

import os

import pytest
from hypothesis import settings

from tests.lab import laboratory

# How long an example takes says more about the machine than about the code.
settings.register_profile("ordinary", deadline=None)
# For `make fuzz` where atheris is not to be had.
settings.register_profile("long", deadline=None, max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ordinary"))

PATIENCE = 5
"""How many times the time of an idle machine a test of the laboratory or fleet may take before it is hung."""

pytest_plugins = ["tests.blocking", "tests.lab.fixtures"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first, so that workers that run side by side end at the same time.

    A laboratory or a fleet that shares its processors is slow: the deadline is only for tests that hang.
    """
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    for item in items:
        if any(item.get_closest_marker(name) for name in ("lab", "fleet")):
            usual = item.get_closest_marker("timeout")
            seconds = usual.args[0] if usual else float(item.config.getini("timeout"))
            item.add_marker(pytest.mark.timeout(seconds * PATIENCE), append=False)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Decide on a test marked `lab` or `fleet` before any of its fixtures is set up."""
    reason = None
    if item.get_closest_marker("lab") is not None:
        reason = laboratory.missing()
    elif item.get_closest_marker("fleet") is not None and "HOSTCOLLECTOR_FLEET" not in os.environ:
        reason = "the fleet's tests run in namespaces of their own: use 'make fleet'"
    if reason is None:
        return
    if os.environ.get("HOSTCOLLECTOR_LAB") == "required":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
