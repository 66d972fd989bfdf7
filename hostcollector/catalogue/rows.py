"""How a row of the catalogue is written: one constructor per kind, so that a row reads as one line.

Each row says what its values can be: `can_be` takes one of the names of `possible`, or makes one. A value
that it does not allow is left out of the page, counted in `hostcollector_implausible_values_total`, and named
in the note of the source that gave it. How to choose:

* Take the name of the kind that is meant: FLAG, RATIO, CELSIUS, WATTS, MEMORY, NETWORK_BYTES, SECONDS ...
* None fits: `code(last)` for numbers that mean words, `number_of(most)` for things that are counted up
  and down, `measured(least, most, unknown=...)` for other gauges, `counted(per_second)` for counters.
* The bounds are what no hardware of the next ten years does, not what is usual: a value that is right and
  left out is a fault as well. `per_second` is for one series, by the fastest device.
* `unknown` are values inside of the bounds that mean "not known": -1, or 8, 16, 32 or 64 bits of ones, in the
  base unit. A counter of `bits` that `saturates` is left out at its last number.
* What a guest says of its memory takes GUEST_MEMORY; a part of something else takes `within=` that row.
* A gauge without bounds is `unbounded(reason)`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from hostcollector.base.model import Kind, Metric, Neighbours, Possible, Scope, TenantView
from hostcollector.catalogue.possible import ONE

counter = partial(Metric, kind=Kind.COUNTER)
gauge = partial(Metric, kind=Kind.GAUGE)
info = partial(Metric, kind=Kind.INFO, can_be=ONE)
histogram = partial(Metric, kind=Kind.HISTOGRAM)

EXPERIMENTAL = "experimental"

COMPATIBILITY, VCPU_DETAIL = "compatibility_names", "vcpu_detail"
"""Switches of the configuration's section `series`.

They are for other exporters' names of what has another name here too, and for what is constant for each vCPU.
"""


def view(family: Metric, neighbours: Neighbours, **columns: Any) -> TenantView:
    """Return what a tenant sees of a row; `columns` are the other fields of `TenantView`."""
    return TenantView(family=family, neighbours=neighbours, **columns)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Twin:
    """One fact about a device, as two rows: `guest` for a guest's device, `host` for the host's own.

    `key` is the ending of both names, without ``_total``. The record of baselines on disk has it in the names
    of counters, so it stays as it is once it was released.
    """

    key: str
    guest: Metric
    host: Metric

    def of(self, uuid: str) -> Metric:
        """Return the row for a device of the guest `uuid`, the host's row where that is empty."""
        return self.guest if uuid else self.host


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinRows:
    """Writes the twins of one kind of device.

    The prefixes begin the names of the rows, `labels` name the device, the notes are those of its counters.
    """

    source: str
    labels: tuple[str, ...]
    guest_prefix: str
    host_prefix: str
    guest_note: str
    host_note: str

    def counter(
        self,
        key: str,
        can_be: Possible,
        text: str,
        labels: tuple[str, ...] = (),
        unit: str = "",
        *,
        tenant: TenantView | None = None,
    ) -> Twin:
        """Return a counter; `labels` are those after the device's own, `text` is the help.

        `tenant` is what the guest's tenant sees of it.
        """
        row = partial(
            counter,
            can_be=can_be,
            help=text,
            labels=(*self.labels, *labels),
            unit=unit,
            source=self.source,
        )
        return Twin(
            key=key,
            guest=row(
                name=f"{self.guest_prefix}_{key}_total",
                scope=Scope.DOMAIN,
                note=self.guest_note,
                tenant=tenant,
            ),
            host=row(name=f"{self.host_prefix}_{key}_total", scope=Scope.HOST, note=self.host_note),
        )

    def gauge(
        self,
        key: str,
        can_be: Possible,
        text: str,
        labels: tuple[str, ...] = (),
        *,
        tenant: TenantView | None = None,
        **more: str,
    ) -> Twin:
        """Return a gauge; `more` are further columns: unit, note, another source."""
        return self._twin(partial(gauge, can_be=can_be), key, text, labels, more, tenant)

    def info(
        self, key: str, text: str, labels: tuple[str, ...], *, tenant: TenantView | None = None, **more: str
    ) -> Twin:
        """Return a description of value 1; `more` are further columns: note, another source."""
        return self._twin(info, key, text, labels, more, tenant)

    def _twin(
        self,
        make: Callable[..., Metric],
        key: str,
        text: str,
        labels: tuple[str, ...],
        more: Mapping[str, str],
        tenant: TenantView | None,
    ) -> Twin:
        columns = {"source": self.source, **more}
        row = partial(make, help=text, labels=(*self.labels, *labels), **columns)
        return Twin(
            key=key,
            guest=row(name=f"{self.guest_prefix}_{key}", scope=Scope.DOMAIN, tenant=tenant),
            host=row(name=f"{self.host_prefix}_{key}", scope=Scope.HOST),
        )
