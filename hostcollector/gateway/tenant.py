"""Ids of tenants and VMs: what can be one, everywhere in the gateway."""

import re

from hostcollector.gateway.errors import RequestRefusedError

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""The form of a VM's id."""


def is_vm(text: str) -> bool:
    """Whether the text can be a VM's id: a UUID in small letters, as in the label of the metrics."""
    return re.fullmatch(UUID, text) is not None


def is_tenant(text: str) -> bool:
    """Whether the text can be a tenant's id; the empty one never is."""
    return _ID.fullmatch(text) is not None


def checked_tenant(text: str) -> str:
    """Return the id. Raises `RequestRefusedError` for what cannot be one."""
    if not is_tenant(text):
        raise RequestRefusedError("a tenant's id has 1 to 64 letters, digits, dots, dashes and underscores")
    return text
