"""The commands of `hostcollector-gateway` with their flags and help texts."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from hostcollector import __version__
from hostcollector.base.errors import ConfigError, HostcollectorError
from hostcollector.gateway import commands
from hostcollector.gateway.accounts.changes import LONGEST_LIFE_SECONDS
from hostcollector.gateway.keys import FORMS
from hostcollector.gateway.usage import commands as usage

_DESCRIPTION = "Lets each tenant of a cloud read the metrics of its own VMs, from one store of all tenants."
_EPILOG = """\
examples:
  hostcollector-gateway check-config gateway.yml
  hostcollector-gateway database upgrade              before the first start, and after each upgrade
  hostcollector-gateway tenant add acme --plan=detailed --name='Acme Corp'
  hostcollector-gateway token issue acme --scope=metrics:read --scope=promql --days=90
  hostcollector-gateway serve --config.file=/etc/hostcollector-gateway/gateway.yml
  hostcollector-gateway intake --config.file=/etc/hostcollector-gateway/intake.yml
  hostcollector-gateway audit verify
  hostcollector-gateway tenant erase acme --confirm=acme

Without --config.file a command takes the first file of /etc/hostcollector-gateway that it can read:
  serve                             gateway.yml
  intake, ledger upgrade and reread intake.yml, then gateway.yml
  ledger export                     gateway.yml
  all others                        operator.yml, then gateway.yml
Files and secrets of a deployed gateway belong to root: run the commands as root.

exit status:
  0    success
  1    the store, the database, the audit or the port cannot be used, or a similar failure
  2    wrong flags or configuration; every problem is listed
  130  interrupted from the keyboard
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (None: the process's own) name and return the exit status.

    Raises `SystemExit` as argparse does, for ``--help`` and for flags that do not exist.
    """
    options = make_parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except ConfigError as error:
        commands.complain(f"{error.origin} cannot be used:", *(f"  {each}" for each in error.problems))
        return commands.WRONG_USE
    except HostcollectorError as error:
        commands.complain(str(error))
        return commands.FAILED
    except KeyboardInterrupt:
        return commands.INTERRUPTED


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; its namespace has the command's function as `run`."""
    parser = argparse.ArgumentParser(
        prog="hostcollector-gateway",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"hostcollector-gateway {__version__}")
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    text = "read the configuration and its files; list every problem"
    check = group.add_parser("check-config", help=text, description=f"{text.capitalize()}.")
    check.add_argument("file", metavar="FILE", type=Path, help="the YAML file to read")
    check.set_defaults(run=commands.check_config)
    known = group.add_parser(
        "config",
        help="list every key of the configuration with its type, default, range and meaning",
        description="List every key of the configuration with its type, default, range and meaning.",
    )
    known.add_argument(
        "--format", default="table", choices=[*FORMS], help="how the list is written (default: table)"
    )
    known.set_defaults(run=commands.list_keys)
    _command(group, "serve", commands.serve, "answer tenants until SIGTERM")
    _command(group, "admin", commands.serve_admin, "answer the operator's console until SIGTERM")
    database = _group(group, "database", "the accounts database")
    _command(database, "upgrade", commands.upgrade_database, "make the tables, or bring them to this release")
    _add_tenant_commands(_group(group, "tenant", "tenants: add, suspend, erase, list"))
    _add_token_commands(_group(group, "token", "API tokens: issue, list, revoke"))
    _add_usage_commands(group)
    audit = _group(group, "audit", "the record of requests")
    verify = _command(audit, "verify", commands.verify_audit, "check every chain; exit 1 for a fault")
    verify.add_argument(
        "--head",
        metavar="WORKER:COUNT:HASH",
        action="append",
        default=[],
        help="a head from the log (worker, count, head), which the chain must contain: finds a cut tail",
    )
    return parser


def _add_tenant_commands(group: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add = _command(group, "add", commands.add_tenant, "add a tenant")
    add.add_argument("tenant", metavar="ID", help="as in the tenant label of the metrics")
    add.add_argument(
        "--plan", default="detailed", metavar="NAME", help="a plan of the file (default: detailed)"
    )
    add.add_argument("--name", default="", metavar="TEXT", help="a name for people")
    for word, text in (("suspend", "refuse all requests of a tenant"), ("resume", "answer them again")):
        command = _command(group, word, commands.suspend_tenant, text)
        command.add_argument("tenant", metavar="ID", help="the tenant")
        command.set_defaults(suspended=word == "suspend")
    erase = _command(
        group, "erase", commands.erase_tenant, "remove a tenant's series, tokens and names; print a record"
    )
    erase.add_argument("tenant", metavar="ID", help="the tenant")
    erase.add_argument(
        "--confirm", metavar="ID", required=True, help="the id once more: this cannot be undone"
    )
    _command(group, "list", commands.list_tenants, "list the tenants with their plans")


def _add_token_commands(group: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    issue = _command(group, "issue", commands.issue_token, "make a token and print it, once")
    issue.add_argument("tenant", metavar="ID", help="the tenant")
    issue.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=["metrics:read", "promql", "usage:read", "scrape"],
        help="what it is good for; may be given several times",
    )
    issue.add_argument(
        "--days", type=_days, default=90.0, metavar="N", help="until it expires, at most 3650 (default: 90)"
    )
    issue.add_argument(
        "--vm", action="append", default=[], metavar="UUID", help="only this VM; with metrics:read alone"
    )
    _command(
        group, "list", commands.list_tokens, "list the tokens with tenant, scopes and last use, no secrets"
    )
    revoke = _command(group, "revoke", commands.revoke_token, "refuse a token from now on")
    revoke.add_argument("token", metavar="ID", help="the part of the token between the underscores")


def _add_usage_commands(group: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    intake = _command(group, "intake", usage.take_in, "pull the hosts' usage records into the ledger")
    intake.add_argument("--once", action="store_true", help="one round; exit 1 if a host was not read")
    ledger = _group(group, "ledger", "the usage ledger")
    _command(ledger, "upgrade", usage.upgrade_ledger, "make the tables, or bring them to this release")
    reread = _command(ledger, "reread", usage.reread_host, "let the intake read a host's records again")
    reread.add_argument(
        "target", metavar="HOST:PORT", help="as in the list of hosts; nothing is billed twice"
    )
    right = _command(
        ledger, "correct", usage.correct_record, "correct a record: the difference is billed now"
    )
    right.add_argument("record", metavar="ID", help="the record's id, as in the export")
    right.add_argument("--vm", metavar="UUID", required=True, help="the record's VM")
    right.add_argument("--hour", required=True, help="the record's hour, such as 2026-11-28T23:00:00Z")
    right.add_argument("--meter", metavar="NAME", required=True, help="such as disk_written_bytes")
    right.add_argument("--amount", metavar="N", type=int, required=True, help="what is to be billed of it")
    right.add_argument("--reason", metavar="TEXT", required=True, help="why; the tenant sees it")
    right.add_argument("--author", metavar="NAME", required=True, help="who has decided it")
    prune = _command(ledger, "prune", usage.prune_ledger, "remove months older than ledger.keep_months")
    prune.add_argument("--dry-run", action="store_true", help="change nothing, say what would be removed")
    export = _command(ledger, "export", usage.export_ledger, "print records of all tenants, for billing")
    export.add_argument("--cursor", default="p0", metavar="TEXT", help="where to go on (default: p0)")
    export.add_argument("--limit", default="5000", metavar="N", help="how many records (default: 5000)")
    export.add_argument(
        "--format",
        default="cloudevents",
        choices=["cloudevents", "csv", "json"],
        help="how to write them (default: cloudevents)",
    )


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days <= LONGEST_LIFE_SECONDS / 86_400:
        raise argparse.ArgumentTypeError(
            f"a token is valid for more than 0 and at most 3650 days, not {text!a}"
        )
    return days


def _group(
    group: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
) -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    parser = group.add_parser(
        name, help=text, description=f"{text[:1].upper()}{text[1:]}.", allow_abbrev=False
    )
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True)


def _command(
    group: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = group.add_parser(
        name, help=text, description=f"{text[:1].upper()}{text[1:]}.", allow_abbrev=False
    )
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=Path,
        metavar="PATH",
        help="the YAML file to read (default: see `hostcollector-gateway --help`)",
    )
    parser.set_defaults(run=run)
    return parser
