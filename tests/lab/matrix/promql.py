"""Queries over pages of several hypervisors, as Prometheus' own engine answers them."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.lab.served import Page


def check(
    query: str, expected: Mapping[str, float], pages: Mapping[str, Page], directory: Path, *names: str
) -> None:
    """Hold the query to what is expected of it, by labels as in ``{tenant="acme"}``.

    `pages` are by instance; only the metrics of `names` are handed over. Raises `AssertionError`.
    """
    series = [
        {"series": _selector(name, {**dict(labels), "instance": instance}), "values": str(value)}
        for instance, page in pages.items()
        for (name, labels), value in page.series.items()
        if name in names
    ]
    samples = [{"labels": labels, "value": value} for labels, value in expected.items()]
    test = {"expr": query, "eval_time": "0s", "exp_samples": samples}
    document = {"tests": [{"interval": "1m", "input_series": series, "promql_expr_test": [test]}]}
    file = directory / "query.yml"
    file.write_text(json.dumps(document))  # JSON is YAML
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _selector(name: str, labels: Mapping[str, str]) -> str:
    return name + "{" + ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items()) + "}"
