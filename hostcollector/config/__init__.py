"""The configuration: a strict YAML file and flags to frozen settings; it works with neither."""

from hostcollector.config.address import Address, parse_address
from hostcollector.config.overrides import Overrides
from hostcollector.config.reading import read_bytes, read_file, read_web_bytes, read_web_file
from hostcollector.config.remote import Remote, Transport, parse_remote, parse_remotes
from hostcollector.config.settings import (
    CollectionSettings,
    InfinibandSettings,
    LibvirtSettings,
    LogFormat,
    LogLevel,
    LogSettings,
    NdfcSettings,
    OvnSettings,
    OvsSettings,
    PartitionSettings,
    PathSettings,
    RedfishSettings,
    ResolverName,
    Settings,
    TenancySettings,
    UfmSettings,
    WebSettings,
    XPathRule,
)
from hostcollector.config.values import telemetry_path_complaint
from hostcollector.config.web_config import (
    ClientAuthType,
    HttpServerConfig,
    TlsServerConfig,
    TlsVersion,
    WebConfig,
)

__all__ = [
    "Address",
    "ClientAuthType",
    "CollectionSettings",
    "HttpServerConfig",
    "InfinibandSettings",
    "LibvirtSettings",
    "LogFormat",
    "LogLevel",
    "LogSettings",
    "NdfcSettings",
    "Overrides",
    "OvnSettings",
    "OvsSettings",
    "PartitionSettings",
    "PathSettings",
    "RedfishSettings",
    "Remote",
    "ResolverName",
    "Settings",
    "TenancySettings",
    "TlsServerConfig",
    "TlsVersion",
    "Transport",
    "UfmSettings",
    "WebConfig",
    "WebSettings",
    "XPathRule",
    "parse_address",
    "parse_remote",
    "parse_remotes",
    "read_bytes",
    "read_file",
    "read_web_bytes",
    "read_web_file",
    "telemetry_path_complaint",
]
