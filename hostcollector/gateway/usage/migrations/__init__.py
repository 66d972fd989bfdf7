"""The steps of the ledger's schema, for Alembic."""
