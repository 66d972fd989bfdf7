"""Connections to the gateway's databases, and their schemas."""

import os
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from hostcollector.base.errors import ConfigError
from hostcollector.gateway.errors import AccountsError
from hostcollector.gateway.settings import DatabaseSettings

CONNECT_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The schema of one database: its `name` for people, its steps, and the table that has the last one."""

    name: str
    migrations: Path
    version_table: str = "alembic_version"
    command: str = "database"
    """The command that brings it to a release's."""

    def upgrade(self, engine: Engine) -> str:
        """Bring the schema to this release's, and return its revision. Raises `AccountsError`."""
        config = Config()
        config.set_main_option("script_location", str(self.migrations))
        try:
            with engine.begin() as connection:
                if engine.dialect.name == "postgresql":  # two hosts at once: the second one waits
                    lock = text("SELECT pg_advisory_xact_lock(hashtext(:name))")
                    connection.execute(lock, {"name": self.version_table})
                else:  # the same, and all steps or none: SQLite's driver begins no transaction for tables
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                config.attributes["connection"] = connection
                config.attributes["version_table"] = self.version_table
                command.upgrade(config, "head")
                return self._revision(connection)
        except SQLAlchemyError as error:
            raise AccountsError(f"{self._called(engine)} cannot be upgraded: {reason(error)}") from error

    def revision(self, engine: Engine) -> str:
        """Return the revision of the schema; empty before the first. Raises `AccountsError`."""
        try:
            with engine.connect() as connection:
                return self._revision(connection)
        except SQLAlchemyError as error:
            why = missing_directory(engine) or reason(error)
            raise AccountsError(f"{self._called(engine)} does not answer: {why}") from error

    def check(self, engine: Engine) -> None:
        """Raise `AccountsError` where the schema is older than this release's.

        A newer one is taken: a migration only adds what older releases do not read, so that a release can be
        put back, and several gateways can be upgraded one after the other.
        """
        script = ScriptDirectory(str(self.migrations))
        known = {step.revision for step in script.walk_revisions()}
        found, wanted = self.revision(engine), script.get_current_head()
        if not found or (found in known and found != wanted):
            raise AccountsError(
                f"{self._called(engine)} has schema {found or 'none'}, this release needs {wanted}: "
                f"run `hostcollector-gateway {self.command} upgrade`"
            )

    def _called(self, engine: Engine) -> str:
        """Return how an error names the database: its URL without what may be secret, or its file."""
        url = engine.url.set(query={})
        file = str(url.database).removeprefix("file:") if url.get_backend_name() == "sqlite" else ""
        return f"the {self.name} database {file or url.render_as_string()}"

    def _revision(self, connection: Connection) -> str:
        options = {"version_table": self.version_table}
        return MigrationContext.configure(connection, opts=options).get_current_revision() or ""


def connect(settings: DatabaseSettings, *, reads_only: bool = False) -> Engine:
    """Return the engine for a configured database, without opening a connection.

    Its connections change nothing if it `reads_only`. Raises `ConfigError` for a URL or a password file that
    cannot be used.
    """
    try:
        url = make_url(settings.database)
        if settings.password_file is not None:
            url = url.set(password=Path(settings.password_file).read_text().rstrip("\r\n"))
    except (ArgumentError, OSError, ValueError) as error:
        raise ConfigError("database", [f"it cannot be used: {type(error).__name__}"]) from None
    if url.get_backend_name() != "sqlite":
        options = {"options": "-c default_transaction_read_only=on"} if reads_only else {}
        arguments = {"connect_timeout": CONNECT_SECONDS, **options}
        return create_engine(url, pool_pre_ping=True, pool_size=2, connect_args=arguments)
    if reads_only:
        url = url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
        return create_engine(url, poolclass=NullPool, connect_args={"timeout": CONNECT_SECONDS})
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": CONNECT_SECONDS})

    @event.listens_for(engine, "connect")
    def _prepare(connection: object, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")  # type: ignore[attr-defined]
        connection.execute("PRAGMA journal_mode = WAL")  # type: ignore[attr-defined]

    return engine


def read_one_moment(connection: Connection) -> None:
    """Let all statements of a new connection read the database as it is at the first one.

    Otherwise each statement has what was written until then, and rows of two do not belong together.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")  # its driver begins a transaction with the first change only
    else:
        connection.execution_options(isolation_level="REPEATABLE READ")


def act_as_owner(settings: DatabaseSettings) -> None:
    """As root, become the account that owns the SQLite database, or the directory where it will be.

    A file of root's beside the database would shut out the service. Other databases need no such care.
    """
    path = make_url(settings.database).database
    if os.geteuid() != 0 or not settings.database.startswith("sqlite") or not path:
        return
    existing = next((one for one in (Path(path), Path(path).parent) if one.exists()), None)
    owner = existing.stat() if existing else None
    if owner is not None and owner.st_uid != 0:
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


def missing_directory(engine: Engine) -> str:
    """Return what to do where SQLite's file has no directory; empty otherwise."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return ""
    directory = Path(engine.url.database.removeprefix("file:")).parent
    try:
        directory.stat()
    except FileNotFoundError:
        return f"make its directory {directory}, which the service's account owns"
    except OSError:
        pass  # the database's own words are about it
    return ""


def reason(error: SQLAlchemyError) -> str:
    """Return what the database said, in one line and without the statement."""
    original = getattr(error, "orig", None)
    return str(original or type(error).__name__).strip().partition("\n")[0][:200]
