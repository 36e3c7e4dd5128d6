"""An OpenAI-compatible server on this machine, with a model of ours behind it.

It speaks as vLLM does: prompts as token ids or texts, `n`, `stop_token_ids`,
`return_token_ids`, `seed`, log-probabilities and usage. What it samples, the
real engine samples; a seed is the key of an answer's row. Its faults are those
of real servers.
"""

import contextlib
import dataclasses
import http.server
import json
import re
import threading
import time

import numpy as np

from tests import testing
from ttc.data.vocabulary import SPECIALS, WordVocabulary
from ttc.inference import keys
from ttc.inference.requests import Extend, Prefill, Question
from ttc.models import partitioning

NAME = 'tiny'
# Words for the models of tests/testing.py, whose ids have no texts of their
# own: the last one ends a step.
LETTERS = WordVocabulary((*'abcdefghijkl', '.'))


class StandIn(http.server.ThreadingHTTPServer):
  """Serves on a port of its own choice from `serving` on.

  Attributes:
    calls: the objects that came, in their order.
    faults: what becomes of the call of a number, from 0: a status, 'hang up',
      'slow', 'cut', or a function from the answer to what is answered.
    key: what callers have to have; '' lets all in.
    context: tokens for which it says it has room; None says nothing.
  """

  daemon_threads = True
  allow_reuse_address = True

  def __init__(self, models, vocabulary, faults=None, key='', context=None):
    super().__init__(('127.0.0.1', 0), _Handler)
    self.calls, self.faults, self.key = [], faults or {}, key
    self.context = context
    self.lock = threading.Lock()
    self._models = models
    self._vocabulary = vocabulary
    self._step_end = np.flatnonzero(models.step_end).tolist()
    self._scheduler = testing.scheduler(models, cache_len=256)

  @property
  def url(self):
    return f'http://127.0.0.1:{self.server_address[1]}/v1'

  def answer(self, call):
    """The answer to a call, as an object."""
    prompt = call['prompt']
    if isinstance(prompt, str):
      prompt = self._tokens(prompt)
    rows = self._sample(prompt, call)
    return {
      'object': 'text_completion',
      'model': NAME,
      'choices': [self._choice(i, row, call) for i, row in enumerate(rows)],
      'usage': {
        'prompt_tokens': len(prompt),
        'completion_tokens': sum(len(row.attempt) for row in rows),
      },
    }

  def _sample(self, prompt, call):
    most, count = call['max_tokens'], call.get('n', 1)
    key = keys.root(call['seed'])
    question = Question(0, prompt, key, most)
    by_step = call.get('stop_token_ids') == self._step_end

    def plan():
      root = question.root()
      yield Prefill([root])
      rows = [root.child(i) for i in range(count)]
      rows[0].key, rows[0].ordinal = key, None
      root.leave()
      yield Extend(
        rows,
        steps=int(by_step),
        allowance=[most] * count,
        temperature=call['temperature'],
      )
      return rows

    with self.lock, partitioning.use(self._models.mesh):
      ((_, rows),) = self._scheduler.run([(question, plan(), count + 1)])
    return rows

  def _choice(self, index, row, call):
    tokens, (_, end) = row.attempt, self._models.marks
    stopped = tokens[-1] in call.get('stop_token_ids', ()) or end[tokens[-1]]
    choice = {
      'index': index,
      'text': self._vocabulary.decode(tokens),
      'finish_reason': 'stop' if stopped else 'length',
    }
    if call.get('return_token_ids'):
      choice['token_ids'] = tokens
    if call.get('logprobs') is not None:
      # The engine knows their sum.
      each = [row.logprob] + [0.0] * (len(tokens) - 1)
      choice['logprobs'] = {'token_logprobs': each}
    return choice

  def _tokens(self, text):
    """As servers do, with special tokens where they are spelt."""
    parts = re.split('|'.join(f'({s})' for s in SPECIALS), text)
    return [
      id
      for part in parts
      if part
      for id in (
        [SPECIALS.index(part)]
        if part in SPECIALS
        else self._vocabulary.encode(part)
      )
    ]


class _Handler(http.server.BaseHTTPRequestHandler):
  protocol_version = 'HTTP/1.1'

  def log_message(self, *_):
    pass

  def do_GET(self):
    if self.server.context is None:
      return self._send(404, {'detail': 'Not Found'})
    model = {'id': NAME, 'max_model_len': self.server.context}
    return self._send(200, {'object': 'list', 'data': [model]})

  def do_POST(self):
    server = self.server
    call = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
    if server.key and self.headers['Authorization'] != f'Bearer {server.key}':
      told = f'wrong key {self.headers["Authorization"]}'
      return self._send(401, {'error': {'message': told}})
    with server.lock:
      number = len(server.calls)
      server.calls.append(call)
    fault = server.faults.get(number)
    if isinstance(fault, int):
      return self._send(fault, {'error': {'message': 'busy'}})
    if fault == 'hang up':
      self.close_connection = True
      return None
    if fault == 'slow':
      time.sleep(1.5)
    answer = server.answer(call)
    if callable(fault):
      answer = fault(answer)
    return self._send(200, answer, cut=fault == 'cut')

  def _send(self, status, answer, cut=False):
    raw = isinstance(answer, bytes)
    data = answer if raw else json.dumps(answer).encode()
    self.send_response(status)
    self.send_header('Content-Type', 'text/html' if raw else 'application/json')
    self.send_header('Content-Length', str(len(data)))
    self.end_headers()
    with contextlib.suppress(OSError):  # a caller who has left
      self.wfile.write(data[: len(data) // 2] if cut else data)
    self.close_connection = self.close_connection or cut


@contextlib.contextmanager
def serving(models, vocabulary=LETTERS, **settings):
  """A server of the proposer of models, at work in threads of its own."""
  models = dataclasses.replace(models, verifier=None, bridge=None)
  server = StandIn(models, vocabulary, **settings)
  thread = threading.Thread(target=server.serve_forever, daemon=True)
  thread.start()
  try:
    yield server
  finally:
    server.shutdown()
    server.server_close()
