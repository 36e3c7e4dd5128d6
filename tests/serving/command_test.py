"""`ttc serve` as a process: how it begins, and how it ends."""

import concurrent.futures
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

pytest.importorskip('starlette', reason='the extra serve is not installed')
pytest.importorskip('uvicorn', reason='the extra serve is not installed')

from tests.serving import served
from tests.stages.random_models import search_gin
from ttc.cli import main

CHATS = '/v1/chat/completions'


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  """The gin file of an experiment whose models are there."""
  folder = tmp_path_factory.mktemp('serve')
  return search_gin(folder, 'BestOfN', (4, 1000000), verified=False)


@contextlib.contextmanager
def _serving(path, *given, **environment):
  """A server as a process, and its port once it listens."""
  command = [sys.executable, '-m', 'ttc.cli.main', 'serve', '--port=0']
  process = subprocess.Popen(
    [*command, f'--gin_file={path}', *given],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    env={**os.environ, **environment},
  )
  try:
    told = process.stdout.readline()
    found = re.fullmatch(r'serving e at http://127.0.0.1:(\d+)/v1\n', told)
    assert found, process.communicate()
    yield process, int(found[1])
  finally:
    process.kill()
    process.communicate()


def _until_at_work(port, count):
  while served.ask(port, '/health')[1]['questions'] < count:
    time.sleep(0.01)


def test_a_signal_lets_what_is_at_work_finish(made):
  with _serving(made) as (process, port):
    body = served.chat('best-of-n-200', '13: 7 2 1')
    # Programs are compiled now, and not while a signal waits.
    first = served.ask(port, CHATS, body)
    assert first[0] == 200
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
      waiting = [pool.submit(served.ask, port, CHATS, body) for _ in range(3)]
      _until_at_work(port, 3)
      process.send_signal(signal.SIGTERM)
      while (late := served.ask(port, '/health'))[0] == 200:
        time.sleep(0.05)
      assert late[0] == 503
      late = served.ask(port, CHATS, served.chat('greedy', '13: 7 2 1'))
      assert late[0] == 503
      assert 'this server is stopping; ask another' in str(late[1])
      found = [one.result() for one in waiting]
    assert [status for status, _ in found] == [200] * 3
    texts = [answer['choices'] for _, answer in [first, *found]]
    assert all(text == texts[0] for text in texts)
    _, told = process.communicate(timeout=60)
    assert told == 'ttc: stopped; what was at work is answered.\n'
    assert process.returncode == 0


def test_a_signal_refuses_what_takes_too_long(made):
  with _serving(made, '--drain=3') as (process, port):
    body = served.chat('best-of-n', '13: 7 2 1')
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
      waiting = pool.submit(served.ask, port, CHATS, body)
      _until_at_work(port, 1)
      process.send_signal(signal.SIGTERM)
      status, found = waiting.result()
    assert status == 503
    assert 'this server is stopping' in found['error']['message']
    _, told = process.communicate(timeout=60)
    assert told.endswith('what was at work is refused after 3 seconds.\n')
    assert process.returncode == 0


@pytest.mark.parametrize(
  ('given', 'told'),
  [
    ([], '--run='),
    (['--gin_file={0}', 'more'], "unknown argument 'more'"),
    (['--gin_file={0}', '--seed=8'], '--seed=8 is none of the seeds (7,)'),
    (['--gin_file={0}', '--only=label'], 'no stage that could answer'),
    (['--gin_file={0}', '--port=70000'], '--port=70000; give a number from 0'),
    (['--gin_file={0}', '--queue=0'], '--queue=0; give a number of at least 1'),
    (['--gin_file={0}', '--timeout=0'], '--timeout=0; give a number from 1'),
    (['--gin_file={0}', '--drain=-1'], '--drain=-1; give a number from 0 to'),
    (['--gin_file={0}', '--host=0.0.0.0'], 'TTC_API_KEY has 5 characters; set'),
    (['--gin_file={0}', '--host=here.invalid'], 'can be reached from other'),
    (['--gin_file={0}', '--port={1}'], '--port={1}: Address already in use'),
    (
      ['--gin_file={0}', '--port=0', '--prompt_tokens=300'],
      '--prompt_tokens=300 and the attempts after it, of up to 6 tokens, are '
      'more than the context of the models, 256; give at most 250.',
    ),
    (
      ['--gin_file={0}', '--port=0', "--gin.solver.Solver.proposer='/gone'"],
      '/gone, from which these answers are, does not exist',
    ),
  ],
)
def test_what_is_refused(made, capsys, monkeypatch, given, told):
  monkeypatch.setenv('TTC_API_KEY', 'short')
  with socket.create_server(('127.0.0.1', 0)) as taken:
    port = taken.getsockname()[1]
    given = [word.format(made, port) for word in given]
    assert main.main(['serve', *given]) == 2
  shown = capsys.readouterr()
  assert not shown.out
  assert shown.err.startswith('ttc: ')
  assert shown.err.count('\n') == 1
  assert told.format(made, port) in shown.err
