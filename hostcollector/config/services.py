"""The sections of services that are asked over HTTPS: what all of them have, and what is each one's own."""

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from hostcollector.config import checks as values
from hostcollector.config.document import Place, UnfitError
from hostcollector.config.sections import Read, known, leaf, list_of

SERVICE: Mapping[str, Read] = {
    "url": leaf(values.https_url),
    "user": leaf(values.text),
    "password_file": leaf(values.absolute_path_or_null),
    "ca_file": leaf(values.absolute_path_or_null),
    "insecure_skip_verify": leaf(values.boolean),
    "interval_seconds": leaf(values.whole_number(60, 86400)),
}
NDFC: Mapping[str, Read] = {
    **SERVICE,
    "domain": leaf(values.text),
    "fabrics": list_of(leaf(values.text)),
    "switches": list_of(leaf(values.text)),
    "cluster": leaf(values.text),
}
UFM = SERVICE
REDFISH: Mapping[str, Read] = {
    **SERVICE,
    "interval_seconds": leaf(values.whole_number(5, 600)),
    "ports_interval_seconds": leaf(values.whole_number(30, 3600)),
    "gpu_map_file": leaf(values.absolute_path_or_null),
}


def service(settings: Callable[..., Any], readers: Mapping[str, Read], what: str) -> Read:
    """Return the reader of a section with a `url` and a `user`; `what` names what is at the address."""

    def read(node: yaml.Node, place: Place) -> Any:
        found = settings(**known(node, place, readers))
        if not found.url and found != settings():
            raise UnfitError(f"url is missing: the address of {what}")
        if found.url and not found.user:
            raise UnfitError("user is missing: an account that may only read")
        return found

    return read
