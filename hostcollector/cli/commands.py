"""One function per command: the parsed flags in, the exit status out."""

import argparse
import socket
import sys
from dataclasses import replace

from hostcollector.cli.flags import settings_loader
from hostcollector.config import LogLevel, read_file
from hostcollector.metrics_table import TableFormat, render
from hostcollector.sources.names import NAMES


def serve(options: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    from hostcollector import app

    return app.serve(settings_loader(options))


def collect(options: argparse.Namespace) -> int:
    """Write one page to standard output."""
    settings = settings_loader(options)()
    from hostcollector import app, log

    log.configure(settings.log)
    page, libvirt_up = app.collect_once(settings)
    sys.stdout.buffer.write(page)
    sys.stdout.buffer.flush()
    return 0 if libvirt_up else 1


def diagnose(options: argparse.Namespace) -> int:
    """Print what every source can and cannot read."""
    settings = settings_loader(options)()
    from hostcollector import app, log
    from hostcollector.diagnose import healthy, lines

    log.configure(settings.log)
    snapshot = app.diagnose(settings)
    print(*lines(snapshot), sep="\n", flush=True)
    return 0 if healthy(snapshot) else 1


def check_config(options: argparse.Namespace) -> int:
    """Read a configuration file; whoever called sees the `ConfigError`."""
    read_file(options.file, [source.name for source in NAMES])
    print(f"{options.file}: valid", flush=True)
    return 0


def metrics(options: argparse.Namespace) -> int:
    """Print the catalogue."""
    print(render(TableFormat(options.format)), end="", flush=True)
    return 0


def top(options: argparse.Namespace) -> int:
    """Show the live table, of a running collector's page or of collections made here."""
    from hostcollector import top as table

    wanted = {
        "tenant": options.tenant,
        "sort": options.sort,
        "once": options.once,
        "interval": options.interval,
    }
    if options.url is not None:
        return table.run(options.url, **wanted)
    settings = settings_loader(options)()
    from hostcollector import app, log

    # Lines on standard error would tear the table, which says itself what is down.
    log.configure(replace(settings.log, level=LogLevel.ERROR))
    with app.collecting(settings) as collect_one:
        return table.watch(lambda: table.page_of(collect_one()), host=socket.gethostname(), **wanted)
