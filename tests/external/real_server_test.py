"""A server of others: `transformers serve`, with a model of random weights.

It takes and gives texts, one answer to a call, and no log-probabilities. Its
most likely texts have to be those of our engine with the same weights.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request

import numpy as np
import pytest

from tests import testing
from tests.data import toys
from tests.stages.random_models import recorded
from ttc.checkpoints import huggingface, orbax
from ttc.data.jsonl import Rows
from ttc.data.questions import Questions
from ttc.data.templates import Template
from ttc.data.tokenizer import Tokenizer
from ttc.external.endpoint import Endpoint
from ttc.inference.generation import Generation
from ttc.search.strategies import BestOfN, Greedy
from ttc.stages.arms import Arm
from ttc.stages.search import Search
from ttc.stages.solver import Solver

pytestmark = pytest.mark.slow
_START_S = 300


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """A checkpoint in both formats, with questions about it."""
  folder = tmp_path_factory.mktemp('model')
  toys.qwen(folder)
  vocabulary = Tokenizer(str(folder), '<|quad_end|>')
  cfg = testing.small_config(
    vocab_size=vocabulary.size, tied=False, context=256
  )
  params = testing.random_params(cfg)
  # Bytes of which none is a character alone would not survive as text. Logits
  # of 0 are never the most likely ones.
  readable = [
    id == vocabulary.eos_id
    or (vocabulary.piece(id).isascii() and id not in vocabulary.special_ids)
    for id in range(vocabulary.size)
  ]
  params['logits'] = 8 * params['logits'] * np.float32(readable)[None]
  huggingface.save(str(folder), cfg, 'logits', params)
  orbax.save_model(str(folder / 'ours'), cfg, 'logits', params)
  generation = {'eos_token_id': vocabulary.eos_id, 'do_sample': True}
  (folder / 'generation_config.json').write_text(json.dumps(generation))
  rows = [
    {'problem': f'What is {n}+1?', 'answer': str(n + 1)} for n in range(6)
  ]
  lines = '\n'.join(map(json.dumps, rows))
  (folder / 'questions.jsonl').write_text(lines + '\n')
  return folder


@pytest.fixture(scope='module')
def url(folder):
  """Of the server, from when it is ready."""
  command = shutil.which('transformers')
  if command is None:
    pytest.skip('needs the command transformers, of transformers[serving]')
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    port = free.getsockname()[1]
  log = folder / 'serve.log'
  with open(log, 'wb') as out:
    process = subprocess.Popen(
      [command, 'serve', str(folder), '--port', str(port), '--device', 'cpu'],
      stdout=out,
      stderr=out,
      env={k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
      | {'HF_HUB_OFFLINE': '1'},
    )
  try:
    deadline = time.monotonic() + _START_S
    while not _is_ready(f'http://127.0.0.1:{port}/health'):
      if process.poll() is not None:
        told = log.read_text(errors='replace').strip().splitlines()
        pytest.skip(f'transformers serve does not start: {told[-1:]}')
      assert time.monotonic() < deadline, log.read_text(errors='replace')
      time.sleep(0.5)
    yield f'http://127.0.0.1:{port}/v1'
  finally:
    process.terminate()
    process.wait()


def _is_ready(url):
  with (
    contextlib.suppress(OSError),
    urllib.request.urlopen(url, timeout=5) as r,
  ):
    return r.status == 200
  return False


def solver(folder, proposer, **settings):
  rows = Rows(str(folder / 'questions.jsonl'), 'problem')
  task = Questions(
    Tokenizer(str(folder), '<|quad_end|>'), Template(), rows, rows, workers=0
  )
  generation = Generation(1.0, 1.0, max_tokens=16, max_step_tokens=8)
  return Solver(task, generation, proposer=proposer, rows=8, **settings)


def test_its_texts_are_graded_and_its_likeliest_are_ours(folder, url, tmp_path):
  endpoint = Endpoint(url, str(folder), ids=False, concurrency=2)
  arms = (Arm(Greedy(), (1,)), Arm(BestOfN(), (3,)))
  there, here = (
    recorded(Search(solver(folder, proposer), arms), tmp_path / name)
    for name, proposer in (('there', endpoint), ('here', str(folder / 'ours')))
  )
  assert len(there) == len(here) == 12
  for one, other in zip(there[:6], here[:6], strict=True):
    (ours,), (theirs,) = other['rows'], one['rows']
    assert theirs['text'] == ours['text']
    assert theirs['truncated'] == ours['truncated']
    assert theirs['logprob'] is None
    prompt, sampled = (
      one['cost'][kind] for kind in ('proposer_prefill', 'proposer_decode')
    )
    # Its usage counts the prompt's tokens as we do, and what it sampled.
    assert prompt[1] == other['cost']['proposer_prefill'][0] + 1
    assert sampled[1] == other['cost']['proposer_decode'][0]
  texts = {row['text'] for record in there[6:] for row in record['rows']}
  assert len(texts) > 6


@pytest.mark.parametrize(
  ('settings', 'message'),
  [
    ({}, r'prompt must be a string.*|Unexpected fields.*; bind Endpoint.ids=F'),
    (
      {'ids': False, 'choices': 2},
      r'for 2 answers .* gave 1; bind .*choices=1',
    ),
    ({'ids': False, 'model': 'other'}, "is pinned to .*requested 'other'"),
  ],
)
def test_what_it_cannot_do_is_told_with_the_fix(
  folder, url, tmp_path, settings, message
):
  endpoint = Endpoint(url, **({'model': str(folder)} | settings))
  search = Search(
    solver(folder, endpoint, questions=1), (Arm(BestOfN(), (2,)),)
  )
  with pytest.raises(ValueError, match=message):
    recorded(search, tmp_path)
