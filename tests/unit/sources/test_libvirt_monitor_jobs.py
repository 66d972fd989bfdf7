"""A guest's job is what the last look saw, for as long as that can be relied on."""

import math
from collections.abc import Iterator

import pytest

from hostcollector.base.model import Histogram
from hostcollector.catalogue import guest
from hostcollector.protocols.libvirt.connection import Link
from hostcollector.protocols.libvirt.pool import Workers
from hostcollector.sources.libvirt_monitor.jobs import LOOK_SECONDS, Jobs
from tests.fakes.clock import Clock
from tests.fakes.libvirt import FakeLibvirt


@pytest.fixture
def daemon() -> FakeLibvirt:
    """Give a daemon with one guest."""
    return FakeLibvirt(1)


@pytest.fixture
def clock() -> Clock:
    """Give a clock that does not move."""
    return Clock()


@pytest.fixture
def jobs(daemon: FakeLibvirt, clock: Clock) -> Iterator[Jobs]:
    """Give the jobs of that daemon's guest."""
    workers = Workers(Link("test:///default", opener=daemon.open))
    yield Jobs(workers.monitors, clock)
    workers.close()


def _read(jobs: Jobs, daemon: FakeLibvirt) -> list[float | Histogram]:
    uuid = daemon.domains[0].uuid
    return [sample.value for sample in jobs.read([uuid], math.inf) if sample.metric is guest.JOB_TYPE]


def test_a_look_into_a_command_keeps_what_the_one_before_saw(
    jobs: Jobs, daemon: FakeLibvirt, clock: Clock
) -> None:
    """That nothing can be asked says nothing about jobs; but after a while nothing is known any more."""
    assert _read(jobs, daemon) == [0]
    daemon.domains[0].occupy()
    clock.now += LOOK_SECONDS
    assert _read(jobs, daemon) == [0]
    clock.now += LOOK_SECONDS
    assert _read(jobs, daemon) == []
    daemon.free()
    assert _read(jobs, daemon) == [0]


def test_a_guest_that_is_gone_has_no_job(jobs: Jobs, daemon: FakeLibvirt, clock: Clock) -> None:
    """What libvirt does not know any more is not kept."""
    assert _read(jobs, daemon) == [0]
    daemon.domains[0].end()
    clock.now += LOOK_SECONDS
    assert _read(jobs, daemon) == []
