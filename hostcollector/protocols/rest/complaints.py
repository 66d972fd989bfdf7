"""What a service itself says of why it refuses: its own words, on one line, cut, and without secrets.

Redfish says it as an object ``error`` with extended messages (DSP0266, error responses), other services as
``message``, as plain text or as a page of HTML.
"""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from hostcollector.base.wording import one_line

_LONGEST = 240
_MOST_MESSAGES = 4
_SHORTEST_SECRET = 8
_UNSEEN = re.compile(r"<(style|script|head)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
# "See @Message.ExtendedInfo for more information": the schema's own text where there is nothing to say.
_EMPTY_WORDS = "extendedinfo"


@dataclass(frozen=True, slots=True)
class Complaint:
    """What was said, empty for nothing; `ids` are the keys of its messages (``Base.1.8.AccessDenied``)."""

    text: str = ""
    ids: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Whether one of the messages is of that name, in whichever version of its registry."""
        return any(one.rpartition(".")[2] == name for one in self.ids)

    def __str__(self) -> str:
        return f": {self.text}" if self.text else ""


def complaint(content: bytes, secrets: Collection[str] = ()) -> Complaint:
    """Return what the body of a refusal says; nothing for one that says nothing."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return Complaint(_shown(_UNSEEN.sub(" ", content.decode(errors="replace")), secrets))
    return complaint_of(document, secrets)


def complaint_of(document: Any, secrets: Collection[str] = ()) -> Complaint:
    """Return what a document says that is an error instead of an answer."""
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
    """Yield what in the values of headers may be a secret: a token behind ``Bearer`` or ``AuthCookie=``."""
    for value in values:
        yield from (part for part in re.split(r"[ =;]", value) if len(part) >= _SHORTEST_SECRET)


def _messages(document: Any) -> Iterator[tuple[str, str]]:
    """Yield the keys and texts of the messages, the extended ones first: they say more."""
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
    """Return a text for a note: without secrets first, for half of one that was cut would not be found."""
    line = one_line(" ".join(concealed(text, secrets).split())).rstrip(" .")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
