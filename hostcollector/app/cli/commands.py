"""One function per command: the parsed flags in, the exit status out."""

import argparse
import socket
import sys
from pathlib import Path

from hostcollector.app.cli.by_hand import running_daemon, settings_by_hand
from hostcollector.app.cli.checking import look_at_files
from hostcollector.app.cli.complaints import WRONG_USE, complain
from hostcollector.app.cli.flags import settings_loader
from hostcollector.app.cli.running import safe_for_terminal
from hostcollector.base.log import LogLevel
from hostcollector.config.settings import Settings
from hostcollector.outputs.metrics_table import TableFormat, render


def serve(options: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    from hostcollector.app import collecting as app

    return app.serve(settings_loader(options))


def collect(options: argparse.Namespace) -> int:
    """Write one page to standard output, or what the stages of collections take."""
    settings = settings_by_hand(options)
    if options.profile:
        return _profile(settings, options.rounds)
    daemon = running_daemon(options, settings)
    if daemon is not None:
        text = daemon.read("/metrics")
        page, libvirt_up = text.encode(), daemon.state().libvirt_up
        if sys.stdout.isatty():
            page = safe_for_terminal(text).encode()
    else:
        from hostcollector.app import collecting as app
        from hostcollector.base import log

        log.configure(settings.log.level, settings.log.format)
        page, libvirt_up = app.collect_once(settings)
    sys.stdout.buffer.write(page)
    sys.stdout.buffer.flush()
    return 0 if libvirt_up else 1


def _profile(settings: Settings, rounds: int) -> int:
    from hostcollector.app import collecting as app
    from hostcollector.base import log
    from hostcollector.outputs.profile import table

    log.configure(settings.log.level, settings.log.format)
    print(*table(app.profile_collections(settings, rounds)), sep="\n", flush=True)
    return 0


def diagnose(options: argparse.Namespace) -> int:
    """Print what every source can and cannot read."""
    settings = settings_by_hand(options)
    daemon = running_daemon(options, settings)
    if daemon is not None:
        text, healthy = safe_for_terminal(daemon.read("/diagnose")).rstrip("\n"), daemon.state().healthy
    else:
        from hostcollector.app import collecting as app
        from hostcollector.base import log
        from hostcollector.outputs.diagnose import lines as diagnosis

        log.configure(settings.log.level, settings.log.format)
        snapshot = app.diagnose(settings)
        text, healthy = "\n".join(diagnosis.lines(snapshot)), diagnosis.healthy(snapshot)
    from hostcollector.outputs.diagnose.second_opinion import second_opinion
    from hostcollector.protocols.netlink.route_socket import RouteSocket

    print(text, "", "Second opinion:", sep="\n")
    print(
        *(f"  {line}" for line in second_opinion(Path(settings.paths.root), RouteSocket())),
        sep="\n",
        flush=True,
    )
    return 0 if healthy else 1


def check_config(options: argparse.Namespace) -> int:
    """Read the configuration and every file that it names; all that is wrong is said at once."""
    web_config: Path | None = vars(options).get("web.config_file")
    if options.file is None and web_config is None:
        options.wrong_use("FILE or --web.config.file=PATH is needed")
    valid, errors = look_at_files(options.file, web_config)
    for error in errors:
        complain(f"{error.origin} cannot be used:", *(f"  {problem}" for problem in error.problems))
    print(*(f"{file}: valid" for file in valid), sep="\n", end="\n" if valid else "", flush=True)
    return WRONG_USE if errors else 0


def metrics(options: argparse.Namespace) -> int:
    """Print the catalogue."""
    print(render(TableFormat(options.format)), end="", flush=True)
    return 0


def config(options: argparse.Namespace) -> int:
    """Print every key of the configuration and of the web-config file."""
    from hostcollector.app.cli.keys import render

    print(render(TableFormat(options.format)), end="", flush=True)
    return 0


def top(options: argparse.Namespace) -> int:
    """Show the live table, of a running collector's page or of collections made here."""
    from hostcollector.outputs.top.page import page_of, read_from
    from hostcollector.outputs.top.watching import run, watch

    wanted = {
        "tenant": options.tenant,
        "sort": options.sort,
        "once": options.once,
        "interval": options.interval,
    }
    if options.url is not None:
        return run(options.url, **wanted)
    settings = settings_by_hand(options)
    daemon = running_daemon(options, settings)
    host = socket.gethostname()
    if daemon is not None:
        return watch(lambda: read_from(daemon.read), host=host, **wanted)
    from hostcollector.app import collecting as app
    from hostcollector.base import log

    # Lines on standard error would tear the table, which says itself what is down.
    log.configure(LogLevel.ERROR, settings.log.format)
    with app.collecting(settings) as collect_one:
        return watch(lambda: page_of(collect_one()), host=host, **wanted)
