"""A UFM with its authority, and the settings with which it can be read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hostcollector.config.services import UfmSettings
from tests.fakes.authority import Authority
from tests.fakes.rest import PASSWORD, USER, keep_password
from tests.fakes.ufm import FakeUfm


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority that only these tests trust."""
    return Authority.new(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def manager(authority: Authority) -> Iterator[FakeUfm]:
    """Return a manager with a good certificate."""
    with FakeUfm(authority.server("manager", "DNS:localhost")) as fake:
        yield fake


@pytest.fixture
def settings(manager: FakeUfm, authority: Authority, tmp_path: Path) -> UfmSettings:
    """Return the settings with which the manager can be read."""
    password = tmp_path / "password"
    keep_password(password, f"{PASSWORD}\n")
    return UfmSettings(
        url=manager.url,
        user=USER,
        password_file=str(password),
        ca_file=str(authority.file),
        interval_seconds=1,
    )
