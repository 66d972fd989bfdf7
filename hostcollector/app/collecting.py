"""The commands' main functions: serve until a signal, collect once, measure, or diagnose."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from hostcollector.app.daemon import (
    FAREWELL_SECONDS,
    Daemon,
    LoadConfiguration,
    share_one_arena,
)
from hostcollector.app.wiring import Hypervisor
from hostcollector.base import log
from hostcollector.base.errors import ConfigError, ConfigUnreachableError, HostcollectorError
from hostcollector.base.lanes import Lane
from hostcollector.base.model import Snapshot
from hostcollector.base.stopwatch import Stage, Stopwatch, unmeasured
from hostcollector.base.systemd import listening_sockets
from hostcollector.catalogue.dropped import dropped, needed
from hostcollector.config import named_files
from hostcollector.config.settings import Configuration, Settings
from hostcollector.outputs import profile
from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format
from hostcollector.outputs.overview import overview
from hostcollector.outputs.tenant_page import report as tenant_report
from hostcollector.web.access import read_access_rules

logger = logging.getLogger("hostcollector")

# For one collection by hand: how long libvirt may take to list its guests.
FIRST_LISTING_SECONDS = 5.0
# And how long services that are read in the background may take, over a network: exploring a BMC is slow.
FIRST_ANSWERS_SECONDS = 30.0


def serve(load: LoadConfiguration) -> int:
    """Serve the page until SIGTERM or SIGINT; SIGHUP reads the configuration again. Returns the exit status.

    Raises `ConfigError` if the configuration is wrong at the start.
    """
    configuration = load()
    settings = configuration.settings
    log.configure(settings.log.level, settings.log.format)

    def load_again() -> Configuration:
        configuration = load()
        _warn(configuration.settings)
        return configuration

    _warn(settings)
    access = read_access_rules(settings.web.config_path)
    share_one_arena()
    try:
        sockets = listening_sockets() if settings.web.systemd_socket else ()
        asyncio.run(Daemon(load_again, configuration, access, sockets).run())
    except ConfigUnreachableError as error:
        # Exit status 1: systemd starts the daemon again, which it does not after a wrong configuration.
        logger.error("%s", error)
        return 1
    except ConfigError:
        raise
    except HostcollectorError as error:
        logger.error("%s", error)
        return 1
    return 0


def _warn(settings: Settings) -> None:
    """Log what the configuration permits and its operator may not mean.

    Secrets are looked at in a lane: if a disk hangs, only the service whose secret is on it is not read.
    """
    series = settings.series
    for sentence in needed(dropped(series.switched_off, series.drop)):
        logger.warning("%s", sentence)

    def look() -> None:
        for sentence in named_files.open_secrets(settings):
            logger.warning("%s", sentence)

    lane = Lane("secrets")
    lane.submit(look)
    lane.close()


def collect_once(settings: Settings, tenant: str | None = None) -> tuple[bytes, bool]:
    """Make one collection. Return the page as text 0.0.4, and whether libvirt answered.

    With `tenant` the page is that of a tenant.
    """
    with _opened(settings, FIRST_ANSWERS_SECONDS) as (hypervisor, collect):
        snapshot = collect()
        libvirt_up = bool(overview(snapshot).libvirt_up)
        if tenant is not None:
            return hypervisor.tenant_page.encode(snapshot, tenant), libvirt_up
        return Encoder().encode(snapshot, Format.TEXT), libvirt_up


def profile_collections(settings: Settings, rounds: int) -> list[profile.StageCost]:
    """Make `rounds` collections and pages, one after the other, and return what their stages take."""
    stopwatch = Stopwatch()
    anew = replace(settings, collection=replace(settings.collection, maximum_age_seconds=0.0))
    with collecting(anew, FIRST_ANSWERS_SECONDS, stopwatch.stage) as collect:
        return profile.measure(collect, stopwatch, rounds)


def diagnose(settings: Settings) -> tuple[Snapshot, list[str]]:
    """Make one collection. Return the snapshot, with every source's report, and the lines about tenants."""
    with _opened(settings, FIRST_ANSWERS_SECONDS) as (hypervisor, collect):
        snapshot = collect()
        page = hypervisor.tenant_page
        return snapshot, list(tenant_report.lines(page, snapshot, served=settings.tenants.page))


@contextmanager
def collecting(
    settings: Settings, patience: float = 0.0, stage: Stage = unmeasured
) -> Iterator[Callable[[], Snapshot]]:
    """Open the hypervisor for the context; gives the function that makes a collection.

    `patience` is how many seconds background sources may take for their first answers.
    """
    with _opened(settings, patience, stage) as (_, collect):
        yield collect


@contextmanager
def _opened(
    settings: Settings, patience: float, stage: Stage = unmeasured
) -> Iterator[tuple[Hypervisor, Callable[[], Snapshot]]]:
    hypervisor = Hypervisor.of(settings, by_hand=True, stage=stage)
    collector = hypervisor.collector(settings, stage)
    hypervisor.start()
    collector.start()
    try:
        hypervisor.inventory.wait_until_ready(FIRST_LISTING_SECONDS)
        collector.settle(patience)
        yield hypervisor, lambda: collector.snapshot().result()
    finally:
        collector.close()
        collector.wait_closed(FAREWELL_SECONDS)
        hypervisor.close()
