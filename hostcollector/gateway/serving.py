"""The program: it listens, and lets a supervisor run the workers, which are forks that share the sockets."""

import logging
import socket
from functools import partial
from pathlib import Path

from hostcollector.base import log
from hostcollector.base.errors import listen_error
from hostcollector.config.address import Address
from hostcollector.gateway.accounts.database import check_schema, connect
from hostcollector.gateway.configuration import read_configuration
from hostcollector.gateway.promql.self_test import check_library
from hostcollector.gateway.supervisor import Supervisor
from hostcollector.web.access import exposure

logger = logging.getLogger(__name__)


def serve(path: Path | None) -> int:
    """Serve with the configuration of a file until SIGTERM or SIGINT, and return the exit status.

    Raises `HostcollectorError` where nothing can be served: the configuration, the address, the accounts, the
    library.
    """
    configuration = read_configuration(path)
    settings = configuration.settings
    log.configure(settings.log.level, settings.log.format)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    check_library()
    engine = connect(settings.accounts)
    check_schema(engine)
    engine.dispose()  # a fork must not share a connection
    sockets = _listeners(settings.web.listen_address)
    logger.info(
        "listening on %s", ", ".join(f"{one.getsockname()[0]}:{one.getsockname()[1]}" for one in sockets)
    )
    if warning := exposure([settings.operator.listen_address], configuration.operator.config):
        logger.warning("operator.listen_address: %s", warning)
    return Supervisor(configuration, partial(read_configuration, path), sockets).run()


def _listeners(address: Address) -> list[socket.socket]:
    """Return bound sockets. Raises `ListenError`."""
    try:
        found = socket.getaddrinfo(
            address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        sockets = []
        for family, _, _, _, where in found:
            one = socket.socket(family, socket.SOCK_STREAM)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(where)
            sockets.append(one)
    except OSError as error:
        raise listen_error(str(address), error) from error
    return sockets
