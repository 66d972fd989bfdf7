"""What each row of the matrix starts from, and the table at the end of the run."""

from collections.abc import Iterator
from functools import partial

import pytest

from tests.lab.image import GuestImage
from tests.lab.matrix.row import Begin, row
from tests.lab.matrix.scene import Scene, scene
from tests.lab.matrix.table import Result, markdown

RESULTS = pytest.StashKey[list[Result]]()


@pytest.fixture
def begin(pytestconfig: pytest.Config) -> Begin:
    """Give what begins a row of the table."""
    return partial(row, pytestconfig.stash.setdefault(RESULTS, []))


@pytest.fixture(scope="package")
def on_stage(guest_image: GuestImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Give the scene that rows share: each of them leaves it as it was."""
    with scene(guest_image, tmp_path_factory.mktemp("scene")) as shared:
        yield shared


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    if results := config.stash.get(RESULTS, []):
        terminalreporter.section("fault matrix")
        terminalreporter.write_line(markdown(results))
