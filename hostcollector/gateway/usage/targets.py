"""The list of hosts, as Prometheus' file_sd has it."""

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import yaml

from hostcollector.base.errors import ConfigError
from hostcollector.config.address import parse_address

MOST_BYTES = 16 * 1024 * 1024
MOST_HOSTS = 20_000
LONGEST = 255


def read_targets(path: Path) -> Sequence[str]:
    """Return the hosts of a file, each once, as ``host:port``. Raises `ConfigError`."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ConfigError(str(path), [f"more than {MOST_BYTES} bytes"])
        groups = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
        found = list(dict.fromkeys(target for group in groups for target in group["targets"]))
    except OSError as error:
        raise ConfigError(str(path), [f"it cannot be read: {error.strerror}"]) from error
    except (yaml.YAMLError, UnicodeError, TypeError, KeyError, RecursionError):
        raise ConfigError(str(path), ["expected a list of groups with targets, as of file_sd"]) from None
    problems = [f"{str(target)[:80]!a} is no host:port" for target in found if not _is_target(target)]
    if not found or len(found) > MOST_HOSTS:
        problems.append(f"expected 1 to {MOST_HOSTS} hosts, found {len(found)}")
    if problems:
        raise ConfigError(str(path), problems[:20])
    return found


def is_local(target: str) -> bool:
    """Whether a host of the list is this machine, by a loopback address."""
    try:
        return ip_address(parse_address(target).host).is_loopback
    except ValueError:
        return False


def _is_target(target: object) -> bool:
    if not isinstance(target, str) or len(target) > LONGEST:
        return False
    try:
        address = parse_address(target)
    except ValueError:
        return False
    return bool(address.host and address.port)
