"""Who belongs to a run."""

import socket
import time

import pytest

from ttc.runtime import guard as guards
from ttc.runtime.guard import address, Guard

_OWN = address('10.0.0.1')


def _wait(condition):
  deadline = time.monotonic() + 10
  while not condition():
    assert time.monotonic() < deadline
    time.sleep(0.01)


@pytest.mark.parametrize(
  ('text', 'meant'),
  [
    ('::ffff:10.0.0.2', '10.0.0.2'),
    ('10.0.0.2', '10.0.0.2'),
    ('fe80::1%eth0', 'fe80::1'),
  ],
)
def test_an_address_is_the_same_however_it_is_written(text, meant):
  assert str(address(text)) == meant


@pytest.mark.parametrize(
  ('peer', 'allowed'),
  [
    ('127.0.0.1', True),
    ('127.9.9.9', True),
    ('::1', True),
    ('::ffff:127.0.0.1', True),
    ('10.0.0.1', True),  # this machine's own
    ('10.0.0.2', False),  # near and private, and anybody's
    ('192.168.0.1', False),
    ('8.8.8.8', False),
  ],
)
def test_without_a_nonce_only_this_machine_may_call(peer, allowed):
  assert Guard().allows(address(peer), _OWN) == allowed
  assert Guard('secret').allows(address(peer), _OWN)


def test_known_hosts_may_call_once_they_have_an_address(monkeypatch):
  names = {'one': '10.0.0.2'}

  def look_up(host, *_, **__):
    if host not in names:
      raise socket.gaierror('no such name')
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, '', (names[host], 0))]

  monkeypatch.setattr(socket, 'getaddrinfo', look_up)
  monkeypatch.setattr(guards, '_LOOKUP_S', 0.01)
  guard = Guard(hosts=['one', 'two'])
  _wait(lambda: guard.allows(address('10.0.0.2'), _OWN))
  assert guard.looking
  assert not guard.allows(address('10.0.0.3'), _OWN)
  names['two'] = '10.0.0.3'
  _wait(lambda: not guard.looking)
  assert guard.allows(address('10.0.0.3'), _OWN)
  assert not guard.allows(address('10.0.0.4'), _OWN)


def test_the_lookups_end_with_the_admission(monkeypatch):
  calls = []

  def look_up(host, *_, **__):
    calls.append(host)
    raise socket.gaierror('no such name')

  monkeypatch.setattr(socket, 'getaddrinfo', look_up)
  monkeypatch.setattr(guards, '_LOOKUP_S', 0.01)
  guard = Guard(hosts=['one'])
  _wait(lambda: len(calls) > 2)
  guard.close()
  _wait(lambda: not guard.looking)


def test_with_a_nonce_it_alone_decides():
  assert not Guard('secret', hosts=['one']).looking
  for nonce in ('secre', 'secret ', '', '\udcff', 'Secret'):
    assert not Guard('secret').recognizes(nonce)
  assert Guard('secret').recognizes('secret')
  assert Guard('\udcffé').recognizes('\udcffé')
  assert Guard().recognizes('anything')
