"""The command `check-config`: the configuration, the files that it names, and this host."""

import argparse
import codecs
import errno
import os
import pwd
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hostcollector.app.cli.commands import DEPLOYED, WRONG_USE, complain
from hostcollector.app.cli.flags import KNOWN
from hostcollector.app.cli.running import DaemonSilentError, NotRunningError, daemon_at
from hostcollector.base.errors import ConfigError, listen_error
from hostcollector.catalogue import OF_TENANTS
from hostcollector.catalogue.dropped import dropped, needed
from hostcollector.config import named_files
from hostcollector.config.address import Address
from hostcollector.config.files import line_in_file
from hostcollector.config.settings import PathSettings, Settings, read_settings
from hostcollector.config.web_config import read_web_config
from hostcollector.devices import gpu_map
from hostcollector.guests import tenant_map
from hostcollector.outputs import usage
from hostcollector.outputs.tenant_page import PATH
from hostcollector.outputs.top.page import READ

ACCOUNT = "hostcollector"
"""The account of the service, which the Ansible role and the package make."""

_SYSTEMD_RUNS = Path("/run/systemd/system")
"""A directory of each machine that systemd has booted: sd_booted(3)."""


@dataclass(slots=True)
class _Findings:
    """The files that are valid, the errors of those that are not, and what may not be meant.

    `tenants` are lines about what a valid configuration shows to tenants.
    """

    valid: list[Path] = field(default_factory=list)
    errors: list[ConfigError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tenants: list[str] = field(default_factory=list)


def check_config(options: argparse.Namespace) -> int:
    """Read the configuration and every file that it names; report all problems at once."""
    web_config: Path | None = vars(options).get("web.config_file")
    file: Path | None = options.file
    if options.host:
        file = file or DEPLOYED
        print(_become(options.account), flush=True)
    if file is None and web_config is None:
        options.wrong_use("FILE, --host or --web.config.file=PATH is needed")
    findings = _findings(file, web_config, on_this_host=options.host)
    for error in findings.errors:
        complain(f"{error.origin} cannot be used:", *(f"  {problem}" for problem in error.problems))
    for warning in findings.warnings:
        complain(f"warning: {warning}")
    for line in (*(f"{path}: valid" for path in findings.valid), *findings.tenants):
        print(line, flush=True)
    return WRONG_USE if findings.errors else 0


def _become(account: str) -> str:
    """Take an account's rights for the rest of the process, if it is root's; return who checks.

    What is loaded late is loaded before: the account need not be able to read the program.
    Raises `ConfigError` where there is no such account.
    """
    if os.geteuid() != 0:
        own = pwd.getpwuid(os.geteuid()).pw_name
        return f"checking as {own}" + ("" if own == account else f": only root can check as {account}")
    try:
        entry = pwd.getpwnam(account)
    except KeyError:
        problem = f"there is no account {account}: --account names another one"
        raise ConfigError("this host", [problem]) from None
    from hostcollector.web import access  # noqa: F401

    codecs.lookup("idna")
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    return f"checking as {account}"


def _findings(file: Path | None, web_config: Path | None, *, on_this_host: bool) -> _Findings:
    """Check the files. `web_config` replaces the one that the configuration `file` names."""
    findings = _Findings()
    problems: dict[Path, str] = {}
    settings = Settings()
    if file is not None:
        try:
            settings = read_settings(file, KNOWN)
        except ConfigError as error:
            findings.errors.append(error)
        else:
            problems = named_files.problems(settings, file)
            others = [*_host_problems(settings, file)] if on_this_host else []
            if problems or others:
                findings.errors.append(ConfigError(str(file), [*problems.values(), *others]))
            else:
                findings.valid.append(file)
            findings.warnings += _drop_warnings(settings)
    for path, read in _named(settings, web_config):
        if path in problems:
            continue
        try:
            read(path)
        except ConfigError as error:
            findings.errors.append(error)
        else:
            findings.valid.append(path)
    if not findings.errors:
        findings.tenants += _tenant_page(settings, web_config)
        findings.tenants += _usage(settings, web_config)
    return findings


def _named(settings: Settings, web_config: Path | None) -> Iterator[tuple[Path, Callable[[Path], object]]]:
    if web_config := web_config or settings.web.config_path:
        yield web_config, _check_web_config
    if settings.tenancy.map_file is not None:
        yield Path(settings.tenancy.map_file), tenant_map.read
    if settings.redfish.gpu_map_file is not None:
        yield Path(settings.redfish.gpu_map_file), gpu_map.read


def _check_web_config(path: Path) -> None:
    from hostcollector.web.access import read_access_rules

    read_access_rules(path).close()


def _tenant_page(settings: Settings, web_config: Path | None) -> Iterator[str]:
    """Yield what a valid configuration shows to tenants, and which clients read it."""
    if not settings.tenants.page:
        return
    readers = _readers(settings, web_config, PATH)
    yield f"{PATH}: {len(OF_TENANTS)} metrics of each VM with a tenant, for {readers}"


def _usage(settings: Settings, web_config: Path | None) -> Iterator[str]:
    """Yield which clients read the usage records, if there are any."""
    if settings.usage.records:
        readers = _readers(settings, web_config, usage.PATH)
        yield f"{usage.PATH}: records of each VM and hour, for {readers}"


def _readers(settings: Settings, web_config: Path | None, path: str) -> str:
    """Return the names of the clients that may read a path below /tenants/."""
    config = read_web_config(web_config or settings.web.config_path)
    entries = (entry for entry in config.access.readers if entry.path == path)
    names = [name for entry in entries for name in (*entry.users, *entry.certificates)]
    return (
        ", ".join(names) or "clients on this machine, if there is neither TLS nor a password; else for none"
    )


def _drop_warnings(settings: Settings) -> Iterator[str]:
    """Yield what needs series that the page drops."""
    rows = dropped(settings.series.switched_off, settings.series.drop)
    yield from needed(rows)
    for row in READ:
        if row in rows:
            yield f"{row.name} is dropped, but needed by `hostcollector top`"


def _host_problems(settings: Settings, file: Path) -> Iterator[str]:
    """Yield what this host does not allow, each with its key and line in the `file`."""
    found = {
        "web.listen_address": "" if settings.web.systemd_socket else _listen_problem(settings),
        "paths.state_directory": _state_problem(Path(settings.paths.state_directory)),
    }
    for key, problem in found.items():
        if problem:
            line = line_in_file(file, key)
            yield f"{key}: {problem}" + ("" if line is None else f" (line {line})")


def _listen_problem(settings: Settings) -> str:
    """Return why the daemon could not listen; empty if it could, or listens there already."""
    address = settings.web.listen_address
    try:
        for family, *_, where in socket.getaddrinfo(
            address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            _bind(family, where)
    except socket.gaierror as error:
        return f"{address.host} is not known here: {error.strerror}"
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _is_the_daemons(address, settings):
            return ""
        return str(listen_error(str(address), error))
    return ""


def _bind(family: int, where: object) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        trial.bind(where)  # type: ignore[arg-type] # as getaddrinfo gives it
        trial.listen()


def _is_the_daemons(address: Address, settings: Settings) -> bool:
    """Whether the running daemon listens there; one of an older version does not say where."""
    try:
        state = daemon_at(settings.paths.runtime_directory, settings.collection.budget_seconds).state()
    except (NotRunningError, DaemonSilentError):
        return False
    return state.listens_on in {str(address), ""}


def _state_problem(directory: Path) -> str:
    """Return why nothing could be kept; empty if the daemon can write the directory, or make it."""
    if _is_the_units(directory):
        return ""
    # Path.exists raises where a parent is closed to the account.
    nearest = next(path for path in (directory, *directory.parents) if os.path.exists(path))  # noqa: PTH110
    if os.access(nearest, os.W_OK | os.X_OK):
        return ""
    if nearest == directory:
        return f"{directory} cannot be written by this account"
    return f"{directory} is missing, and this account cannot make it in {nearest}"


def _is_the_units(directory: Path) -> bool:
    """Whether systemd makes the directory at each start, and gives it to the account (`StateDirectory=`)."""
    return directory == Path(PathSettings().state_directory) and _SYSTEMD_RUNS.is_dir()
