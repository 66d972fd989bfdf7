"""What `config` prints: the keys of the configuration and of plans; GATEWAY_CONFIG.md with Markdown."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from hostcollector.config.reference import Part, as_json, keys, markdown, parts, plain
from hostcollector.gateway.plans import Plan, Plans
from hostcollector.gateway.settings import GatewaySettings

FORMS: Mapping[str, Callable[[Iterable[Part]], Iterator[str]]] = {
    "table": plain,
    "json": as_json,
    "markdown": markdown,
}
_PREFACE = """\
# Configuration of the gateway

Written by `hostcollector-gateway config --format markdown` from the settings; not to be edited by hand.
Sections and keys are optional; a required key is needed where its section is given.
Without a default a key is empty. Unknown keys are refused.
`serve`, `admin` and `intake` have one format; each reads the sections that it needs.
[docs/gateway.md](../docs/gateway.md) and [docs/billing.md](../docs/billing.md) have examples.

## The configuration file

`/etc/hostcollector-gateway/gateway.yml`, `operator.yml` or `intake.yml`, or the file of `--config.file`.
"""
_PLANS = """\
## The file of plans

The file of `accounts.plans_file`. Without it there is one plan, `detailed`, with everything.
"""


def render(form: str) -> str:
    """Return all keys in one of `FORMS`, with a line break at the end."""
    settings, plans = parts(GatewaySettings), parts(Plans, {"plans": [*keys(Plan, "plans.NAME")]})
    if form == "markdown":
        lines = [_PREFACE, *markdown(settings), _PLANS, *markdown(plans)]
    else:
        lines = [*FORMS[form]([*settings, *plans])]
    return "\n".join(lines).rstrip("\n") + "\n"
