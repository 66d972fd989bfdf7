"""The commands, one function each: parsed flags in, exit status out."""

import argparse
import os
import socket
import sys
from pathlib import Path

from hostcollector.app.cli import discovery, remote, textfile
from hostcollector.app.cli.flags import KNOWN, configuration_loader, overrides
from hostcollector.app.cli.running import (
    DaemonSilentError,
    NotRunningError,
    RunningDaemon,
    daemon_at,
    safe_for_terminal,
)
from hostcollector.base.errors import listen_error
from hostcollector.base.log import LogLevel
from hostcollector.base.wording import one_line
from hostcollector.config.reader import changed
from hostcollector.config.settings import PathSettings, Settings, read_settings
from hostcollector.outputs import tenant_table
from hostcollector.outputs.metrics_table import TableFormat, render
from hostcollector.outputs.tenant_page import PATH

FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130

DEPLOYED = Path("/etc/hostcollector/hostcollector.yml")
"""The configuration of the service, which the Ansible role and the package install."""


def complain(first: str, *rest: str) -> None:
    """Write a sentence and its details to standard error."""
    print(f"hostcollector: {one_line(first)}", *map(one_line, rest), sep="\n", file=sys.stderr, flush=True)


def serve(options: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    from hostcollector.app import collecting as app

    return app.serve(configuration_loader(options))


def collect(options: argparse.Namespace) -> int:
    """Write one page to standard output or to a file, or what the stages of collections take."""
    if options.profile and options.tenant is not None:
        options.wrong_use("--profile is about the operator's page: leave out --tenant")
    if options.profile and options.output is not None:
        options.wrong_use("--profile prints to standard output: leave out --output")
    settings = settings_by_hand(options)
    if options.profile:
        return _profile(settings, options.rounds)
    if options.output is not None:
        textfile.require_place(options.output)
    page, libvirt_up = _page(options, settings, options.tenant)
    if options.output is None and sys.stdout.isatty():
        page = safe_for_terminal(page.decode(errors="replace")).encode()
    if options.tenant is not None and not page:
        complain(f"no VM of tenant {options.tenant} is on the tenant page: `hostcollector diagnose` says why")
    if options.output is not None:
        textfile.write(options.output, page)
    else:
        sys.stdout.buffer.write(page)
        sys.stdout.buffer.flush()
    return 0 if libvirt_up else 1


def query(options: argparse.Namespace) -> int:
    """Print the series of one page that a selector of PromQL accepts."""
    from hostcollector.outputs.query import matching, why_none

    named = remote.named(options)
    if named is not None:
        text = named.read()
    else:
        text = _page(options, settings_by_hand(options))[0].decode(errors="replace")
    try:
        found = [*matching(text, options.selector)]
    except ValueError:
        complain("the answer is not a metrics page")
        return FAILED
    print(*map(one_line, found), sep="\n", end="\n" if found else "", flush=True)
    if not found:
        complain(why_none(text, options.selector))
    return 0 if found else FAILED


def _page(options: argparse.Namespace, settings: Settings, tenant: str | None = None) -> tuple[bytes, bool]:
    """Return the running daemon's page, or one of a collection here; and whether libvirt answered.

    With a `tenant` it is the page that this tenant sees.
    """
    daemon = running_daemon(options, settings)
    if daemon is not None:
        page = daemon.read("/metrics" if tenant is None else f"{PATH}?tenant={tenant}")
        return page.encode(), daemon.state().libvirt_up
    from hostcollector.app import collecting as app
    from hostcollector.base import log

    log.configure(settings.log.level, settings.log.format)
    return app.collect_once(settings, tenant)


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
        snapshot, tenants = app.diagnose(settings)
        text = "\n".join((*diagnosis.lines(snapshot), "", *tenants))
        healthy = diagnosis.healthy(snapshot)
    from hostcollector.outputs.diagnose.second_opinion import second_opinion
    from hostcollector.protocols.netlink.route_socket import RouteSocket

    title = "The collector's reading of network links, compared with that of the library pyroute2:"
    print(text, "", title, sep="\n")
    print(
        *(f"  {line}" for line in second_opinion(Path(settings.paths.root), RouteSocket())),
        sep="\n",
        flush=True,
    )
    return 0 if healthy else 1


def usage(options: argparse.Namespace) -> int:
    """Print the usage records of this host's ledger, which is only read."""
    from hostcollector.outputs.usage.ledger import Ledger
    from hostcollector.outputs.usage.table import Wanted, records, table

    ledger = Ledger(Path(settings_by_hand(options).paths.state_directory), writes=False)
    ledger.open()
    if not ledger.directory.is_dir():
        complain(f"{ledger.directory} has no usage records: usage.records switches them on")
        return FAILED
    if not ledger.last:
        complain("no hour is closed yet: records are written some seconds after the end of an hour")
    wanted = Wanted(after=options.after, tenant=options.tenant, vm=options.vm)
    found = records(ledger, wanted)
    shown = (record.line() for record in found) if options.json else table(found)
    for line in shown:
        print(line, flush=options.json)
    return 0


def metrics(options: argparse.Namespace) -> int:
    """Print the catalogue, or what tenants see of it."""
    form = tenant_table.TenantFormat(options.format)
    if form is tenant_table.TenantFormat.RELABEL and not options.tenant:
        options.wrong_use("--format=relabel is the allow-list of tenants: add --tenant")
    text = tenant_table.render(form) if options.tenant else render(TableFormat(form))
    print(text, end="", flush=True)
    return 0


def config(options: argparse.Namespace) -> int:
    """Print every key of the configuration and of the web-config file."""
    from hostcollector.app.cli.keys import render

    print(render(TableFormat(options.format)), end="", flush=True)
    return 0


def top(options: argparse.Namespace) -> int:
    """Show the live table, from a running collector's page or from collections made here."""
    from hostcollector.outputs.top.page import page_of, read_from
    from hostcollector.outputs.top.watching import run, watch

    selection = {
        "tenant": options.tenant,
        "sort": options.sort,
        "once": options.once,
        "interval": options.interval,
    }
    named = remote.named(options)
    if named is not None:
        return run(named, **selection)
    settings = settings_by_hand(options)
    daemon = running_daemon(options, settings)
    host = socket.gethostname()
    if daemon is not None:
        return watch(lambda: read_from(daemon.read), host=host, **selection)
    from hostcollector.app import collecting as app
    from hostcollector.base import log

    # Log lines on standard error would tear the table, which shows itself what is down.
    log.configure(LogLevel.ERROR, settings.log.format)
    with app.collecting(settings) as collect_one:
        return watch(lambda: page_of(collect_one()), host=host, **selection)


def sd(options: argparse.Namespace) -> int:
    """Print, write or serve Prometheus's targets, made from an inventory of Ansible."""
    wanted = discovery.Wanted(options.group, options.port, options.labels)
    if options.listen is None:
        found = discovery.targets(discovery.read(options.inventory), wanted)
        discovery.put(options.output, discovery.document(found))
        return 0
    if options.inventory == discovery.STANDARD_INPUT:
        options.wrong_use("--listen reads the inventory for each request: name a file")
    from hostcollector.app.cli.discovery_http import server

    try:
        http = server(options.listen, options.inventory, wanted)
    except OSError as error:
        raise listen_error(str(options.listen), error) from error
    with http:
        complain(f"targets at http://{options.listen}/")
        http.serve_forever()
    return 0


def settings_by_hand(options: argparse.Namespace) -> Settings:
    """Return the settings from flags and configuration file; by default the deployed file.

    Raises `ConfigError`.
    """
    path: Path | None = vars(options).get("config.file")
    if path is None and DEPLOYED.exists():
        if os.access(DEPLOYED, os.R_OK):
            path = DEPLOYED
            complain(f"with {DEPLOYED}")
        else:
            complain(f"without {DEPLOYED}, which this account may not read: the defaults apply")
    return changed(read_settings(path, KNOWN), overrides(options))


def running_daemon(options: argparse.Namespace, settings: Settings) -> RunningDaemon | None:
    """Return the daemon to read, or None to collect here; writes which to standard error.

    Raises `DaemonSilentError` when a daemon listens but does not answer.
    """
    if why := _own(options, settings):
        complain(f"collecting here: {why}")
        return None
    try:
        daemon = daemon_at(settings.paths.runtime_directory, settings.collection.budget_seconds)
        state = daemon.state()
    except NotRunningError as error:
        complain(f"collecting here: {error}")
        return None
    except DaemonSilentError as error:
        raise DaemonSilentError(f"{error}; --own collects here instead") from error
    complain(f"reading the running daemon {state.version}, process {state.pid}; --own collects here instead")
    return daemon


def _own(options: argparse.Namespace, settings: Settings) -> str:
    """Return why the running daemon cannot be read for this command; empty if it can."""
    path: Path | None = vars(options).get("config.file")
    if options.own:
        return "--own"
    if any(key.startswith(("libvirt.", "sources.")) for key in overrides(options)):
        return "flags select what to collect"
    default = PathSettings().runtime_directory
    if path is not None and path.absolute() != DEPLOYED and settings.paths.runtime_directory == default:
        return f"{path} is not the service's configuration"
    return ""
