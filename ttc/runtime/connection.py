"""A socket that carries JSON messages and notices when its peer is gone."""

import json
import socket
import threading
import time

from ttc.runtime.safe_text import printable

# Most bytes in a message: in a hello, which any host may send, and in what a
# process of the run sends afterwards, such as the tables that it exchanges.
HELLO_BYTES = 64 * 2**10
MESSAGE_BYTES = 64 * 2**20
_LONGEST_TEXT = 255  # characters; DNS allows no longer name of a host
_CHUNK = 64 * 2**10  # most bytes that one read takes from the socket
# A host that lost power closes no socket. TCP keepalive notices it after
# 15 + 3 * 5 seconds; Linux would first probe an idle peer after two hours.
_KEEPALIVE = (('TCP_KEEPIDLE', 15), ('TCP_KEEPINTVL', 5), ('TCP_KEEPCNT', 3))


def shown(text: str, limit: int = _LONGEST_TEXT) -> str:
  """Text of a peer as it may be printed: on one line, escaped, truncated."""
  return printable(text, limit, one_line=True)


class ProtocolError(ValueError):
  """What a peer sent is not a message of this protocol."""


class Connection:
  """A socket that carries JSON messages, each a dict on a line of its own.

  Any thread may send; one thread at a time receives.

  Attributes:
    limit: most bytes in a message that is received; may be changed between two
      messages.
  """

  def __init__(self, connection: socket.socket, limit: int = MESSAGE_BYTES):
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
      if hasattr(socket, name):  # not every system has all three
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    self.limit = limit
    self._socket = connection
    # Not a file of `makefile`: its `readline` waits for each read anew, so a
    # peer that sends a byte now and then would pass any time limit.
    self._received = bytearray()
    self._searched = 0  # bytes of it that are known to hold no line end
    self._send_lock = threading.Lock()

  def fileno(self) -> int:
    """The file descriptor, for selectors."""
    return self._socket.fileno()

  def send(self, message: dict, at_most: int | None = None) -> None:
    """Sends a message; does nothing when the peer is gone.

    A lost peer is reported in one place only, by `receive` returning None.

    Args:
      message: plain JSON.
      at_most: most bytes that the peer accepts; None if the message is small.

    Raises:
      ValueError: the message is longer; nothing was sent.
    """
    data = json.dumps(message).encode('ascii') + b'\n'
    if at_most is not None and len(data) > at_most:
      raise ValueError(
        f'a message of {len(data)} bytes; processes exchange at most {at_most}.'
      )
    try:
      with self._send_lock:  # a large message takes several writes
        self._socket.sendall(data)
    except OSError:
      return

  def receive(self, deadline: float | None = None) -> dict | None:
    """Waits for the next message.

    Args:
      deadline: time.monotonic() at which to give up, however much of the
        message has arrived; None is never.

    Returns:
      The message; None when the peer is gone or does not speak this protocol.

    Raises:
      TimeoutError: the deadline passed.
    """
    try:
      while (line := self._next_line()) is None:
        if deadline is not None:
          left = deadline - time.monotonic()
          if left <= 0:
            raise TimeoutError
          self._socket.settimeout(left)
        data = self._socket.recv(_CHUNK)
        if not data:
          return None
        self._received += data
      return _parsed(line)
    except TimeoutError:  # an OSError, which the next clause would take
      raise
    except (OSError, ProtocolError):
      return None
    finally:
      if deadline is not None:
        self._unlimit()

  def poll(self) -> dict | None:
    """The next message if it has arrived, else None; does not wait.

    Call it when the socket is readable.

    Raises:
      ProtocolError: there will be no message: the peer is gone, or has sent
        something else.
    """
    try:
      data = self._socket.recv(_CHUNK, socket.MSG_DONTWAIT)
    except BlockingIOError:
      return None
    except OSError as error:
      raise ProtocolError(f'it broke: {error.strerror}') from error
    if not data:
      raise ProtocolError('it was closed without a whole message')
    self._received += data
    line = self._next_line()
    return None if line is None else _parsed(line)

  def is_broken(self) -> bool:
    """Whether the peer is gone, or has sent data out of turn.

    Call it while no `receive` is waiting.
    """
    if self._received:
      return True
    try:
      self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:  # nothing to read from a live peer
      return False
    except OSError:
      return True
    return True  # the end, or data out of turn

  def close(self) -> None:
    """Closes the connection."""
    self._socket.close()

  def _next_line(self) -> bytes | None:
    """Takes a whole line from what was received; None if there is none yet.

    Raises:
      ProtocolError: the line is longer than the limit.
    """
    end = self._received.find(b'\n', self._searched)
    if max(end, len(self._received) if end < 0 else 0) > self.limit:
      raise ProtocolError(f'its message has more than {self.limit} bytes')
    if end < 0:
      self._searched = len(self._received)
      return None
    line = bytes(self._received[:end])
    del self._received[: end + 1]
    self._searched = 0
    return line

  def _unlimit(self) -> None:
    """Lets later calls wait without limit; the socket may be closed by now."""
    try:
      self._socket.settimeout(None)
    except OSError:
      return


def _parsed(line: bytes) -> dict:
  """The message of a line.

  Raises:
    ProtocolError: it is not a JSON object.
  """
  try:
    message = json.loads(line.decode('ascii'))  # as `send` encodes it
  # Python gives up on a few thousand nested lists by a RecursionError.
  except (ValueError, RecursionError) as error:
    raise ProtocolError('its message is not JSON') from error
  if not isinstance(message, dict):
    raise ProtocolError('its message is not a JSON object')
  return message
