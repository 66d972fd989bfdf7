"""A proxy in front of libvirtd's socket that can be slow, or gone."""

import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PIECE = 65536


class Proxy:
    """Passes on what comes through `path` to `target`; `delay` seconds are added to each reply.

    `asked` counts the pieces that clients have sent: a request of libvirt is one.
    """

    def __init__(self, path: Path, target: Path) -> None:
        self._path = path
        self._target = target
        self._listener = self._listen()
        self._open: set[socket.socket] = set()
        self.delay = 0.0
        self.asked = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def disappear(self) -> None:
        """Remove the socket and cut all connections."""
        self._path.unlink()
        for end in list(self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def appear(self) -> None:
        """Make the socket anew."""
        self._listener = self._listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End everything."""
        with suppress(FileNotFoundError):
            self.disappear()

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._path))
        listener.listen(100)
        return listener

    def _accept(self) -> None:
        listener = self._listener
        listener.settimeout(0.2)
        while self._listener is listener and self._path.exists():
            with suppress(TimeoutError):
                client, _ = listener.accept()
                client.settimeout(None)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()
        listener.close()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(str(self._target))
            self._open |= {client, server}
            try:
                self._pass_on(client, server)
            finally:
                self._open -= {client, server}

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    piece = key.fileobj.recv(_PIECE)  # type: ignore[union-attr] # a socket, as registered
                    if not piece:
                        return
                    if key.fileobj is server:
                        time.sleep(self.delay)
                    else:
                        self.asked += 1
                    key.data.sendall(piece)


@contextmanager
def proxied(path: Path, target: Path) -> Iterator[Proxy]:
    """Run a proxy for the block."""
    proxy = Proxy(path, target)
    try:
        yield proxy
    finally:
        proxy.close()
