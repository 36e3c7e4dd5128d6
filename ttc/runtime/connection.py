"""A socket that carries JSON messages and notices when its peer is gone."""

import json
import socket
import threading

# A host that lost power closes no socket. TCP keepalive notices it after
# 15 + 3 * 5 seconds; Linux would first probe an idle peer after two hours.
_KEEPALIVE = (('TCP_KEEPIDLE', 15), ('TCP_KEEPINTVL', 5), ('TCP_KEEPCNT', 3))


class Connection:
  """A socket that carries JSON messages, each a dict on a line of its own.

  Any thread may send; one thread at a time receives.
  """

  def __init__(self, connection: socket.socket):
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
      if hasattr(socket, name):  # not every system has all three
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    self._socket, self._file = connection, connection.makefile('rb')
    self._send_lock = threading.Lock()

  def wait_at_most(self, seconds: float | None) -> None:
    """Limits how long `receive` waits for the next bytes; None is no limit.

    `receive` raises TimeoutError at the limit. The connection cannot receive
    afterwards: its buffered reader refuses to read on after a timeout.
    """
    self._socket.settimeout(seconds)

  def send(self, message: dict) -> None:
    """Sends a message; does nothing when the peer is gone.

    A lost peer is reported in one place only, by `receive` returning None.
    """
    data = json.dumps(message).encode('ascii') + b'\n'
    try:
      with self._send_lock:  # a large message takes several writes
        self._socket.sendall(data)
    except OSError:
      return

  def receive(self) -> dict | None:
    """Waits for the next message.

    Returns:
      The message; None when the peer is gone or does not speak this protocol.

    Raises:
      TimeoutError: no message came within the limit of `wait_at_most`.
    """
    try:
      line = self._file.readline()
      message = json.loads(line) if line.endswith(b'\n') else None
    except TimeoutError:  # an OSError, which the next clause would take
      raise
    except (OSError, ValueError):
      return None
    return message if isinstance(message, dict) else None

  def is_broken(self) -> bool:
    """Whether the peer is known to be gone.

    Call it while no `receive` is waiting and no limit is set: with a limit,
    Python would wait for that long and then count the silence as a loss.
    """
    try:
      peek = socket.MSG_PEEK | socket.MSG_DONTWAIT
      return not self._socket.recv(1, peek)
    except BlockingIOError:  # nothing to read from a live peer
      return False
    except OSError:
      return True

  def close(self) -> None:
    """Closes the connection."""
    self._socket.close()
