"""Clients of others, as they are: OpenAI's, and lm-evaluation-harness."""

import json

import pytest

pytest.importorskip('starlette', reason='the extra serve is not installed')
pytest.importorskip('uvicorn', reason='the extra serve is not installed')

from tests.serving import served
from ttc.serving.app import Service, Terms
from ttc.serving.shared_scheduler import SharedScheduler

QUESTIONS = ['13: 7 2 1', '17: 5 4 3 12: 6 2 1', '13: 7 2 1 17: 5 4 3']
KEY = 'a key that is long enough'


@pytest.fixture(scope='module')
def port(run):
  answerer, schedulers = run.load()
  shared = SharedScheduler(schedulers, 64)
  terms = Terms(key=KEY, seed=served.SEED)
  service = Service('e', run.menu(), answerer, shared, terms)
  with served.listening(service.app()) as found:
    yield found
  shared.close(60)


def _text(port, question, model='beam-m2-4', **fields):
  header = [('Authorization', f'Bearer {KEY}')]
  body = served.chat(model, question, **fields)
  _, found = served.ask(port, '/v1/chat/completions', body, header)
  return found['choices'][0]['message']['content']


def test_openai(port):
  openai = pytest.importorskip('openai')
  address = f'http://127.0.0.1:{port}/v1'
  with openai.OpenAI(api_key=KEY, base_url=address) as client:
    assert 'beam-m2-4' in [model.id for model in client.models.list()]
    asked = dict(
      model='beam-m2-4', messages=[{'role': 'user', 'content': QUESTIONS[0]}]
    )
    whole = client.chat.completions.create(**asked, n=2)
    expected = _text(port, QUESTIONS[0])
    assert whole.choices[0].message.content == expected
    assert len(whole.choices) == 2
    assert whole.usage.generations == 4
    assert whole.usage.flops > 0
    stream = client.chat.completions.create(**asked, stream=True)
    pieces = [piece.choices[0].delta.content or '' for piece in stream]
    assert ''.join(pieces) == expected
    found = client.completions.create(model='beam-m2-4', prompt=QUESTIONS[:2])
    assert found.choices[0].text == expected
    with pytest.raises(openai.NotFoundError, match='none of those here'):
      client.chat.completions.create(**asked | {'model': 'gpt'})
    with pytest.raises(openai.BadRequestError, match='give one message'):
      client.chat.completions.create(
        **asked | {'messages': 2 * asked['messages']}
      )
  with (
    openai.OpenAI(api_key='wrong', base_url=address) as client,
    pytest.raises(openai.AuthenticationError, match='API key'),
  ):
    client.models.list()


def test_lm_evaluation_harness(port, tmp_path, monkeypatch):
  """Its score is that of the answers which the endpoint gives to others."""
  lm_eval = pytest.importorskip('lm_eval')
  monkeypatch.setenv('OPENAI_API_KEY', KEY)
  monkeypatch.setenv('HF_DATASETS_CACHE', str(tmp_path / 'cache'))
  golds = [_text(port, question) for question in QUESTIONS]
  golds[1] = 'something else'
  rows = [
    json.dumps({'question': question, 'gold': gold})
    for question, gold in zip(QUESTIONS, golds, strict=True)
  ]
  path = tmp_path / 'test.jsonl'
  path.write_text(''.join(f'{row}\n' for row in rows))
  task = {
    'task': 'worksheets',
    'dataset_path': 'json',
    'dataset_kwargs': {'data_files': {'test': str(path)}},
    'test_split': 'test',
    'output_type': 'generate_until',
    'doc_to_text': '{{question}}',
    'doc_to_target': '{{gold}}',
    'generation_kwargs': {'until': ['never'], 'temperature': 0.7},
    'metric_list': [{'metric': 'exact_match'}],
  }
  address = f'http://127.0.0.1:{port}/v1/chat/completions'
  found = lm_eval.simple_evaluate(
    model='local-chat-completions',
    model_args=f'model=beam-m2-4,base_url={address},num_concurrent=3,'
    f'seed={served.SEED}',
    tasks=[task],
    apply_chat_template=True,
    bootstrap_iters=0,
  )
  score = found['results']['worksheets']['exact_match,none']
  assert score == pytest.approx(2 / 3)
