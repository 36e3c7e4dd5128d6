"""Messages between two sockets."""

import os
import socket
import threading
import time

import pytest

from ttc.runtime import connection as connections
from ttc.runtime.connection import Connection, ProtocolError


@pytest.fixture
def ends():
  """The two ends of a TCP connection, the second as a Connection."""
  with socket.create_server(('127.0.0.1', 0)) as server:
    near = socket.create_connection(server.getsockname())
    far, _ = server.accept()
  connection = Connection(far, limit=1000)
  with near, far:
    yield near, connection


def _polled(connection):
  """The next message, without `receive`."""
  deadline = time.monotonic() + 5
  while (message := connection.poll()) is None:
    assert time.monotonic() < deadline
    time.sleep(0.001)
  return message


def test_messages_arrive_one_by_one(ends):
  near, connection = ends
  near.sendall(b'{"a": 1}\n{"b": "' + b'x' * 900 + b'"}\n{"c":')
  assert connection.receive() == {'a': 1}
  assert connection.receive() == {'b': 'x' * 900}
  with pytest.raises(TimeoutError):
    connection.receive(time.monotonic() + 0.05)
  near.sendall(b'3}\n')
  assert connection.receive() == {'c': 3}
  near.shutdown(socket.SHUT_WR)
  assert connection.receive() is None


def test_a_deadline_is_for_the_whole_message(ends):
  near, connection = ends
  ended = threading.Event()

  def trickle():
    while not ended.wait(0.05):
      near.sendall(b' ')

  thread = threading.Thread(target=trickle)
  thread.start()
  with pytest.raises(TimeoutError):
    connection.receive(time.monotonic() + 0.4)
  ended.set()
  thread.join()


@pytest.mark.parametrize(
  'data', [b'x' * 1001, b' ' * 999 + b'{}\n', b'[' * 990 + b'\n', b'[]\n']
)
def test_what_is_no_message_ends_the_connection(ends, data):
  near, connection = ends
  near.sendall(data)
  assert connection.receive() is None


def test_polling_does_not_wait(ends):
  near, connection = ends
  assert connection.poll() is None
  near.sendall(b'{"a":')
  deadline = time.monotonic() + 5
  while not connection.is_broken():
    assert time.monotonic() < deadline
  assert connection.poll() is None
  near.sendall(b' 1}\n')
  assert _polled(connection) == {'a': 1}
  near.close()
  with pytest.raises(ProtocolError, match='closed'):
    _polled(connection)


def test_a_limit_may_be_raised_between_messages(ends):
  near, connection = ends
  connection.limit = 10**6
  threading.Thread(
    target=near.sendall, args=(b' ' * 10**6 + b'\n',), daemon=True
  ).start()
  with pytest.raises(ProtocolError, match='is not JSON'):
    _polled(connection)


def test_a_message_is_sent_only_if_the_peer_accepts_it(ends):
  near, connection = ends
  with pytest.raises(ValueError, match=r'a message of 12 bytes; .* at most 11'):
    connection.send({'abc': 12}, at_most=11)
  connection.send({'abc': 12}, at_most=12)
  assert near.recv(99) == b'{"abc": 12}\n'


def test_closing_leaves_no_file_open(ends):
  _, connection = ends
  number = connection.fileno()
  os.fstat(number)
  connection.close()
  with pytest.raises(OSError, match='Bad file descriptor'):
    os.fstat(number)


@pytest.mark.parametrize(
  ('text', 'shown'),
  [
    ('a host-1.b', 'a host-1.b'),
    ('\x1b[31m\x00\n\x9b', r'\x1b[31m\x00\n\x9b'),
    ('\ud800\u202e', r'\ud800\u202e'),
  ],
)
def test_text_of_a_peer_is_escaped(text, shown):
  assert connections.shown(text) == shown
  assert len(connections.shown(text * 1000)) <= 255
  assert connections.shown(shown) == shown
