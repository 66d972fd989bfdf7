"""The catalogue keeps its own naming contract; where a common name breaks it, the reason is here."""

import importlib
import pkgutil
import re
import subprocess
from collections.abc import Callable

import pytest

from hostcollector import catalogue
from hostcollector.base.model import IDENTITY_LABELS, Kind, Metric, Scope
from hostcollector.catalogue import block
from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format
from hostcollector.sources import NAMES
from tests.fakes.pages import full_page

COMMON_OF_THE_HOST = {"libvirt_up", "libvirt_domains", "libvirt_versions_info"}
RESERVED_LABELS = {"le", "quantile", "job", "instance", "host", "__name__"}
UNITS = ("bytes", "seconds", "joules", "watts", "celsius", "volts", "hertz", "ratio")

PER_SECOND = "the Tinkoff exporter's name; the value is in bytes per second, which no unit of Prometheus is"
UNIT_BREAKERS = {
    "libvirt_domain_block_stats_allocation": "the Tinkoff exporter's name, which leaves the unit out",
    **{
        row.name: PER_SECOND
        for key, row in block.LIMITS.items()
        if key.endswith(("_bytes_sec", "_bytes_sec_max"))
    },
}
"""Names that do not end in their unit, or end in one that is not theirs."""

INFO_BREAKERS = {
    "libvirt_versions_info": "typed gauge, as the Tinkoff exporter does: one name in both formats",
}
INSTANT_BREAKERS = {
    "process_start_time_seconds": "the name that all Prometheus client libraries have",
}
PERCENT_BREAKERS = {
    "libvirt_domain_memory_stats_used_percent": "a name of both common exporters, in percent and no ratio",
}
OWN_IDENTITY = {
    "hostcollector_host_tenant_incidents_total": "goes on after the guest has ended",
    "hostcollector_host_domain_ended_timestamp_seconds": "the guest has ended: no source knows it",
    "hostcollector_host_domain_incident_timestamp_seconds": "goes on after the guest has ended",
}
"""Rows of the host that name guests or tenants themselves."""
PROMTOOL_COMPLAINTS: dict[str, str] = {}
"""What ``promtool check metrics`` may say of a name, with the reason: at present nothing of any."""


def rows_where(breaks: Callable[[Metric], bool]) -> set[str]:
    """Return the names of the rows that break a rule."""
    return {row.name for row in catalogue.ALL if breaks(row)}


def test_names_are_unique() -> None:
    """No two rows have one name."""
    assert len(catalogue.BY_NAME) == len(catalogue.ALL) > 100


def test_every_file_of_rows_is_a_subject() -> None:
    """A row in a new file of the catalogue is in the table."""
    names = [module.name for module in pkgutil.iter_modules(catalogue.__path__)]
    modules = [importlib.import_module(f"{catalogue.__name__}.{name}") for name in names]
    with_rows = {module for module in modules if list(catalogue.rows_of(module))}
    assert with_rows == {*catalogue.SUBJECTS, catalogue.vm}


def test_prefixes() -> None:
    """A guest's rows begin with libvirt_domain_, the others with whom they are about."""
    about = {"process": "process_", "host": "hostcollector_host_"}

    def breaks(row: Metric) -> bool:
        if row.scope is Scope.DOMAIN:
            return not row.name.startswith("libvirt_domain_")
        return not row.name.startswith(about.get(row.source, "hostcollector_"))

    assert rows_where(breaks) == COMMON_OF_THE_HOST


def test_names_are_in_snake_case() -> None:
    """Names are lower-case words with single underscores between them."""
    assert rows_where(lambda row: not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", row.name)) == set()


def test_counters_and_only_counters_are_totals() -> None:
    """A name ends in _total when, and only when, it is a counter."""
    assert rows_where(lambda row: (row.kind is Kind.COUNTER) != row.name.endswith("_total")) == set()


def test_info_rows_say_so() -> None:
    """A name ends in _info when, and only when, its value is always 1 and its labels describe."""
    breaks = rows_where(lambda row: (row.kind is Kind.INFO) != row.name.endswith("_info"))
    assert breaks == INFO_BREAKERS.keys()


def test_units_agree_with_names() -> None:
    """A row with a base unit carries it at the end of its name, and a name that ends in one has it."""

    def breaks(row: Metric) -> bool:
        name = row.name.removesuffix("_total")
        return row.unit != next((unit for unit in UNITS if name.endswith(f"_{unit}")), "")

    assert rows_where(breaks) == UNIT_BREAKERS.keys()


def test_no_other_units_in_names() -> None:
    """No name has a unit that is no base unit."""
    words = {"percent", "ms", "milliseconds", "ns", "us", "kib", "mib", "kilobytes", "minutes", "mhz"}
    assert rows_where(lambda row: bool(words & set(row.name.split("_")))) == PERCENT_BREAKERS.keys()


def test_instants_say_so() -> None:
    """A Unix time ends in _timestamp_seconds, and nothing else does."""

    def breaks(row: Metric) -> bool:
        return ("as a Unix time" in row.help) != row.name.endswith("_timestamp_seconds")

    assert rows_where(breaks) == INSTANT_BREAKERS.keys()


def test_labels() -> None:
    """Labels are words, each once, and none that Prometheus, its targets or the identity of guests owns."""
    word = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

    def breaks(row: Metric) -> bool:
        taken = RESERVED_LABELS | (set() if row.name in OWN_IDENTITY else set(IDENTITY_LABELS))
        return (
            len(set(row.labels)) < len(row.labels)
            or not taken.isdisjoint(row.labels)
            or not all(map(word.fullmatch, row.labels))
        )

    assert rows_where(breaks) == set()


def test_help_and_notes() -> None:
    """Help and note are full sentences on one line, without stray spaces."""

    def breaks(row: Metric) -> bool:
        texts = [row.help, row.note] if row.note else [row.help]
        return any(text != " ".join(text.split()) or not text.endswith(".") for text in texts)

    assert rows_where(breaks) == set()


def test_sources_are_known() -> None:
    """Every row comes from a source that exists or from the collector; no source is without rows."""
    assert {row.source for row in catalogue.ALL} == {"collector", *(source.name for source in NAMES)}


def test_stability_is_said() -> None:
    """A row is stable or experimental."""
    assert {row.stability for row in catalogue.ALL} <= {"stable", "experimental"}


@pytest.mark.lab
def test_promtool_has_nothing_else_to_say() -> None:
    """Prometheus' own lint complains about the excused names and no other, on a page with every row."""
    page = Encoder().encode(full_page(), Format.TEXT)
    check = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    complained = {line.split()[0] for line in (check.stdout + check.stderr).decode().splitlines()}
    assert complained == PROMTOOL_COMPLAINTS.keys()
    assert (check.returncode == 0) == (not complained)
