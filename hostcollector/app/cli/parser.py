"""The commands with their flags and help texts."""

import argparse
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hostcollector import __version__
from hostcollector.app.cli import checking, commands, discovery, remote, textfile
from hostcollector.app.cli.flags import add_common_flags, add_flags_by_hand, add_web_config_flag
from hostcollector.catalogue.vm_labels import LABELS
from hostcollector.outputs.metrics_table import TableFormat
from hostcollector.outputs.query import Selector, SelectorError, parse_selector
from hostcollector.outputs.tenant_table import TenantFormat
from hostcollector.outputs.top.guests import SORTS

_DESCRIPTION = (
    "Shows a hypervisor's QEMU guests from the outside, by tenant, to Prometheus and in the terminal."
)
_EPILOG = """\
Without a command, hostcollector serves. Every flag has a default; no configuration file is needed.
collect, diagnose, query and top read the daemon that runs on this machine, and take its configuration
(/etc/hostcollector/hostcollector.yml) if they collect themselves.
`hostcollector COMMAND --help` lists a command's flags.

examples:
  hostcollector                                      serve http://127.0.0.1:10177/metrics
  hostcollector serve --web.listen-address=:10177    the same on every address of the machine
  hostcollector serve --config.file=/etc/hostcollector/hostcollector.yml
  hostcollector serve --no-collector.cgroup          without one of the sources
  hostcollector collect | grep libvirt_domain_vcpu   one page to standard output
  hostcollector collect --output=/var/lib/prometheus/node-exporter/hostcollector.prom
  hostcollector query 'libvirt_domain_info_vstate{tenant="acme"}'
  hostcollector diagnose                             what can and cannot be read here, and how to fix it
  hostcollector top --tenant=acme                    a live table of a tenant's guests
  hostcollector collect --tenant=acme                what that tenant sees of its VMs

exit status:
  0    success
  1    libvirt or a source could not be read, the port is in use, or a similar failure
  2    wrong flags or configuration; every problem is listed
  130  interrupted from the keyboard
"""

_CHECK_TEACHES = """\
Without --host the files are read as the account that runs the command: it can be root, and may see files that
the service cannot. The limits that systemd sets for the service, such as ProtectHome, are not checked.
Series that are dropped although a shipped rule or board needs them are warnings: they change no exit status.

examples:
  hostcollector check-config /etc/hostcollector/hostcollector.yml
  hostcollector check-config --host        the deployed configuration, as the service would read it here
"""

_QUERY_TEACHES = """\
The page is read over the daemon's own socket: neither TLS nor a password is in the way. Quote the
selector, because the shell takes braces and quotes for itself. Matchers are =, !=, =~ and !~. A regular
expression is for the whole value, in the syntax of Prometheus (RE2): lookahead and backreferences are
errors. Labels that Prometheus adds, such as instance and job, are not on the page. Functions, ranges and
comparisons need a Prometheus.

examples:
  hostcollector query libvirt_up
  hostcollector query 'hostcollector_source_missing{source="sriov"}'
  hostcollector query 'libvirt_domain_info_vstate{tenant="acme",domain=~"web-.*"}'
  hostcollector query '{uuid="7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55"}'   everything about one guest
  hostcollector query '{__name__=~"hostcollector_host_gpu_.*"}'
  hostcollector query --url=https://hv-7:10177 --ca-file=ca.pem --cert-file=me.pem libvirt_up
`hostcollector metrics` lists the names and their labels.

exit status: 0 if a series matched, 1 if none did, 2 for a selector that cannot be used
"""


_TOP_TEACHES = """\
examples:
  hostcollector top                        this machine's guests
  hostcollector top --tenant=acme --once   one table of one tenant
  hostcollector top --url=https://hv-7:10177 --ca-file=ca.pem --cert-file=me.pem --key-file=me.key
  hostcollector top --url=https://hv-7:10177 --ca-file=ca.pem --user=ops --password-file=password
"""


_USAGE_TEACHES = """\
The table has seconds and bytes; `-` is an amount that is not known. The account needs to read the state
directory: run it as root or as the daemon's account. docs/usage.md says what a record means.

examples:
  hostcollector usage --vm 7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55
  hostcollector usage --tenant acme --json
"""


@dataclass(frozen=True, slots=True)
class _Command:
    name: str
    run: Callable[[argparse.Namespace], int]
    summary: str
    add_flags: Callable[[argparse.ArgumentParser], None]
    teaches: str = ""
    """Text below the flags in the command's help, with examples."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the flags, without the list of all flags, which hides it."""

    def error(self, message: str) -> NoReturn:
        """End with a sentence and where the flags are described."""
        self.exit(2, f"{self.prog}: error: {message}\n`{self.prog} --help` lists the flags\n")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; its namespace has the command's function as `run`."""
    parser = _Parser(
        prog="hostcollector",
        usage="hostcollector [FLAGS] [COMMAND] [FLAGS]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"hostcollector {__version__}")
    parser.set_defaults(run=commands.serve)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", prog="hostcollector")
    add_common_flags(parser)
    for command in _COMMANDS:
        about = command.summary[0].upper() + command.summary[1:] + "."
        shape = argparse.RawDescriptionHelpFormatter if command.teaches else argparse.HelpFormatter
        # No abbreviations: a new flag could make one ambiguous.
        subparser = subparsers.add_parser(
            command.name,
            help=command.summary,
            description=about,
            epilog=command.teaches,
            formatter_class=shape,
            allow_abbrev=False,
        )
        subparser.set_defaults(run=command.run)
        command.add_flags(subparser)
    return parser


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="the YAML file to read")
    parser.add_argument(
        "--host",
        action="store_true",
        help="check this host too, as the service's account: whether it may read the files and listen on the "
        f"address (default FILE: {commands.DEPLOYED})",
    )
    parser.add_argument(
        "--account",
        default=checking.ACCOUNT,
        metavar="NAME",
        help=f"the account for --host (default: {checking.ACCOUNT})",
    )
    add_web_config_flag(parser)
    parser.set_defaults(wrong_use=parser.error)


def _add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=[str(form) for form in TableFormat],
        default=str(TableFormat.TABLE),
        help="how the list is written (default: table)",
    )


def _add_metrics_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tenant",
        action="store_true",
        help="list what tenants see, on the page /tenants/metrics",
    )
    parser.add_argument(
        "--format",
        choices=[str(form) for form in TenantFormat],
        default=str(TenantFormat.TABLE),
        help="how the list is written (default: table); relabel, with --tenant, is the allow-list of the "
        "tenant store as rules for vmagent",
    )
    parser.set_defaults(wrong_use=parser.error)


def _add_collect_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--profile", action="store_true", help="print what each stage of a collection takes, not the page"
    )
    parser.add_argument(
        "--profile.rounds",
        dest="rounds",
        type=_rounds,
        default=10,
        metavar="N",
        help="collections to take the median of (default: 10)",
    )
    parser.add_argument(
        "--tenant",
        type=_tenant,
        metavar="ID",
        help="print what the tenant page shows of this tenant's VMs, not the operator's page",
    )
    parser.add_argument(
        "--output",
        type=_output,
        metavar="FILE",
        help="write the page to FILE for node_exporter's textfile collector, as a whole or not at all; "
        "the name ends in .prom",
    )
    parser.set_defaults(wrong_use=parser.error)
    add_flags_by_hand(parser)


def _tenant(text: str) -> str:
    if re.fullmatch(LABELS["tenant"], text) is None:
        raise argparse.ArgumentTypeError(f"expected a tenant's id ({LABELS['tenant']}), not {text!r}")
    return text


def _add_usage_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--vm", metavar="UUID", help="only the records of this VM")
    parser.add_argument(
        "--tenant", metavar="ID", help='only the records of this tenant; "" for VMs without one'
    )
    parser.add_argument(
        "--after", type=_sequence, default=0, metavar="SEQUENCE", help="only what is newer than this number"
    )
    parser.add_argument("--json", action="store_true", help="print the records as the gateway gets them")
    add_common_flags(parser)


def _sequence(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"expected a sequence number, not {text!r}")
    return int(text)


def _add_query_flags(parser: argparse.ArgumentParser) -> None:
    help_text = "which series: an instant vector selector of PromQL"
    parser.add_argument("selector", metavar="SELECTOR", type=_selector, help=help_text)
    remote.add_flags(parser)
    add_flags_by_hand(parser)


def _selector(text: str) -> Selector:
    try:
        return parse_selector(text)
    except SelectorError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _output(text: str) -> Path:
    try:
        return textfile.named(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _rounds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= 10_000):
        raise argparse.ArgumentTypeError(f"expected 1 to 10000 rounds, not {text!r}")
    return int(text)


def _add_top_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", help="show only this tenant's guests (default: all)")
    parser.add_argument(
        "--sort",
        choices=SORTS,
        default="cpu",
        metavar="COLUMN",
        help=f"sort by one of {', '.join(SORTS)} (default: cpu)",
    )
    parser.add_argument("--once", action="store_true", help="print one table and end")
    parser.add_argument(
        "--interval", type=_interval, default=2.0, metavar="SECONDS", help="between updates (default: 2)"
    )
    remote.add_flags(parser)
    add_flags_by_hand(parser)


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"expected 0.1 to 3600 seconds, not {text!r}")
    return seconds


_COMMANDS = (
    _Command(
        "serve",
        commands.serve,
        "serve the page until SIGTERM; SIGHUP reads the configuration again (the default)",
        add_common_flags,
    ),
    _Command(
        "collect",
        commands.collect,
        "write one collection to standard output or a file; exit 1 if libvirt does not answer",
        _add_collect_flags,
    ),
    _Command(
        "diagnose",
        commands.diagnose,
        "show what can and cannot be read here, and how to fix it",
        add_flags_by_hand,
    ),
    _Command(
        "query",
        commands.query,
        "print the series of one page that a selector of PromQL matches; exit 1 if there are none",
        _add_query_flags,
        _QUERY_TEACHES,
    ),
    _Command(
        "check-config",
        checking.check_config,
        "read the configuration files and list every problem; exit 2 if there is one",
        _add_files,
        _CHECK_TEACHES,
    ),
    _Command(
        "metrics",
        commands.metrics,
        "list every metric with its type, labels, source and meaning; --tenant: those of the tenant page",
        _add_metrics_flags,
    ),
    _Command(
        "config",
        commands.config,
        "list every key of the configuration with its type, default, range and meaning",
        _add_format,
    ),
    _Command(
        "sd",
        commands.sd,
        "make Prometheus's targets from an inventory of Ansible, as a file or over HTTP",
        discovery.add_flags,
    ),
    _Command(
        "usage",
        commands.usage,
        "print this host's usage records; exit 1 if there are none",
        _add_usage_flags,
        _USAGE_TEACHES,
    ),
    _Command(
        "top", commands.top, "show the guests in a live table, heaviest first", _add_top_flags, _TOP_TEACHES
    ),
)
