"""One function per command: the parsed flags in, the exit status out."""

import argparse
import socket
import sys
from dataclasses import replace
from pathlib import Path

from hostcollector.cli.flags import settings_loader
from hostcollector.config import LogLevel, read_file
from hostcollector.metrics_table import TableFormat, render
from hostcollector.sources.names import NAMES


def serve(options: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    from hostcollector import app

    return app.serve(settings_loader(options))


def collect(options: argparse.Namespace) -> int:
    """Write one page to standard output, or what its stages take."""
    settings = settings_loader(options)()
    from hostcollector import app, log
    from hostcollector.profile import table

    log.configure(settings.log)
    if options.profile:
        print(*table(app.profile_collections(settings, options.rounds)), sep="\n", flush=True)
        return 0
    page, libvirt_up = app.collect_once(settings)
    sys.stdout.buffer.write(page)
    sys.stdout.buffer.flush()
    return 0 if libvirt_up else 1


def diagnose(options: argparse.Namespace) -> int:
    """Print what every source can and cannot read."""
    settings = settings_loader(options)()
    from hostcollector import app, log
    from hostcollector.diagnose import healthy, lines
    from hostcollector.rtnetlink import RouteSocket
    from hostcollector.second_opinion import second_opinion

    log.configure(settings.log)
    snapshot = app.diagnose(settings)
    print(*lines(snapshot), "", "Second opinion:", sep="\n")
    print(
        *(f"  {line}" for line in second_opinion(Path(settings.paths.root), RouteSocket())),
        sep="\n",
        flush=True,
    )
    return 0 if healthy(snapshot) else 1


def check_config(options: argparse.Namespace) -> int:
    """Read the configuration and what it names for TLS; whoever called sees the `ConfigError`."""
    settings = read_file(options.file, [source.name for source in NAMES])
    web_config: Path | None = vars(options).get("web.config.file", settings.web.config_path)
    if options.file is None and web_config is None:
        options.wrong_use("FILE or --web.config.file=PATH is needed")
    if web_config is not None:
        from hostcollector.web import open_door

        open_door(web_config)
    print(*(f"{file}: valid" for file in (options.file, web_config) if file), sep="\n", flush=True)
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
