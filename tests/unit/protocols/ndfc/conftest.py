"""A controller with its authority, and the settings with which it can be read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hostcollector.config.services import NdfcSettings
from tests.fakes.authority import Authority
from tests.fakes.ndfc import FakeNdfc
from tests.fakes.rest import PASSWORD, keep_password


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority that only these tests trust."""
    return Authority.new(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def controller(authority: Authority) -> Iterator[FakeNdfc]:
    """Return a controller with a good certificate."""
    with FakeNdfc(authority.server("controller", "DNS:localhost")) as fake:
        yield fake


@pytest.fixture
def settings(controller: FakeNdfc, authority: Authority, tmp_path: Path) -> NdfcSettings:
    """Return the settings with which the controller can be read."""
    password = tmp_path / "password"
    keep_password(password, f"{PASSWORD}\n")
    return NdfcSettings(
        url=controller.url,
        user="reader",
        password_file=str(password),
        ca_file=str(authority.file),
        switches=("leaf1",),
        interval_seconds=1,
    )
