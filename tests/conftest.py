"""Where the laboratory is missing, its tests are skipped with the reason, or fail where it is required.

No test fails because the machine is busy: property tests have no deadline but the one of all tests.
"""

import os

import hypothesis
import pytest

from tests.lab import laboratory

hypothesis.settings.register_profile("without a clock", deadline=None)
hypothesis.settings.load_profile("without a clock")

pytest_plugins = ["tests.blocking", "tests.lab.fixtures"]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Decide on a test marked `lab` before any of its fixtures is set up."""
    if item.get_closest_marker("lab") is None or (reason := laboratory.missing()) is None:
        return
    if os.environ.get("HOSTCOLLECTOR_LAB") == "required":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
