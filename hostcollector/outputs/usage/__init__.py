"""Usage records: exact to the byte and the second, from the raw counters of every collection.

`extraction` takes the readings out of a snapshot. `life` and `books` account for them: no input or output,
and the clock is an argument. `ledger` is the file, `document` the state of open lives, `keeper` puts both on
disk in the one safe order. docs/usage.md says what the records mean.
"""

PATH = "/tenants/usage"
"""The path of the records over HTTP."""

LEDGER_HEADER = "Hostcollector-Ledger"
"""The header with the name of the ledger."""
