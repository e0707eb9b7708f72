"""Brings a covered process's connections to the gateway: from the loopback of its own to the machine's.

The listener belongs to the process's network namespace, whoever accepts from it. So this runs in the keeper, which the
process can neither see nor stop, and needs no way into the namespace.
"""

import socket
import threading
import time
from pathlib import Path

_MOST = 256  # connections at a time; more wait
_PIECE = 256 * 1024
_PAUSE_SECONDS = 0.1


def begin(listener: socket.socket, port: Path) -> None:
    """Forward in the background, as long as this process lives.

    Args:
        listener: where the process connects to.
        port: the file that has the gateway's port; read for each connection, since a later gateway may have another.
    """
    threading.Thread(target=_accept, args=(listener, port), daemon=True).start()


def _accept(listener: socket.socket, port: Path) -> None:
    room = threading.Semaphore(_MOST)
    while True:
        room.acquire()
        try:
            client, _ = listener.accept()
        except OSError:  # the client left, or there is no descriptor now
            room.release()
            time.sleep(_PAUSE_SECONDS)
            continue
        threading.Thread(target=_join, args=(client, port, room), daemon=True).start()


def _join(client: socket.socket, port: Path, room: threading.Semaphore) -> None:
    try:
        with client, socket.create_connection(("127.0.0.1", int(port.read_bytes()))) as gateway:
            for each in (client, gateway):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answers = threading.Thread(target=_pipe, args=(gateway, client), daemon=True)
            answers.start()
            _pipe(client, gateway)
            answers.join()
    except (OSError, ValueError):
        return  # no gateway now: the client sees that its connection ends
    finally:
        room.release()


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what arrives until one side ends; then the other learns of it."""
    try:
        while piece := source.recv(_PIECE):
            # The client may wait for the answer to its first packet before it sends the second (see tunnel.py).
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for each in (source, sink):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it had ended
