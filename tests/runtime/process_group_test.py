"""Real processes on real sockets: who comes, who differs, who dies."""

import socket
import time

import pytest

from tests import joined
from ttc.runtime import process_group
from ttc.runtime.coordinator import JoinError


def test_all_come_meet_and_leave():
  address = joined.address()
  started = [joined.start(address, index) for index in (2, 0, 1)]
  for process in started:
    assert process.stdout.readline() == '[0, 1, 2] [None, None, None]\n'
  for code, output in joined.ends(started):
    assert (code, output) == (0, '')


@pytest.mark.parametrize('victim', [0, 1])
@pytest.mark.parametrize(('order', 'code'), [('die', None), ('leave', 143)])
def test_who_ends_is_named_wherever_the_others_wait(victim, order, code):
  address = joined.address()
  started = [joined.start(address, index) for index in range(3)]
  for process in started:
    process.stdout.readline()
  others = [p for index, p in enumerate(started) if index != victim]
  joined.order(others[0], 'meet')  # the other one is busy
  time.sleep(0.1)
  joined.order(started[victim], order)
  for process in others:
    assert process.stdout.readline() == f'lost {victim} {code}\n'
    process.communicate()
    assert process.returncode == 1
  started[victim].communicate()


def test_process_0_ends_after_those_who_said_goodbye():
  address = joined.address()
  started = [joined.start(address, index, count=2) for index in range(2)]
  for process in started:
    process.stdout.readline()
  joined.order(started[1], 'linger')
  joined.order(started[0], 'leave')
  started[0].communicate()
  ended = time.monotonic()
  assert float(started[1].communicate()[0]) < ended


def test_who_does_not_come_is_named_to_all_who_did():
  address = joined.address()
  ends = joined.ends(
    [joined.start(address, index, timeout=2) for index in (0, 2)]
  )
  for code, output in ends:
    assert code == 2
    assert f'did not call {address} within 2 s: 1; there are 0 (' in output
    assert 'start them with --process=1' in output


def test_a_coordinator_that_is_not_there():
  with pytest.raises(JoinError, match='process 0 did not answer at 127'):
    process_group.join(joined.address(), 2, 1, {}, 0.5, print)


def test_a_coordinator_that_says_nothing():
  with socket.create_server(('127.0.0.1', 0)) as server:
    address = f'127.0.0.1:{server.getsockname()[1]}'
    process = joined.start(address, 1, timeout=-9)  # not later than at once
    caller, _ = server.accept()
    with caller:
      ((code, output),) = joined.ends([process])
  assert code == 2
  assert 'did not say which processes have come' in output


def test_a_port_that_is_taken():
  with socket.create_server(('127.0.0.1', 0)) as server:
    address = f'127.0.0.1:{server.getsockname()[1]}'
    with pytest.raises(JoinError, match=r'cannot listen at 127.*in use'):
      process_group.join(address, 2, 0, {}, 1.0, print)


@pytest.mark.parametrize(
  ('first', 'second', 'message'),
  [
    ({'index': 0}, {'index': 1, 'about': 'y'}, 'the code is '),
    ({'index': 0, 'count': 2}, {'index': 1, 'count': 3}, '--processes=3 and'),
  ],
)
def test_who_differs_is_named_to_all(first, second, message):
  address = joined.address()
  ends = joined.ends(
    [
      joined.start(address, **{'count': 2, **fields})
      for fields in (first, second)
    ]
  )
  for code, output in ends:
    assert code == 2
    assert message in output
    assert 'process 1 (' in output


def test_a_process_that_comes_twice_is_refused():
  address = joined.address()
  ends = joined.ends([joined.start(address, index) for index in (0, 1, 1)])
  assert {code for code, _ in ends} == {2}
  assert all('both say --process=1' in output for _, output in ends)


def test_a_stranger_does_not_disturb():
  address = joined.address()
  first = joined.start(address, 0, count=2)
  host, _, port = address.partition(':')
  while True:
    try:
      stranger = socket.create_connection((host, int(port)))
      break
    except OSError:
      time.sleep(0.05)
  with stranger:
    stranger.sendall(b'GET / HTTP/1.0\r\n\r\n')
    ends = joined.ends([first, joined.start(address, 1, count=2)])
  assert [code for code, _ in ends] == [0, 0]


@pytest.mark.parametrize(
  ('address', 'index', 'message'),
  [
    ('nowhere', 0, 'host:port'),
    ('a:0', 0, 'port from 1 to 65535'),
    ('a:65536', 0, 'port from 1 to 65535'),
    ('a:1', 2, '--process=2 is not in 0 to 1'),
  ],
)
def test_what_cannot_be_is_refused(address, index, message):
  with pytest.raises(JoinError, match=message):
    process_group.join(address, 2, index, {}, 1.0, print)
