"""A BMC with its authority, and what follows it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from hostcollector.config.services import RedfishSettings
from hostcollector.protocols.redfish.client import DEFAULT_LIMITS, RedfishClient
from hostcollector.protocols.redfish.values import BmcAnswer, Part
from hostcollector.protocols.rest.poller import Limits
from tests.fakes.authority import Authority
from tests.fakes.bmc import FakeBmc
from tests.fakes.rest import USER, keep_password

LIMITS = replace(DEFAULT_LIMITS, request_seconds=20.0, first_pause=0.05, longest_pause=0.1, login_pause=0.1)

Follow = Callable[..., RedfishClient]
FollowOf = Callable[[FakeBmc], Follow]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority that only these tests trust."""
    return Authority.new(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def bmc(authority: Authority) -> Iterator[FakeBmc]:
    """Return a BMC with eight GPUs of 18 NVLinks."""
    with FakeBmc(authority.server("bmc", "DNS:localhost")) as fake:
        yield fake


@pytest.fixture
def follow(bmc: FakeBmc, follow_of: FollowOf) -> Follow:
    """Return what makes a client that asks as often as it can, and for the ports in each round."""
    return follow_of(bmc)


@pytest.fixture
def follow_of(authority: Authority, tmp_path: Path) -> FollowOf:
    """Return what makes that for any BMC."""
    keep_password(tmp_path / "password")
    return partial(_client, authority, tmp_path)


def _client(authority: Authority, tmp_path: Path, bmc: FakeBmc) -> Follow:
    def made(limits: Limits = LIMITS, *, ports: int = 0) -> RedfishClient:
        settings = RedfishSettings(
            url=bmc.url,
            user=USER,
            password_file=str(tmp_path / "password"),
            ca_file=str(authority.file),
            interval_seconds=0,
            ports_interval_seconds=ports,
        )
        return RedfishClient(settings, limits=limits, environment={})

    return made


def part(answer: BmcAnswer, name: str) -> Part:
    """Return one part of an answer."""
    return next(part for part in answer.parts if part.name == name)
