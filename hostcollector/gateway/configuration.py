"""Everything that the workers are started with, read and checked as one before any of it is put in use.

Workers are forks and inherit it: one that is started again does not depend on what a file holds meanwhile.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hostcollector.base.errors import ConfigError
from hostcollector.config import named_files
from hostcollector.gateway.plans import Plans, read_plans
from hostcollector.gateway.settings import GatewaySettings, read_settings
from hostcollector.gateway.store.client import store_context
from hostcollector.web.access import AccessRules, read_access_rules, removed_protection

CREDENTIALS = {
    ("accounts", "password_file"): "database-password",
    ("ledger", "password_file"): "ledger-password",
    ("store", "ca_file"): "store-ca.pem",
    ("store", "certificate_file"): "store-client.crt",
    ("store", "private_key_file"): "store-client.key",
    ("admin", "token_file"): "admin-token",
    ("admin", "config_file"): "web-config.yml",
    ("intake", "ca_file"): "hosts-ca.pem",
    ("intake", "certificate_file"): "intake.crt",
    ("intake", "private_key_file"): "intake.key",
    ("intake", "config_file"): "web-config.yml",
}
"""Keys of files with secrets, and the systemd credential that is taken where the key is not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The settings, and what the files that they name hold."""

    settings: GatewaySettings
    plans: Plans
    access: AccessRules
    """TLS for tenants; its certificates follow their files by themselves."""

    operator: AccessRules
    """TLS and authentication of the operator's listener."""


def read_configuration(path: Path | None, predecessor: Configuration | None = None) -> Configuration:
    """Return the configuration of a file; the defaults for None.

    `predecessor` is the one in use: TLS cannot be taken away from it. Raises `ConfigError` with every problem
    of the file that is found first to have some.
    """
    settings = checked_settings(path)
    plans = read_plans(settings.accounts.plans_file)
    store_context(settings.store)
    access = _access(settings.web.config_file, predecessor.access if predecessor else None)
    if access.config.basic_auth_users:
        raise ConfigError(
            str(settings.web.config_file), ["basic_auth_users: tenants have tokens, not passwords"]
        )
    operator = _access(settings.operator.config_file, predecessor.operator if predecessor else None)
    return Configuration(settings=settings, plans=plans, access=access, operator=operator)


def _access(file: str | None, before: AccessRules | None) -> AccessRules:
    """Return the rules of a web-config file. Raises `ConfigError`, also if it lacks what `before` has."""
    access = read_access_rules(Path(file) if file else None, before)
    if before and (problems := removed_protection(before.config, access.config)):
        raise ConfigError(file or "no web-config file", problems)
    return access


def checked_settings(path: Path | None, environment: Mapping[str, str] = os.environ) -> GatewaySettings:
    """Return the settings of a file; the defaults for None.

    `environment` has the directory of systemd's credentials. Raises `ConfigError` with every problem of the
    file and of those that it names.
    """
    directory = environment.get("CREDENTIALS_DIRECTORY") or (secrets_beside(path) if path else "")
    settings = with_credentials(read_settings(path), directory)
    if path is not None and (problems := named_files.problems(settings, path)):
        raise ConfigError(str(path), [*problems.values()])
    return settings


def secrets_beside(path: Path) -> str:
    """Return where the role keeps the files of which systemd makes credentials, for commands of root."""
    return str(path.parent / (path.stem if path.stem in {"operator", "intake"} else "credentials"))


def with_credentials(settings: GatewaySettings, directory: str) -> GatewaySettings:
    """Return the settings with the systemd credentials that exist for the keys that are not given."""
    for (section, key), name in CREDENTIALS.items():
        values: Any = getattr(settings, section)
        file = Path(directory) / name
        if directory and getattr(values, key) is None and os.access(file, os.R_OK):
            settings = replace(settings, **{section: replace(values, **{key: str(file)})})
    return settings
