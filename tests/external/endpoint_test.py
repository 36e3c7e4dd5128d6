"""What an endpoint may be, and where its key stands."""

import dataclasses

import pytest

from ttc.external.endpoint import Endpoint
from ttc.pipeline import fingerprint

URL = 'http://127.0.0.1:8000/v1'


@pytest.mark.parametrize(
  'url',
  [
    '127.0.0.1:8000',
    'localhost:8000/v1',
    'ftp://there/v1',
    'http://',
    'http:///v1',
    'http://there:port/v1',
    'http://there:99999/v1',
    'http://th ere/v1',
    'http://there/v1\n',
    '',
    None,
    7,
  ],
)
def test_addresses_that_are_none(url):
  with pytest.raises(ValueError, match=r'Endpoint.url=.*is no address; write'):
    Endpoint(url, 'm')


@pytest.mark.parametrize(
  'url',
  [
    'http://user:secret@there/v1',
    'https://there/v1?api_key=secret',
    'https://there/v1#secret',
  ],
)
def test_secrets_do_not_stand_in_addresses(url):
  with pytest.raises(ValueError, match='where secrets may stand') as caught:
    Endpoint(url, 'm')
  assert 'secret' not in str(caught.value).replace('secrets', '')


@pytest.mark.parametrize('name', ['sk-proj-secret', 'a b', '1KEY', 'KEY='])
def test_a_key_instead_of_its_variable(name):
  with pytest.raises(ValueError, match='no name of an environment') as caught:
    Endpoint(URL, 'm', key_variable=name)
  assert name not in str(caught.value)


@pytest.mark.parametrize(
  ('held', 'message'),
  [
    (None, 'A_KEY, which is to hold the key of .*, is not set; export it'),
    ('', 'is not set'),
    ('secret\n', 'holds no key'),
    ('sécret', 'holds no key'),
    ('a secret', 'holds no key'),
  ],
)
def test_keys_that_are_missing(monkeypatch, held, message):
  monkeypatch.delenv('A_KEY', raising=False)
  if held is not None:
    monkeypatch.setenv('A_KEY', held)
  with pytest.raises(ValueError, match=message) as caught:
    Endpoint(URL, 'm', key_variable='A_KEY').key()
  assert 'cret' not in str(caught.value)
  monkeypatch.setenv('A_KEY', 'sk-1')
  assert Endpoint(URL, 'm', key_variable='A_KEY').key() == 'sk-1'
  assert Endpoint(URL, 'm').key() == ''


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('model', ''),
    ('model', None),
    ('choices', 0),
    ('choices', 129),
    ('concurrency', 0),
    ('concurrency', 10_000),
    ('retries', -1),
    ('timeout', 0),
    ('timeout', float('inf')),
  ],
)
def test_numbers_without_meaning(field, value):
  with pytest.raises(ValueError, match=rf'Endpoint\.{field}='):
    dataclasses.replace(Endpoint(URL, 'm'), **{field: value})


def test_where_it_is_asked_may_change_between_runs():
  recorded = fingerprint.bindings(Endpoint(URL, 'm', key_variable='A_KEY'))
  assert sorted(recorded) == [
    'Endpoint',
    'Endpoint.ids',
    'Endpoint.logprobs',
    'Endpoint.model',
  ]
