"""What a refusal of a service means: by its status, and in the service's own words.

The words are shown on one line, cut, and without secrets. Redfish has them in an object ``error`` with
extended messages (DSP0266, error responses), other services in ``message``, as plain text or as HTML.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from hostcollector.base.errors import SourceDeniedError, SourceError, SourceUnavailableError
from hostcollector.base.wording import one_line

_LONGEST = 240
_MOST_MESSAGES = 4
_SHORTEST_SECRET = 8
_UNSEEN = re.compile(r"<(style|script|head)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
# "See @Message.ExtendedInfo for more information": the schema's own text without any content.
_EMPTY_WORDS = "extendedinfo"
_LONGEST_WAIT = 3600.0
_HOST = re.compile(r"\bhost\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Complaint:
    """A service's words, empty for none; `ids` are the keys of its messages (``Base.1.8.AccessDenied``)."""

    text: str = ""
    ids: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Whether one of the messages has that name, in any version of its registry."""
        return any(one.rpartition(".")[2] == name for one in self.ids)

    def __str__(self) -> str:
        return f": {self.text}" if self.text else ""


def complaint(content: bytes, secrets: Collection[str] = ()) -> Complaint:
    """Return the service's words in the body of a refusal."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return Complaint(_shown(_UNSEEN.sub(" ", content.decode(errors="replace")), secrets))
    return complaint_of(document, secrets)


def complaint_of(document: Any, secrets: Collection[str] = ()) -> Complaint:
    """Return the service's words in a document that is an error."""
    messages = list(_messages(document))
    texts = [text for _, text in messages if text and _EMPTY_WORDS not in text.lower()]
    said = " ".join(dict.fromkeys(texts[:_MOST_MESSAGES]))
    ids = frozenset(key for key, _ in messages if key)
    if not said:
        said = ", ".join(sorted(ids)[:_MOST_MESSAGES])
    return Complaint(_shown(said, secrets), ids)


def concealed(text: str, secrets: Collection[str]) -> str:
    """Return a text without the secrets in it."""
    for secret in sorted(secrets, key=len, reverse=True):
        if secret:
            text = text.replace(secret, "***")
    return text


def parts_of(values: Collection[str]) -> Iterator[str]:
    """Yield the parts of headers that may be secret: a token behind ``Bearer`` or ``AuthCookie=``."""
    for value in values:
        yield from (part for part in re.split(r"[ =;]", value) if len(part) >= _SHORTEST_SECRET)


def _messages(document: Any) -> Iterator[tuple[str, str]]:
    """Yield the keys and texts of the messages, the extended ones first: they are more precise."""
    if not isinstance(document, dict):
        return
    error = document.get("error")
    for place in (error, document):
        extended = place.get("@Message.ExtendedInfo") if isinstance(place, dict) else None
        for entry in extended if isinstance(extended, list) else [extended]:
            if isinstance(entry, dict):
                yield _text(entry.get("MessageId")), _text(entry.get("Message"))
    if isinstance(error, dict):
        yield _text(error.get("code")), _text(error.get("message"))
    yield "", _text(error) or _text(document.get("message"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _shown(text: str, secrets: Collection[str]) -> str:
    """Return a text for a note. Secrets go before the cut: half of a secret would not be found."""
    line = one_line(" ".join(concealed(text, secrets).split())).rstrip(" .")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


class TokenRefusedError(SourceDeniedError):
    """The token, or at the login the password, is refused (401)."""


class LoginRefusedError(SourceDeniedError):
    """The login is refused; trying again soon would lock the account."""


class NotAllowedError(SourceDeniedError):
    """The account may not read this path (403); it may read others."""


class NoSuchPathError(SourceUnavailableError):
    """The service has nothing under this path, or not for this method (400, 404, 405, 410, 501)."""

    def __init__(self, text: str, status: int) -> None:
        self.status = status
        super().__init__(text)


class BusyError(SourceUnavailableError):
    """The service is busy (429, 503) and asks for a pause of `pause` seconds; 0 where it gives none."""

    def __init__(self, text: str, pause: float) -> None:
        self.pause = pause
        super().__init__(text)


def refusal(response: aiohttp.ClientResponse, where: str, section: str, said: Complaint) -> SourceError:
    """Return the error of a status that is no success; `said` are the service's own words."""
    status = response.status
    if status in _MEANINGS:
        return _MEANINGS[status](where, status, section, said)
    if status in (429, 503):
        pause = seconds_of(response.headers.get("Retry-After", ""))
        return BusyError(f"{where}: the service is busy ({status}){said}", pause)
    if 300 <= status < 400:
        text = f"{where} is redirected elsewhere ({status}); set {section}.url to where it leads"
        return SourceUnavailableError(text)
    return SourceUnavailableError(f"{where} answered {status}{said}")


def seconds_of(text: str) -> float:
    """Return the seconds in a header, an hour at most; 0 for a date, which no known service sends."""
    known = text.isascii() and text.isdecimal() and len(text) < 10
    return min(float(text), _LONGEST_WAIT) if known else 0.0


def _bad_question(where: str, status: int, section: str, said: Complaint) -> SourceError:
    fix = f"; set {section}.url to the name that it goes by" if _HOST.search(said.text) else ""
    return NoSuchPathError(f"{where} is refused as a bad question ({status}){fix}{said}", status)


def _no_login(where: str, status: int, _: str, said: Complaint) -> SourceError:
    return TokenRefusedError(f"{where} asks for another login ({status}){said}")


def _not_allowed(where: str, status: int, _: str, said: Complaint) -> SourceError:
    if said.has("PasswordChangeRequired"):
        fix = "log in once by hand and change it"
        return LoginRefusedError(f"the password of the account has expired ({status}): {fix}{said}")
    return NotAllowedError(f"{where} is not for this account ({status}); it needs a role that may read{said}")


def _no_such_path(where: str, status: int, _: str, said: Complaint) -> SourceError:
    return NoSuchPathError(f"{where} does not exist there ({status}){said}", status)


_MEANINGS: Mapping[int, Callable[[str, int, str, Complaint], SourceError]] = {
    400: _bad_question,
    401: _no_login,
    403: _not_allowed,
    404: _no_such_path,
    405: _no_such_path,
    410: _no_such_path,
    501: _no_such_path,
}
