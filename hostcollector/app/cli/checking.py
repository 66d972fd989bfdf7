"""What `check-config` looks at: the configuration, and every file that it names."""

from collections.abc import Callable, Iterator
from pathlib import Path

from hostcollector.base.errors import ConfigError
from hostcollector.config import named_files
from hostcollector.config.settings import Settings, read_settings
from hostcollector.devices import gpu_map
from hostcollector.guests import tenant_map
from hostcollector.sources import NAMES


def look_at_files(file: Path | None, web_config: Path | None) -> tuple[list[Path], list[ConfigError]]:
    """Return the files that are valid, and the errors of those that are not.

    `web_config` stands in place of the one that the configuration `file` names.
    """
    valid: list[Path] = []
    errors: list[ConfigError] = []
    problems: dict[Path, str] = {}
    settings = Settings()
    if file is not None:
        try:
            settings = read_settings(file, [source.name for source in NAMES])
        except ConfigError as error:
            errors.append(error)
        else:
            problems = named_files.problems(settings, file)
            if problems:
                errors.append(ConfigError(str(file), [*problems.values()]))
            else:
                valid.append(file)
    for path, read in _named(settings, web_config):
        if path in problems:
            continue
        try:
            read(path)
        except ConfigError as error:
            errors.append(error)
        else:
            valid.append(path)
    return valid, errors


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
