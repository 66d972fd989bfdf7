"""A service with its authority, and a poller that reads one document of it."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hostcollector.config.services import ServiceSettings
from hostcollector.protocols.rest.http import Http
from hostcollector.protocols.rest.poller import Limits, Poller
from hostcollector.protocols.rest.target import Service, Target
from tests.fakes.authority import Authority
from tests.fakes.rest import PASSWORD, USER, FakeService, keep_password
from tests.unit.protocols.rest.polling import LIMITS

THINGS = "/api/things"
SERVICE = Service(name="Depot", section="depot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ServiceSettings):
    """What every section of such a service has, with a shorter interval."""

    user: str = USER
    interval_seconds: int = 1


class Things:
    """Asks for one list with the password in the header."""

    secrets: Collection[str] = ()

    async def ask(self, http: Http, target: Target) -> Any:
        """Return the list as it came."""
        return await http.get(THINGS, {"Authorization": f"Basic {target.basic}"})

    def forget(self) -> None:
        """Nothing is kept."""


Follow = Callable[..., Poller[Any]]


@pytest.fixture
def follow(settings: Settings) -> Follow:
    """Return what makes a poller, by default with the settings of the service."""

    def poller(given: Settings = settings, limits: Limits = LIMITS) -> Poller[Any]:
        return Poller(SERVICE, given, Things(), limits=limits, environment={})

    return poller


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority that only these tests trust."""
    return Authority.new(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def service(authority: Authority) -> Iterator[FakeService]:
    """Return a service with a good certificate and one document."""
    with FakeService(authority.server("service", "DNS:localhost")) as fake:
        fake.documents[THINGS] = ["a", "b"]
        yield fake


@pytest.fixture
def settings(service: FakeService, authority: Authority, tmp_path: Path) -> Settings:
    """Return the settings with which the service can be read."""
    keep_password(tmp_path / "password", f"{PASSWORD}\n")
    return Settings(url=service.url, password_file=str(tmp_path / "password"), ca_file=str(authority.file))
