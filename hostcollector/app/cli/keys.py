"""What `config` prints: the keys of the configuration and of the web-config file; CONFIG.md with Markdown."""

from collections.abc import Iterator

from hostcollector.config.reference import Key, as_json, markdown, parts, plain
from hostcollector.config.settings import Settings
from hostcollector.config.web_config import WebConfig
from hostcollector.outputs.metrics_table import TableFormat
from hostcollector.sources import NAMES

_PREFACE = """\
# Configuration

Written by `hostcollector config --format markdown` from the settings; not to be edited by hand.
Sections and keys are optional; a required key is needed where its section or entry is given.
Without a default a key is empty. Unknown keys are refused.
[docs/configuration.md](../docs/configuration.md) has an example.

## The configuration file

`/etc/hostcollector/hostcollector.yml`, or the file of `--config.file`.
"""
_WEB = """\
## The web-config file

The file of `web.config_file`: TLS and passwords, in the format of Prometheus's exporter toolkit.
[docs/security.md](../docs/security.md) describes it.
"""


def render(form: TableFormat) -> str:
    """Return all keys in `form`, with a line break at the end."""
    return "\n".join(_lines(form)).rstrip("\n") + "\n"


def _lines(form: TableFormat) -> Iterator[str]:
    sources = [
        Key(
            f"sources.{source.name}",
            "true or false",
            str(source.default_on).lower(),
            "",
            f"{source.help[:1].upper()}{source.help[1:]}.",
        )
        for source in NAMES
    ]
    settings, web = parts(Settings, {"sources": sources}), parts(WebConfig)
    if form is TableFormat.MARKDOWN:
        yield _PREFACE
        yield from markdown(settings)
        yield _WEB
        yield from markdown(web)
    elif form is TableFormat.JSON:
        yield from as_json([*settings, *web])
    else:
        yield from plain([*settings, *web])
