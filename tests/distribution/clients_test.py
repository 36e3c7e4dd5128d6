"""What is installed answers others' clients as it answers on its own.

Nothing is there but a wheel and a finished run: `ttc solve`, `ttc serve`, the
client of OpenAI and the command of lm-evaluation-harness, all as they are.
"""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tests.distribution import building

_MISSING = [
  name
  for name in ('starlette', 'uvicorn', 'openai', 'lm_eval')
  if importlib.util.find_spec(name) is None
]
_MODEL, _SEED = 'best-of-n-1', 0
_QUESTIONS = ['13: 7 2 1', '17: 5 4 3 12: 6 2 1', '13: 7 2 1 17: 5 4 3']
_TASK = """
task: worksheets
dataset_path: json
dataset_kwargs: {data_files: {test: %s}}
test_split: test
output_type: generate_until
doc_to_text: '{{question}}'
doc_to_target: '{{gold}}'
generation_kwargs: {until: [never], temperature: 0.7}
metric_list: [{metric: exact_match}]
"""


@contextlib.contextmanager
def _served(installed, finished):
  """Serves the run; yields the address."""
  ttc = installed / 'bin' / 'ttc'
  server = subprocess.Popen(
    [sys.executable, ttc, 'serve', '--run=runs/mine', '--port=0'],
    cwd=finished,
    env=os.environ | {'PYTHONPATH': str(installed)},
    stdout=subprocess.PIPE,
    text=True,
  )
  with server:
    try:
      yield server.stdout.readline().split()[-1]
    finally:
      server.terminate()


def _harness(folder, model, address, *options):
  """The score of a model on what the folder asks, of the harness's command."""
  given = f'model={_MODEL},base_url={address},num_concurrent=3,seed={_SEED}'
  given += ',tokenizer_backend=none'  # the server's model has its own
  asked = ('--tasks', 'worksheets', '--include_path', folder)
  asked += ('--model', model, '--model_args', given, *options)
  subprocess.run(
    [sys.executable, '-m', 'lm_eval', '--output_path', folder / model, *asked],
    cwd=folder,
    env=os.environ
    | {
      'OPENAI_API_KEY': 'none',
      'HF_DATASETS_CACHE': str(folder / 'cache'),
      'HF_HUB_OFFLINE': '1',
    },
    check=True,
    capture_output=True,
  )
  (path,) = (folder / model).rglob('results_*.json')
  found = json.loads(path.read_text())['results']['worksheets']
  return found['exact_match,none']


@pytest.mark.slow
@pytest.mark.skipif(bool(_MISSING), reason=f'{_MISSING} are not installed')
def test_clients_get_the_answers_of_solve(installed, finished, tmp_path):
  import openai

  asked = [json.dumps({'question': question}) for question in _QUESTIONS]
  (tmp_path / 'asked.jsonl').write_text('\n'.join(asked))
  told, _ = building.run(
    installed,
    finished,
    *('solve', '--run=runs/mine', '--strategy=best-of-n', '--budget=1'),
    *(f'--questions={tmp_path / "asked.jsonl"}', f'--seed={_SEED}', '--json'),
  )
  answers = [json.loads(line)['text'] for line in told.splitlines()]
  assert len(set(answers)) == len(_QUESTIONS)
  golds = [answers[0], 'something else', answers[2]]
  rows = [
    json.dumps({'question': question, 'gold': gold})
    for question, gold in zip(_QUESTIONS, golds, strict=True)
  ]
  (tmp_path / 'test.jsonl').write_text('\n'.join(rows))
  (tmp_path / 'worksheets.yaml').write_text(_TASK % (tmp_path / 'test.jsonl'))

  with _served(installed, finished) as address:
    with openai.OpenAI(api_key='none', base_url=address) as client:
      for question, answer in zip(_QUESTIONS, answers, strict=True):
        found = client.chat.completions.create(
          model=_MODEL,
          seed=_SEED,
          messages=[{'role': 'user', 'content': question}],
        )
        assert found.choices[0].message.content == answer
    chat = _harness(
      tmp_path,
      'local-chat-completions',
      f'{address}/chat/completions',
      '--apply_chat_template',
    )
    texts = _harness(tmp_path, 'local-completions', f'{address}/completions')
  assert chat == texts == pytest.approx(2 / 3)
