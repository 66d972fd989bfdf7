"""A Prometheus with the shipped rules, over a database that is there already or scraping a collector."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.dashboards.rule_files import RULES
from tests.lab.process import end, spawn, until
from tests.lab.prometheus import answers
from tests.ports import reserved_port

CONFIGURATION = """global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 1s
rule_files: [{rules}]
scrape_configs:
  - job_name: hostcollector
    static_configs:
      - targets: [{target}]
        labels: {{region: here, availability_zone: one}}
"""


@contextmanager
def serving(directory: Path, target: str = "") -> Iterator[str]:
    """Run the server on `directory`/data and yield its address; without a target it scrapes nothing."""
    configuration = directory / "prometheus.yml"
    rules = ", ".join(str(_without_intervals(path, directory)) for path in RULES)
    configuration.write_text(CONFIGURATION.format(rules=rules, target=f'"{target}"' if target else ""))
    log = directory / "prometheus.log"
    command = [
        "prometheus",
        f"--config.file={configuration}",
        f"--storage.tsdb.path={directory / 'data'}",
        "--log.level=warn",
    ]
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}"
        child = spawn([*command, f"--web.listen-address=127.0.0.1:{port}"], log)
        try:
            until(lambda: answers(f"{url}/-/ready"), 30.0, f"Prometheus, see {log}")
            yield url
        finally:
            end(child)


def _without_intervals(path: Path, directory: Path) -> Path:
    """Return a copy of a rule file whose groups are evaluated each second, not once a minute."""
    copy = directory / path.name
    copy.write_text(re.sub(r"^ +interval: \w+\n", "", path.read_text(), flags=re.MULTILINE))
    return copy
