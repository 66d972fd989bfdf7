"""What a command by hand works with: the deployed configuration, and the running daemon if there is one."""

import argparse
import os
from pathlib import Path

from hostcollector.app.cli.complaints import complain
from hostcollector.app.cli.flags import overrides
from hostcollector.app.cli.running import DaemonSilentError, NotRunningError, RunningDaemon, daemon_at
from hostcollector.config.reader import changed
from hostcollector.config.settings import PathSettings, Settings, read_settings
from hostcollector.sources import NAMES

DEPLOYED = Path("/etc/hostcollector/hostcollector.yml")
"""The configuration of the service, which role and package install."""


def settings_by_hand(options: argparse.Namespace) -> Settings:
    """Return the settings of the flags and the configuration file; the deployed one where none is given.

    Raises `ConfigError`.
    """
    path: Path | None = vars(options).get("config.file")
    if path is None and DEPLOYED.exists():
        if os.access(DEPLOYED, os.R_OK):
            path = DEPLOYED
            complain(f"with {DEPLOYED}")
        else:
            complain(f"without {DEPLOYED}, which this account may not read: the defaults hold")
    return changed(read_settings(path, [source.name for source in NAMES]), overrides(options))


def running_daemon(options: argparse.Namespace, settings: Settings) -> RunningDaemon | None:
    """Return the daemon to read, None where the command has to collect itself; says on standard error which.

    Raises `DaemonSilentError` when a daemon listens and does not answer.
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
    """Return why the running daemon would not answer what is asked; empty if it would."""
    path: Path | None = vars(options).get("config.file")
    if options.own:
        return "--own"
    if any(key.startswith(("libvirt.", "sources.")) for key in overrides(options)):
        return "flags say what to collect"
    default = PathSettings().runtime_directory
    if path is not None and path.absolute() != DEPLOYED and settings.paths.runtime_directory == default:
        return f"{path} is not the service's configuration"
    return ""
