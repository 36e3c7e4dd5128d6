"""Lines of JSON over a socket that notices when the other end is gone."""

import json
import socket
import threading

# A host that lost power is noticed after 15 + 3 * 5 seconds.
_KEEPALIVE = (('TCP_KEEPIDLE', 15), ('TCP_KEEPINTVL', 5), ('TCP_KEEPCNT', 3))


class Connection:
  """Lines of JSON over a socket."""

  def __init__(self, connection: socket.socket):
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
      if hasattr(socket, name):  # not everywhere
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    self._connection, self._file = connection, connection.makefile('rb')
    self._sending = threading.Lock()

  def wait_at_most(self, seconds: float | None) -> None:
    """Receiving raises TimeoutError then; once it has, the line is over."""
    self._connection.settimeout(seconds)

  def send(self, news: dict) -> None:
    """Sends, or does nothing where nobody is at the other end any more."""
    data = json.dumps(news).encode('ascii') + b'\n'
    try:
      with self._sending:
        self._connection.sendall(data)
    except OSError:
      return  # receiving tells

  def receive(self) -> dict | None:
    """The next news; None when the line is broken, or not one of ours."""
    try:
      line = self._file.readline()
      news = json.loads(line) if line.endswith(b'\n') else None
    except TimeoutError:
      raise
    except (OSError, ValueError):
      return None
    return news if isinstance(news, dict) else None

  def is_broken(self) -> bool:
    """Whether the other end is known to be gone; only between news."""
    try:
      peek = socket.MSG_PEEK | socket.MSG_DONTWAIT
      return not self._connection.recv(1, peek)
    except BlockingIOError:
      return False
    except OSError:
      return True

  def close(self) -> None:
    """Ends the line."""
    self._connection.close()
