"""Everything that the workers are started with, read and checked as one before any of it is put in use.

Workers are forks and inherit it: one that is started again does not depend on what a file holds meanwhile.
"""

from dataclasses import dataclass
from pathlib import Path

from hostcollector.base.errors import ConfigError
from hostcollector.config import named_files
from hostcollector.gateway.plans import Plans, read_plans
from hostcollector.gateway.settings import GatewaySettings, read_settings
from hostcollector.gateway.store.client import store_context
from hostcollector.web.access import AccessRules, read_access_rules, removed_protection


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The settings, and what the files that they name hold."""

    settings: GatewaySettings
    plans: Plans
    access: AccessRules
    """TLS for tenants; its certificates follow their files by themselves."""


def read_configuration(path: Path | None, predecessor: Configuration | None = None) -> Configuration:
    """Return the configuration of a file; the defaults for None.

    `predecessor` is the one in use: TLS cannot be taken away from it. Raises `ConfigError` with every problem
    of the file that is found first to have some.
    """
    settings = checked_settings(path)
    plans = read_plans(settings.accounts.plans_file)
    store_context(settings.store)
    web = settings.web.config_path
    access = read_access_rules(web, predecessor.access if predecessor else None)
    if predecessor and (problems := removed_protection(predecessor.access.config, access.config)):
        raise ConfigError(str(web or "no web-config file"), problems)
    return Configuration(settings=settings, plans=plans, access=access)


def checked_settings(path: Path | None) -> GatewaySettings:
    """Return the settings of a file; the defaults for None.

    Raises `ConfigError` with every problem of the file and of those that it names.
    """
    settings = read_settings(path)
    if path is not None and (problems := named_files.problems(settings, path)):
        raise ConfigError(str(path), [*problems.values()])
    return settings
