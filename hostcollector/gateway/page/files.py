"""The customers' page: static files, read once. They hold no data: a script asks the typed API."""

import importlib.resources
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources.abc import Traversable

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""Nothing from elsewhere, nothing inline, and no text that becomes markup (W3C CSP 3, Trusted Types)."""

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of the page as it is sent."""

    body: bytes
    kind: str
    """Its Content-Type."""
    tag: str
    """Its ETag: the browser asks each time, and gets 304 while the file is the same."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers beside those of every reply."""
        return {
            "Content-Type": self.kind,
            "ETag": self.tag,
            "Cache-Control": "no-cache",
            "Content-Security-Policy": POLICY,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
            "X-Frame-Options": "DENY",
        }


def read_page() -> Mapping[str, PageFile]:
    """Return the files by the path of their address; `/` is the page itself."""
    static = importlib.resources.files(__package__) / "static"
    files = {f"/page/{name}": _read(file) for name, file in _below(static, "") if _suffix(name) in TYPES}
    return {"/": files.pop("/page/index.html"), **files}


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _below(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry


def _read(file: Traversable) -> PageFile:
    body = file.read_bytes()
    return PageFile(body, TYPES[_suffix(file.name)], f'"{sha256(body).hexdigest()[:32]}"')


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]
