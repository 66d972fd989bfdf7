"""What the rewriting must refuse and what it must make of the rest: a list that a mutation test can run."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import promql_parser as promql

from hostcollector.gateway.errors import QueryRefusedError
from hostcollector.gateway.promql.reach import Window
from hostcollector.gateway.promql.rewriting import Draft, Step, rewrite, tenant_matchers

NOW = 1_800_000_000.0
HISTORY = 15 * 86_400.0

REFUSED = {
    "operators": "x" + "+x" * 101,
    "signs": "-" * 101 + "x",
    "brackets": "(" * 101 + "x" + ")" * 101,
    "bytes": f'x{{a="{"b" * 8200}"}}',
    "matchers": "x{" + ",".join(['a=""'] * 202) + "}",
    "labels": "sum by (" + ",".join("a" * 202) + ") (x)",
    "arguments": "label_join(x," + ",".join(['"a"'] * 202) + ")",
    "a heavy set": 'x{a=~"[^a]{500}"}',
    "a heavy dot": 'x{a=~".{500}"}',
    "heavy letters of two cases": 'x{a=~"(?i:k){500}"}',
    "a heavy class": 'x{a=~"\\\\w{200}"}',
    "many heavy classes": "x{" + ",".join(['a=~"\\\\w{9}"'] * 20) + "}",
    "nested repetitions": 'x{a!~"((a{20}){20}){20}"}',
    "a heavy class behind a comment": 'x{a=~ # "\n`\\pL{200}`}',
    "a class that is hidden": 'x{a=~"\\x5cw{200}"}',
    "negative @": "x @ -5",
    "huge @": "x @ 1e300",
    "not PromQL": "x +",
    "MetricsQL's WITH": "WITH (y = x) y",
    "MetricsQL's union": "union(x, y)",
    "Graphite": '{__graphite__="a.*"} or on() union(x)',
    "unknown function": "info(x)",
    "experimental aggregation": "limitk(2, x)",
    "fill": "x + fill_left(1) y",
    "or between matchers": 'x{a="b" or tenant="b"}',
    "quoted metric": '{"a metric"}',
    "quoted label": 'x{"a label"="b"}',
    "quoted label in a group": 'sum by ("a b") (x)',
    "quoted label in a join": 'x + on ("a b") y',
    "other tenant": 'x{tenant="b"}',
    "own tenant": 'x{tenant="a"}',
    "every other tenant": 'x{tenant!="a"}',
    "any tenant": 'x{tenant=~".*"}',
    "quoted tenant": '{"x", "tenant"="b"}',
    "tenant in a parameter": 'quantile(scalar(secret{tenant="b"}) / 1000, x)',
    "account of a cluster": 'x{vm_account_id="1"}',
    "project of a cluster": 'x{vm_project_id="1"}',
    "reserved label": 'x{__tenant_id__="b"}',
    "range before the history": "rate(x[16d])",
    "offset before the history": "x offset 16d",
    "@ before the history": f"x @ {NOW - 16 * 86_400:.0f}",
    "subquery before the history": "max_over_time(rate(x[8d])[8d:1h])",
    "nested subqueries": "max_over_time(max_over_time(x[8d:1h])[8d:1h])",
    "part of an expression": "x + avg_over_time(y[1d] offset 15d)",
    "an offset that Python cannot hold": "x offset -300000000y",
    "an offset of a subquery that Python cannot hold": "max_over_time(x[1h:1m] offset -300000000y)",
    "parameter of an aggregation": "topk(scalar(x offset 16d), y)",
}

ACCEPTED = {
    "x": 'x{tenant="a"}',
    '{__name__=~".+"}': '{__name__=~".+",tenant="a"}',
    "rate(x[5m] offset 1h)": 'rate(x{tenant="a"}[5m] offset 1h)',
    "x @ start() - x offset -5m": 'x{tenant="a"} @ start() - x{tenant="a"} offset -5m',
    "max_over_time(rate(x[5m])[1h:1m] @ end())": 'max_over_time(rate(x{tenant="a"}[5m])[1h:1m] @ end())',
    "quantile(scalar(s) / 1000, x)": 'quantile(scalar(s{tenant="a"}) / 1000, x{tenant="a"})',
    "topk(scalar(s), x) by (vm)": 'topk by (vm) (scalar(s{tenant="a"}), x{tenant="a"})',
    "x and on(vm) y": 'x{tenant="a"} and on (vm) y{tenant="a"}',
    'x{v="q\\"u\\\\o\\nte"}': 'x{tenant="a",v="q\\"u\\\\o\\nte"}',
    'x{vm=~"[0-9a-f]{8}-.+|web.*"}': 'x{tenant="a",vm=~"[0-9a-f]{8}-.+|web.*"}',
    "x{v='`'} # tenant=\"b\"": 'x{tenant="a",v="`"}',
    'label_replace(x, "tenant", "b", "", "")': 'label_replace(x{tenant="a"}, "tenant", "b", "", "")',
    "time() - 1": "time() - 1",
    f"x @ {NOW - 86_400:.0f}": f'x{{tenant="a"}} @ {NOW - 86_400:.3f}',
}

FAULTY = {
    "no matcher": 'x{a="b"}',
    "another tenant's": 'x{tenant="b"}',
    "an alternative": 'x{tenant="a" or tenant="b"}',
    "two matchers": 'x{tenant="a",tenant="a"}',
    "a pattern": 'x{tenant=~"a"}',
    "one more selector": 'x{tenant="a"} + y{tenant="a"}',
    "none": "1",
}
"""What a faulty `tenant_matchers` could print for ``x``."""


def draft(text: str, tenant: str = "a") -> Draft:
    """Return the draft of an instant query."""
    return Draft(tenant=tenant, text=text, window=Window.of(NOW, NOW), oldest=NOW - HISTORY)


def problems(steps: Sequence[Step]) -> Iterator[str]:
    """Yield a line for everything that goes otherwise than it must with these steps."""
    for name, text in REFUSED.items():
        if (found := _outcome(text, steps)) is not None:
            yield f"{name}: {found}"
    for text, wanted in ACCEPTED.items():
        if (found := _outcome(text, steps)) != wanted:
            yield f"{text}: {found}"
    for name, text in FAULTY.items():
        faulty = [_printing(text) if step is tenant_matchers else step for step in steps]
        if (found := _outcome("x", faulty)) is not None:
            yield f"a faulty step that prints {name}: {found}"


def _printing(text: str) -> Step:
    return lambda draft: replace(draft, text=text)


def _outcome(text: str, steps: Sequence[Step]) -> str | None:
    """Return the rewritten text with its matchers sorted, None for a refusal."""
    try:
        found = rewrite(draft(text), steps)
        return promql.parse(found).prettify()
    except QueryRefusedError:
        return None
    except BaseException as error:  # noqa: BLE001 - without one of the steps the parser may panic
        return repr(error)
