"""What the command line says: it wins over the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from hostcollector.base.log import LogFormat, LogLevel
from hostcollector.config.address import Address
from hostcollector.config.settings import Settings

Section = TypeVar("Section")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """The flags that were given; None is a flag that was not."""

    libvirt_uri: str | None = None
    """``--libvirt.uri``."""

    listen_address: Address | None = None
    """``--web.listen-address``."""

    telemetry_path: str | None = None
    """``--web.telemetry-path``."""

    web_config_file: str | None = None
    """``--web.config.file``, absolute."""

    systemd_socket: bool | None = None
    """``--web.systemd-socket``."""

    log_level: LogLevel | None = None
    """``--log.level``."""

    log_format: LogFormat | None = None
    """``--log.format``."""

    sources: Mapping[str, bool] = field(default_factory=dict)
    """``--collector.NAME`` and ``--no-collector.NAME``, by source name."""

    def applied_to(self, settings: Settings) -> Settings:
        """Return the settings with every given flag in place of the file's value."""
        return replace(
            settings,
            libvirt=_changed(settings.libvirt, uri=self.libvirt_uri),
            web=_changed(
                settings.web,
                listen_address=self.listen_address,
                telemetry_path=self.telemetry_path,
                config_file=self.web_config_file,
                systemd_socket=self.systemd_socket,
            ),
            log=_changed(settings.log, level=self.log_level, format=self.log_format),
            sources={**settings.sources, **self.sources},
        )


def _changed(section: Section, **values: Any) -> Section:
    given = {name: value for name, value in values.items() if value is not None}
    return replace(section, **given)  # type: ignore[type-var] # every section is a dataclass
