"""How a row of the catalogue is written: one constructor per kind, so that a row reads as one line.

Each row says what its values can be: `can_be` takes one of the names of `possible`, or makes one. A value
that it does not allow is left out of the page, counted in `hostcollector_implausible_values_total`, and named
in the note of the source that gave it. How to choose:

* Take the name of the kind that is meant: FLAG, RATIO, CELSIUS, WATTS, MEMORY, NETWORK_BYTES, SECONDS ...
* None fits: `code(last)` for numbers that stand for words, `number_of(most)` for things that are counted up
  and down, `measured(least, most, unknown=...)` for other gauges, `counted(per_second)` for counters.
* The bounds are what no hardware of the next ten years does, not what is usual: a value that is right and
  left out is a fault as well. `per_second` is for one series, by the fastest device.
* `unknown` are values inside of the bounds that mean "not known": -1, or 8, 16, 32 or 64 bits of ones, in the
  base unit. A counter of `bits` that `saturates` is left out at its last number.
* What a guest says of its memory takes GUEST_MEMORY; a part of something else takes `within=` that row.
* A gauge without bounds is `unbounded(reason)`.
"""

from functools import partial

from hostcollector.base.model import Kind, Metric
from hostcollector.catalogue.possible import ONE

counter = partial(Metric, kind=Kind.COUNTER)
gauge = partial(Metric, kind=Kind.GAUGE)
info = partial(Metric, kind=Kind.INFO, can_be=ONE)
histogram = partial(Metric, kind=Kind.HISTOGRAM)

EXPERIMENTAL = "experimental"
