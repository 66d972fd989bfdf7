"""What is left of an erased tenant in the ledger: what invoices are made of, and nothing that names a VM."""

from sqlalchemy import Connection, Engine, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from hostcollector.gateway.database import reason
from hostcollector.gateway.errors import LedgerError
from hostcollector.gateway.usage import schema


def reduce_tenant(engine: Engine, tenant: str) -> str:
    """Reduce a tenant's records and say what was done; again, if it was done before. Raises `LedgerError`.

    Kept are the tenant's hours with amounts, running times and GPUs, and corrections without their words.
    Removed are the VMs' UUIDs and flavours, the gaps, and refused lines. A hash of tenant and UUID stays, so
    that a repeated record is billed once.
    """
    vms, records = schema.vms, schema.records
    own = select(vms.c.id).where(vms.c.tenant == tenant)
    try:
        with engine.begin() as connection:
            connection.execute(update(schema.state).values(position=schema.state.c.position))
            uuids = list(connection.execute(select(vms.c.vm).where(vms.c.tenant == tenant)).scalars())
            fewer = update(records).where(records.c.vm.in_(own)).values(flavour=None)
            count = connection.execute(fewer).rowcount
            connection.execute(delete(schema.gaps).where(schema.gaps.c.vm.in_(own)))
            unnamed = update(schema.corrections).where(schema.corrections.c.vm.in_(own))
            connection.execute(unnamed.values(author="", reason=""))
            # A VM of which no record was ever taken is known by its refused lines alone.
            named = [f'"tenant":{space}"{tenant}"' for space in ("", " ")]
            for words in (*filter(None, uuids), *named):
                _remove_lines(connection, words)
            connection.execute(update(vms).where(vms.c.tenant == tenant).values(vm=None))
    except SQLAlchemyError as error:
        raise LedgerError(f"the ledger cannot be reduced: {reason(error)}") from error
    return f"reduced {count} records of {len(uuids)} VMs to hours and amounts"


def _remove_lines(connection: Connection, words: str) -> None:
    """Remove the refused lines with these words; SQLite finds those in other letters' case too."""
    table = schema.refusals.c
    found = connection.execute(
        select(table.id, table.line).where(table.line.contains(words, autoescape=True))
    )
    for number in [row.id for row in found if words in row.line]:
        connection.execute(delete(schema.refusals).where(table.id == number))
