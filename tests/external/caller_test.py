"""Servers that are down, slow or wrong, and what is said of each."""

import datetime
import email.utils
import http.server
import json
import re
import socket
import threading
import time

import pytest

from ttc.external.caller import Caller, NoAnswerError, PassingError
from ttc.external.endpoint import Endpoint

KEY = 'sk-very-secret'
JSON = {'Content-Type': 'application/json'}
GOOD = (200, JSON, b'{"choices": []}')


class _Scripted(http.server.ThreadingHTTPServer):
  """Answers by a list, whose last entry it repeats."""

  daemon_threads = True

  def __init__(self):
    super().__init__(('127.0.0.1', 0), _Handler)
    self.script, self.seen = [], []

  @property
  def url(self):
    return f'http://127.0.0.1:{self.server_address[1]}/v1'


class _Handler(http.server.BaseHTTPRequestHandler):
  def log_message(self, *_):
    pass

  def do_GET(self):
    self.do_POST()

  def do_POST(self):
    body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
    fields = json.loads(body or b'null')
    self.server.seen.append((self.path, dict(self.headers), fields))
    script = self.server.script
    answer = script.pop(0) if len(script) > 1 else script[0]
    if callable(answer):
      answer(self)
      return
    status, headers, body = answer
    self.send_response(status)
    for name, value in headers.items():
      self.send_header(name, value)
    if 'Content-Length' not in headers:
      self.send_header('Content-Length', str(len(body)))
    self.end_headers()
    self.wfile.write(body)


@pytest.fixture(scope='module')
def scripted():
  server = _Scripted()
  thread = threading.Thread(target=server.serve_forever, daemon=True)
  thread.start()
  yield server
  server.shutdown()
  server.server_close()


def call(server, script, read=lambda found: found, **settings):
  """Posts once to a server that answers by a script."""
  server.script[:] = script
  server.seen.clear()
  settings = {'timeout': 20.0, 'retries': 1} | settings
  url = settings.pop('url', server.url)
  with Caller(Endpoint(url, 'm', **settings)) as caller:
    return caller.post('completions', {'prompt': 'q'}, read), caller


def told(status, message):
  return status, JSON, json.dumps({'error': {'message': message}}).encode()


def test_what_is_sent(scripted, monkeypatch):
  found, caller = call(scripted, [GOOD], url=scripted.url + '/')
  assert found == {'choices': []}
  assert caller.retried == 0
  ((path, headers, body),) = scripted.seen
  assert (path, body) == ('/v1/completions', {'prompt': 'q'})
  assert 'Authorization' not in headers
  monkeypatch.setenv('A_KEY', KEY)
  call(scripted, [GOOD], key_variable='A_KEY')
  assert scripted.seen[0][1]['Authorization'] == f'Bearer {KEY}'


@pytest.mark.parametrize(
  ('answer', 'message'),
  [
    (told(401, 'no key'), "HTTP 401: 'no key'; export a key, and name its"),
    (
      told(404, 'no such model'),
      "such model'; bind the Endpoint.url that .*'m'",
    ),
    ((404, {}, b'nothing here'), "HTTP 404: 'nothing here'; bind the Endpoint"),
    ((405, {}, b''), 'HTTP 405; bind the Endpoint.url'),
    (
      told(400, "this model's maximum context length is 64 tokens"),
      'context length is 64.*; a prompt and its answer .*Solver.prompt_tokens',
    ),
    (
      told(413, 'no'),
      '; a prompt and its answer have to fit: lower Generation',
    ),
    (told(422, 'prompt must be a string'), 'string.; bind Endpoint.ids=False'),
    (
      (400, JSON, b'{"detail": [1]}'),
      'HTTP 400: .*detail.*; bind Endpoint.ids',
    ),
    (
      (301, {'Location': 'https://there/v1'}, b''),
      "HTTP 301; it points to 'https://there/v1'; bind Endpoint.url",
    ),
    (
      (501, {}, b''),
      'HTTP 501; bind Endpoint.ids=False if it takes texts only',
    ),
    (
      (200, {'Content-Type': 'text/html'}, b'<html>Welcome</html>'),
      "answers with 'text/html' and not with JSON: '<html>Welcome.*in /v1",
    ),
    ((200, {}, b'\xff\xfe'), "answers with 'text' and not with JSON"),
    ((200, JSON, b'[1, 2]'), r'answers with \[1, 2\], which is no object'),
    ((200, {}, b'[' * 100_000), 'not with JSON'),
    ((200, JSON, b' ' * (2**26 + 1)), 'answered with more than 64 MiB; lower'),
    (
      told(400, '\x1b[31m\n' + 'x' * 5000),
      r"HTTP 400: '\\x1b\[31m\\nxxx[^\n]*;",
    ),
  ],
)
def test_what_will_not_get_better_is_told_at_once(scripted, answer, message):
  with pytest.raises(ValueError, match=message) as caught:
    call(scripted, [answer], retries=5)
  assert len(scripted.seen) == 1
  assert '\n' not in str(caught.value)
  assert len(str(caught.value)) < 700


def test_a_key_is_never_repeated(scripted, monkeypatch):
  monkeypatch.setenv('A_KEY', KEY)
  for answer in (
    told(401, f'{KEY} is wrong'),
    (200, {'Content-Type': 'text/html'}, f'<p>{KEY}'.encode()),
    told(500, f'{KEY} broke it'),
  ):
    with pytest.raises((ValueError, OSError)) as caught:
      call(scripted, [answer], key_variable='A_KEY', retries=0)
    assert KEY not in str(caught.value)
    assert '***' in str(caught.value)
  with pytest.raises(ValueError, match='see that A_KEY holds a key of this'):
    call(scripted, [told(403, 'no')], key_variable='A_KEY')


def hang_up(handler):
  handler.close_connection = True


def cut_short(handler):
  handler.send_response(200)
  handler.send_header('Content-Length', '100')
  handler.end_headers()
  handler.wfile.write(b'{"choices": [')


def too_late(handler):
  time.sleep(1.0)


def dripping(handler):
  handler.send_response(200)
  handler.send_header('Content-Length', str(2**20))
  handler.end_headers()
  for _ in range(300):
    try:
      handler.wfile.write(b' ')
    except OSError:
      return
    time.sleep(0.05)


@pytest.mark.parametrize(
  ('failure', 'reason'),
  [
    (told(500, 'oops'), "HTTP 500: 'oops'"),
    ((503, {}, b''), 'HTTP 503'),
    ((529, {}, b''), 'HTTP 529'),
    ((429, {'Retry-After': '1'}, b''), r'HTTP 429 \(asks to wait 1 s\)'),
    ((408, {'Retry-After': 'nan'}, b''), 'HTTP 408$'),
    ((429, {'Retry-After': 'soon'}, b''), 'HTTP 429$'),
    ((200, JSON, b''), 'its JSON was cut short'),
    ((200, JSON, b'{"choices": [{'), 'its JSON was cut short'),
    (hang_up, 'Remote end closed connection'),
    (cut_short, 'IncompleteRead|bytes'),
    (too_late, 'it took longer than Endpoint.timeout=0.5 s'),
    (dripping, 'it took longer than Endpoint.timeout=0.5 s'),
  ],
)
def test_what_may_pass_is_tried_again(scripted, failure, reason):
  late = failure in (too_late, dripping)
  settings = {'timeout': 0.5} if late else {}
  found, caller = call(
    scripted, [failure, failure, GOOD], retries=3, **settings
  )
  assert found == {'choices': []}
  assert caller.retried == 2
  assert len(scripted.seen) == 3
  assert re.search(reason, caller.trouble)
  with pytest.raises(NoAnswerError, match='after 1 tries, the last time') as e:
    call(scripted, [failure], retries=0, **settings)
  kept = 'What is written is kept: the same command continues.'
  assert str(e.value).endswith(kept)


def test_what_is_odd_is_asked_again(scripted):
  tries = iter([PassingError('an answer has no text'), None])

  def read(found):
    if (error := next(tries)) is not None:
      raise error
    return found

  found, caller = call(scripted, [GOOD], read)
  assert found == {'choices': []}
  assert (caller.retried, caller.trouble) == (1, 'an answer has no text')


def test_nobody_is_there():
  with socket.socket() as taken:  # bound, and it does not listen
    taken.bind(('127.0.0.1', 0))
    url = f'http://127.0.0.1:{taken.getsockname()[1]}/v1'
    with (
      Caller(Endpoint(url, 'm', retries=1)) as caller,
      pytest.raises(NoAnswerError, match=r'after 2 tries, .*refused.*it is up'),
    ):
      caller.post('completions', {}, lambda found: found)


@pytest.mark.parametrize(
  ('answer', 'expected'),
  [
    ({'data': [{'id': 'n'}, {'id': 'm', 'max_model_len': 64}]}, 64),
    ({'data': [{'id': 'm', 'max_model_len': '64'}]}, None),
    ({'data': [{'id': 'm'}]}, None),
    ({'data': [{'id': 'n', 'max_model_len': 64}, 'm', None]}, None),
    ({'data': 'm'}, None),
    ({}, None),
  ],
)
def test_how_much_room_a_model_has(scripted, answer, expected):
  scripted.script[:] = [(200, JSON, json.dumps(answer).encode())]
  scripted.seen.clear()
  with Caller(Endpoint(scripted.url, 'm')) as caller:
    assert caller.context() == expected
    assert scripted.seen[0][0] == '/v1/models'
    scripted.script[:] = [(404, {}, b'')]
    assert caller.context() is None


def test_a_server_that_wants_to_be_left_alone(scripted):
  later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=2)
  date = email.utils.format_datetime(later, usegmt=True)
  for wish in ('7200', date):
    with pytest.raises(NoAnswerError, match=r'after 1 tries.*wait 7[12]\d\d s'):
      call(scripted, [(429, {'Retry-After': wish}, b'')], retries=5)
  past = email.utils.format_datetime(later.replace(year=2000), usegmt=True)
  call(scripted, [(429, {'Retry-After': past}, b''), GOOD])


def test_a_pause_ends_with_the_work(scripted):
  scripted.script[:] = [(503, {'Retry-After': '500'}, b'')]
  raised = []

  def post(caller):
    try:
      caller.post('completions', {}, lambda found: found)
    except NoAnswerError as error:
      raised.append(error)

  with Caller(Endpoint(scripted.url, 'm')) as caller:
    thread = threading.Thread(target=post, args=(caller,))
    thread.start()
    while not caller.retried:
      time.sleep(0.01)
  thread.join(20)
  assert not thread.is_alive()
  assert len(raised) == 1
