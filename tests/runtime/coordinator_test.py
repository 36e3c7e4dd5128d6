"""Strangers at the door of a run: none delays, ends or joins it."""

import concurrent.futures
import contextlib
import json
import re
import socket
import struct
import threading
import time

import pytest

from tests import joined
from ttc.runtime import admission, process_group
from ttc.runtime.connection import HELLO_BYTES
from ttc.runtime.coordinator import Coordinator, JoinError
from ttc.runtime.guard import Guard


def _hello(index=1, count=2, **fields):
  fields = {
    'hello': index,
    'count': count,
    'host': 'h',
    'about': {'the code': 'x'},
    'nonce': '',
  } | fields
  return json.dumps(
    {name: value for name, value in fields.items() if value is not None}
  ).encode()


# What a stranger sends, and what the log says of it.
_MALFORMED = {
  'a request': (b'GET / HTTP/1.0\r\n\r\n', 'is not JSON'),
  'any bytes': (bytes(range(256)) + b'\n', 'is not JSON'),
  'nothing': (b'\n', 'is not JSON'),
  'other encodings': ('{}\n'.encode('utf-16'), 'is not JSON'),
  'a list': (b'[1]\n', 'is not a JSON object'),
  'deep lists': (b'[' * 60_000 + b'\n', 'is not JSON'),
  'deep objects': (b'{"hello":' * 7_000 + b'\n', 'is not JSON'),
  'a list that cannot be printed': (
    _hello(index=None)[:-1] + b', "hello": ' + b'[' * 800 + b']' * 800 + b'}\n',
    'an index of type list',
  ),
  'no line end': (b'x' * (HELLO_BYTES + 1), 'more than 65536 bytes'),
  'a long line': (b' ' * HELLO_BYTES + b'{}\n', 'more than 65536 bytes'),
  'a digit too many': (b'{"hello": ' + b'9' * 5000 + b'}\n', 'is not JSON'),
  'nothing of a hello': (b'{}\n', 'has the fields []'),
  'no host': (
    _hello(host=None) + b'\n',
    "['about', 'count', 'hello', 'nonce']",
  ),
  'no about': (
    _hello(about=None) + b'\n',
    "['count', 'hello', 'host', 'nonce']",
  ),
  'no nonce': (
    _hello(nonce=None) + b'\n',
    "['about', 'count', 'hello', 'host']",
  ),
  'more than a hello': (
    _hello(**{'\x1b[31m': 1}) + b'\n',
    r"fields ['\x1b[31m',",
  ),
  'index 7 of 2': (_hello(7) + b'\n', 'the index 7 of 2'),
  'index -1': (_hello(-1) + b'\n', 'the index -1 of 2'),
  'a list as index': (_hello([1]) + b'\n', 'an index of type list'),
  'true as index': (_hello(True) + b'\n', 'an index of type bool'),
  'a float as index': (_hello(1.0) + b'\n', 'an index of type float'),
  'NaN as count': (_hello(count=float('nan')) + b'\n', 'count of type float'),
  'a number as host': (_hello(host=1) + b'\n', 'no host of at most 255'),
  'a long host': (_hello(host='h' * 256) + b'\n', 'no host of at most 255'),
  'a list as about': (_hello(about=[]) + b'\n', 'an about that is not text'),
  'numbers about': (_hello(about={'a': 1}) + b'\n', 'an about that is not'),
  'a number as nonce': (_hello(nonce=1) + b'\n', 'a nonce that is not text'),
  'half a hello': (_hello()[:9], 'closed without a whole message'),
}


def _call(address, wait=10.0):
  """A connection, as soon as something listens there."""
  host, _, port = address.partition(':')
  deadline = time.monotonic() + wait
  while True:
    try:
      return socket.create_connection((host, int(port)), timeout=10)
    except ConnectionRefusedError:
      if time.monotonic() > deadline:
        raise
      time.sleep(0.05)


def _send(caller, data):
  with contextlib.suppress(OSError):  # it may be closed in the midst of it
    caller.sendall(data)


def _answer(caller):
  """The first message that comes; None if the connection is closed."""
  try:
    line = caller.makefile('rb').readline()
  except ConnectionResetError:
    return None
  return json.loads(line) if line else None


def _is_open(caller):
  caller.setblocking(False)
  try:
    return bool(caller.recv(1, socket.MSG_PEEK))
  except BlockingIOError:
    return True
  except OSError:
    return False


def _trickle(callers, ended):
  """Sends each a byte now and then."""
  while not ended.wait(0.2):
    for caller in callers:
      _send(caller, b' ')


def _join(address, index, **options):
  return process_group.join(address, 2, index, {}, 20.0, print, **options)


def _join_both(address):
  with concurrent.futures.ThreadPoolExecutor() as pool:
    return [*pool.map(lambda index: _join(address, index), range(2))]


def test_processes_join_among_strangers():
  address = joined.address()
  first = joined.start(address, 0)
  ended = threading.Event()
  with contextlib.ExitStack() as stack:
    stack.callback(ended.set)
    callers = [stack.enter_context(_call(address)) for _ in range(54)]
    slow, rest = callers[:10], iter(callers[10:])
    threading.Thread(target=_trickle, args=(slow, ended), daemon=True).start()
    for (data, _), caller in zip(_MALFORMED.values(), rest, strict=False):
      _send(caller, data)
    next(rest).close()
    broken = next(rest)  # ends by a reset
    broken.setsockopt(
      socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)
    )
    broken.close()
    silent = [*rest]
    assert len(silent) >= 12
    others = [joined.start(address, index) for index in (1, 2)]
    for process in others:
      assert process.stdout.readline() == '[0, 1, 2] [None, None, None]\n'
  (code, output), *ends = joined.ends([first, *others])
  assert (code, ends) == (0, [(0, '')] * 2)
  *log, last = output.splitlines()
  assert last == '[0, 1, 2] [None, None, None]'
  assert len(log) >= len(_MALFORMED) - 1  # half a hello is not ended here
  for line in log:
    assert re.match(r'ttc: closed a connection from 127\.0\.0\.1: its? ', line)
    assert line.isprintable()
    assert len(line) < 320


@pytest.fixture
def coordinator():
  """A coordinator of two processes, neither of which has joined."""
  address = joined.address()
  yield address, Coordinator(address, 2, 5.0, Guard())
  with contextlib.suppress(ConnectionRefusedError):  # it has ended
    for index in range(2):
      with _call(address, wait=0.0) as caller:
        _send(caller, _hello(index) + b'\n')


@pytest.mark.parametrize('kind', _MALFORMED)
def test_what_is_no_hello_is_closed_and_logged(coordinator, capfd, kind):
  address, _ = coordinator
  data, reason = _MALFORMED[kind]
  with _call(address) as caller:
    _send(caller, data)
    if kind == 'half a hello':
      caller.shutdown(socket.SHUT_WR)
    assert _answer(caller) is None
  (line,) = capfd.readouterr().err.splitlines()
  assert reason in line
  assert line.isprintable()


def test_a_byte_now_and_then_gains_no_time(coordinator, capfd, monkeypatch):
  monkeypatch.setattr(admission, 'HELLO_S', 0.6)
  address, _ = coordinator
  ended = threading.Event()
  with _call(address) as caller:
    began = time.monotonic()
    threading.Thread(
      target=_trickle, args=([caller], ended), daemon=True
    ).start()
    assert _answer(caller) is None
    assert 0.4 < time.monotonic() - began < 5
    ended.set()
  assert 'it sent no hello within 1 s' in capfd.readouterr().err


def test_strangers_cannot_take_all_places(monkeypatch, capfd):
  monkeypatch.setattr(admission, '_MOST_STRANGERS', 3)
  address = joined.address()
  with concurrent.futures.ThreadPoolExecutor() as pool:
    first = pool.submit(_join, address, 0)
    with contextlib.ExitStack() as stack:
      callers = [stack.enter_context(_call(address)) for _ in range(20)]
      for caller in callers[:15]:  # the oldest, at once; process 0 ends one too
        assert _answer(caller) == {
          'busy': 'process 0 has 5 newer callers without a hello'
        }
      assert all(map(_is_open, callers[16:]))
      second = _join(address, 1)
    assert second.hosts == first.result().hosts
  assert capfd.readouterr().err.count('closed a connection') >= 15


def test_processes_join_in_a_flood(monkeypatch):
  monkeypatch.setattr(admission, '_MOST_STRANGERS', 3)
  address = joined.address()
  ended = threading.Event()

  def flood():
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
      while not ended.is_set():
        stack.enter_context(_call(address, wait=0.0))

  with concurrent.futures.ThreadPoolExecutor() as pool:
    first = pool.submit(_join, address, 0)
    flooding = pool.submit(flood)
    time.sleep(0.3)
    second = pool.submit(_join, address, 1)
    try:
      assert second.result().hosts == first.result().hosts
    finally:
      ended.set()
      flooding.result()


def test_who_is_too_late_for_a_place_calls_again(monkeypatch):
  with socket.create_server(('127.0.0.1', 0)) as server:
    address = f'127.0.0.1:{server.getsockname()[1]}'
    with concurrent.futures.ThreadPoolExecutor() as pool:
      process = pool.submit(_join, address, 1)
      for answer in ({'busy': 'why'}, {'welcome': ['a', 'b'], 'port': 9}):
        caller, _ = server.accept()
        with caller:
          assert _answer(caller)['hello'] == 1
          _send(caller, json.dumps(answer).encode() + b'\n')
          if 'welcome' in answer:
            assert process.result().hosts == ['a', 'b']


def test_the_log_of_strangers_ends(coordinator, monkeypatch, capfd):
  monkeypatch.setattr(admission, '_MOST_LOGGED', 3)
  address, _ = coordinator
  for _ in range(9):
    with _call(address) as caller:
      _send(caller, b'\n')
      assert _answer(caller) is None
  *_, last = lines = capfd.readouterr().err.splitlines()
  assert len(lines) == 4
  assert last == 'ttc: closed more connections, which are not logged.'


def test_nobody_is_listening_when_all_have_joined():
  address = joined.address()
  with concurrent.futures.ThreadPoolExecutor() as pool:
    first = pool.submit(_join, address, 0)
    with _call(address) as caller:
      second = _join(address, 1)
      assert _answer(caller) is None
    assert first.result().port == second.port
  with pytest.raises(ConnectionRefusedError):
    _call(address, wait=0.0)


def test_only_who_knows_the_nonce_joins():
  address = joined.address()
  options = {'count': 2, 'about': 'x'}
  first = joined.start(address, 0, nonce='the right one', **options)
  wrong = [
    joined.start(address, 1, nonce=nonce, **options)
    for nonce in ('the wrong one', '')
  ]
  for code, output in joined.ends(wrong):
    assert code == 2
    assert 'has another TTC_JOIN_NONCE than process 0, or none' in output
    assert 'one ' not in output
  right = joined.start(address, 1, nonce='the right one', **options)
  (code, output), (other, _) = joined.ends([first, right])
  assert (code, other) == (0, 0)
  assert output.count('closed a connection from 127.0.0.1: process 1 (') == 2
  assert 'the right' not in output
  assert 'the wrong' not in output


def test_a_host_name_cannot_speak_to_the_terminal():
  address = joined.address()
  first = joined.start(address, 0)
  evil = '\x1b]0;evil\x07\n\ud800' + 'h' * 240
  with _call(address) as rogue:
    _send(rogue, _hello(1, 3, host=evil) + b'\n')
    ends = joined.ends([first, joined.start(address, 1, count=3)])
    refusal = _answer(rogue)
  assert r'\x1b]0;evil\x07\n\ud800hhh' in refusal['refused']
  for code, output in ends:
    assert code == 2
    assert 'both say --process=1' in output
    assert output[:-1].isprintable()


def test_a_process_that_ended_comes_again_with_another_version(coordinator):
  address, _ = coordinator
  with _call(address) as ended:
    _send(ended, _hello(1, about={'the code': 'old'}) + b'\n')
  with _call(address) as again, _call(address) as first:
    _send(again, _hello(1, about={'the code': 'new'}) + b'\n')
    _send(first, _hello(0, about={'the code': 'new'}) + b'\n')
    assert _answer(again)['welcome'] == ['h', 'h']
    assert _answer(first)['welcome'] == ['h', 'h']


def test_who_has_ended_is_not_compared(coordinator):
  address, _ = coordinator
  with _call(address) as ended:
    _send(ended, _hello(1, about={'the code': 'old'}) + b'\n')
  with _call(address) as first:
    _send(first, _hello(0, about={'the code': 'new'}) + b'\n')
    assert 'welcome' in _answer(first)


def test_a_place_is_kept_while_its_process_lives(coordinator):
  address, _ = coordinator
  with _call(address) as living, _call(address) as rogue:
    _send(living, _hello(1) + b'\n')
    time.sleep(0.2)
    _send(rogue, _hello(1, host='elsewhere') + b'\n')
    for caller in (living, rogue):
      assert _answer(caller) == {
        'refused': 'process 1 (h) and elsewhere both say --process=1; give '
        'each process its own.'
      }


class _Distant(Guard):
  """Takes every caller for one from another machine."""

  def allows(self, peer, own):
    return False


def test_who_calls_from_elsewhere_without_a_nonce_is_told(capfd):
  address = joined.address()
  Coordinator(address, 2, 2.0, _Distant())
  for _ in range(20):  # the reason comes whole, though the hello is not read
    with pytest.raises(JoinError) as error:
      _join(address, 1)
    assert str(error.value) == (
      '127.0.0.1 is not known as a host of this run; set TTC_JOIN_NONCE to the '
      'same value on all hosts.'
    )
  assert capfd.readouterr().err.count('set TTC_JOIN_NONCE') == 20


class _Looking(Guard):
  """Finds the callers' addresses only when they have called a few times."""

  def __init__(self, *arguments):
    super().__init__(*arguments)
    self.looking, self._calls = True, 0

  def allows(self, peer, own):
    self._calls += 1
    return self._calls > 4


def test_a_host_of_the_pod_may_come_before_its_name(monkeypatch, capfd):
  monkeypatch.setattr(process_group, 'Guard', _Looking)
  first, second = _join_both(joined.address())
  assert first.hosts == second.hosts
  assert capfd.readouterr().err == ''


def test_a_value_that_is_too_large_is_refused_here(monkeypatch):
  both = _join_both(joined.address())
  monkeypatch.setattr(process_group, 'MESSAGE_BYTES', 100)
  with pytest.raises(ValueError, match='processes exchange at most 100'):
    both[0].meet('a table', 'x' * 100)
