"""Which keys the web-config file has, and what each of them takes; what is not known here is refused.

A security setting that is passed over in silence would be worse than none.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import yaml

from hostcollector.config import checks as values
from hostcollector.config.document import Place, UnfitError, entries
from hostcollector.config.sections import Read, known, leaf, list_of
from hostcollector.config.web_config import (
    ClientAuthType,
    HttpServerConfig,
    TlsServerConfig,
    TlsVersion,
    WebConfig,
)

# The salt's last character holds two bits, so bcrypt takes no other one than these four.
_HASH = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_DEAREST = 14
"""The cost of a bcrypt hash that takes about a second to check; the next one takes twice as long."""

HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""The headers that the toolkit lets an operator set, with their values where those are limited."""


def read_web_config(root: yaml.Node, place: Place) -> WebConfig:
    """Return what a document says. What is wrong is noted in `place`; the result then means nothing."""
    sections: Mapping[str, Read] = {
        "tls_server_config": _tls,
        "http_server_config": lambda node, here: HttpServerConfig(**known(node, here, HTTP)),
        "basic_auth_users": _users,
    }
    return WebConfig(**known(root, place, sections))


def anchored(config: WebConfig, directory: Path) -> WebConfig:
    """Return the configuration with its relative paths taken from `directory`, where the file lies."""
    tls = config.tls_server_config
    if tls is None:
        return config
    client_ca = tls.client_ca_file and str(directory / tls.client_ca_file)
    cert, key = str(directory / tls.cert_file), str(directory / tls.key_file)
    return replace(
        config, tls_server_config=replace(tls, cert_file=cert, key_file=key, client_ca_file=client_ca)
    )


def _tls(node: yaml.Node, place: Place) -> TlsServerConfig | None:
    noted = len(place.problems)
    found = known(node, place, TLS)
    if len(place.problems) > noted:
        return None  # what is missing may stand under a misspelt key
    for key in ("cert_file", "key_file"):
        if key not in found:
            place.key(key).refuse(node, "missing: TLS needs a certificate and its key")
    if len(place.problems) > noted:
        return None
    settings = TlsServerConfig(**found)
    for key, complaint in _contradictions(settings):
        place.key(key).refuse(node, complaint)
    return settings


def _contradictions(tls: TlsServerConfig) -> list[tuple[str, str]]:
    """Return the keys that do not go with the others, each with the reason."""
    verifies = tls.client_auth_type is not ClientAuthType.NONE
    found = []
    if verifies and tls.client_ca_file is None:
        found.append(("client_ca_file", f"missing: {tls.client_auth_type} checks clients against it"))
    if tls.client_ca_file is not None and not verifies:
        found.append(
            ("client_auth_type", "missing: client_ca_file alone does not ask anybody for a certificate")
        )
    if tls.client_allowed_sans and tls.client_auth_type is not ClientAuthType.REQUIRED:
        found.append(("client_allowed_sans", f"needs client_auth_type {ClientAuthType.REQUIRED}"))
    if tls.min_version > tls.max_version:
        found.append(("min_version", f"{tls.min_version} is above max_version {tls.max_version}"))
    return found


def _users(node: yaml.Node, place: Place) -> dict[str, str]:
    found = {}
    for user, key_node, value in entries(node, place):
        here = place.key(user)
        if not user or ":" in user or not user.isprintable():
            here.refuse(
                key_node, "not a user name that HTTP can carry: empty, or with a colon or control character"
            )
        try:
            found[user] = _bcrypt(value)
        except UnfitError as error:
            here.refuse(value, str(error))
    if not isinstance(node, yaml.MappingNode) or not node.value:
        place.refuse(node, "there is no user: leave the section out for a page without passwords")
    return found


def _bcrypt(node: yaml.Node) -> str:
    # What stands there instead may be a password: it is not repeated.
    value = node.value if isinstance(node, yaml.ScalarNode) else ""
    form = _HASH.fullmatch(value)
    if form is None:
        raise UnfitError("expected a bcrypt hash, as `htpasswd -nBC 10 USER` prints it")
    if not 4 <= int(form["cost"]) <= _DEAREST:
        raise UnfitError(f"expected a bcrypt hash of cost 4 to {_DEAREST}, not {form['cost']}")
    return str(value)


def _headers(node: yaml.Node, place: Place) -> dict[str, str]:
    found: dict[str, str] = known(node, place, dict.fromkeys(HEADERS, leaf(values.text)))
    for name, value in found.items():
        if HEADERS[name] and value not in HEADERS[name]:
            place.key(name).refuse(node, f"expected one of {', '.join(HEADERS[name])}")
        elif not value.isascii():
            place.key(name).refuse(node, "expected ASCII")
    return found


def _no_http2(node: yaml.Node) -> bool:
    if values.boolean(node):
        raise UnfitError("HTTP/2 is not spoken: write false or leave it out")
    return False


TLS: Mapping[str, Read] = {
    "cert_file": leaf(values.text),
    "key_file": leaf(values.text),
    "client_ca_file": leaf(values.text),
    "client_auth_type": leaf(values.choice(ClientAuthType)),
    "client_allowed_sans": list_of(leaf(values.text)),
    "min_version": leaf(values.choice(TlsVersion)),
    "max_version": leaf(values.choice(TlsVersion)),
}
HTTP: Mapping[str, Read] = {
    "http2": leaf(_no_http2),
    "headers": _headers,
}
