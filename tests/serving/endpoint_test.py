"""The endpoint: its answers are those of `ttc solve`, whoever else asks."""

import concurrent.futures
import dataclasses
import json
import random
import socket
import time
import zlib

import pytest

pytest.importorskip('starlette', reason='the extra serve is not installed')
pytest.importorskip('uvicorn', reason='the extra serve is not installed')

from tests.serving import served
from ttc.answering import asked
from ttc.answering.replies import replies
from ttc.serving.app import Service, Terms
from ttc.serving.shared_scheduler import SharedScheduler

CHATS = '/v1/chat/completions'
QUESTIONS = [
  *(problem.question for problem in served.TASK.problems('test')[:3]),
  *('13: 7 2 1', '17: 5 4 3 12: 6 2 1'),
]
MODELS = ['beam-m2-4', 'best-of-n-4', 'greedy-1', 'allocation-3', 'policy-4']


@pytest.fixture(scope='module')
def server(run):
  """The port of an endpoint, its scheduler, and that of its rows."""
  answerer, schedulers = run.load()
  shared = SharedScheduler(schedulers, 64)
  terms = Terms(seed=served.SEED, body=4096, questions=3)
  service = Service('e', run.menu(), answerer, shared, terms)
  with served.listening(service.app()) as port:
    yield port, shared, schedulers[0][0]
  shared.close(60)


@pytest.fixture(scope='module')
def solved(run):
  """What `ttc solve` gives, by model, question and seed."""
  found = {}

  def solve(model, question, seed=served.SEED, **generation):
    key = model, question, seed, *generation.items()
    if key not in found:
      listing = run.menu().find(model)
      stage = listing.offer.stage
      own = stage.solver
      sampled = dataclasses.replace(own.generation, **generation)
      solver = dataclasses.replace(own, generation=sampled)
      stage = dataclasses.replace(stage, solver=solver)
      offer = dataclasses.replace(listing.offer, stage=stage)
      # An endpoint asks one by one. Strategies do not share a budget out, and
      # give each question the same beside others.
      together = offer.strategy is not None and not generation
      asks = QUESTIONS if together else [question]
      problems = asked.posed(own.task, own.split, asks)
      given = offer.stage_for(problems, listing.budget, run.folder)
      for reply in replies(given, problems, seed):
        found[model, reply.question, seed, *generation.items()] = reply
    return found[key]

  return solve


def _is(body, reply):
  """Whether a body is that of a reply; what it cost apart."""
  choice, known = body['choices'][0], body['ttc'][0]
  assert choice['message'] == {'role': 'assistant', 'content': reply.text}
  chosen = reply.attempts[reply.chosen]
  assert choice['finish_reason'] == ('stop', 'length')[chosen['truncated']]
  for name in ('answer', 'measure', 'stop'):
    assert known[name] == getattr(reply, name)
  for name in ('confidence', 'score'):
    assert known[name] == pytest.approx(getattr(reply, name), abs=1e-6)
  assert body['usage']['generations'] == reply.generations
  return True


def test_fifty_at_once_are_answered_as_alone(server, solved):
  """None is lost or mixed up, whatever the order; some hang up."""
  port, shared, _ = server
  draw = random.Random(0)
  ways = [('best-of-n-4', 8), *((model, served.SEED) for model in MODELS)]
  wanted = [(*draw.choice(ways), draw.choice(QUESTIONS)) for _ in range(50)]

  def answered(index):
    model, seed, question = wanted[index]
    body = served.chat(model, question, seed=seed)
    if index % 10 == 9:
      return _hang_up(port, body)
    return served.ask(port, CHATS, body)

  with concurrent.futures.ThreadPoolExecutor(50) as pool:
    found = list(pool.map(answered, range(50)))
  assert shared.drain(60)
  for index, (one, response) in enumerate(zip(wanted, found, strict=True)):
    if index % 10 < 9:
      status, body = response
      assert (status, body['model']) == (200, one[0])
      model, seed, question = one
      assert _is(body, solved(model, question, seed))


def _hang_up(port, body):
  text = json.dumps(body)
  head = f'POST {CHATS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: '
  head += f'application/json\r\nContent-Length: {len(text)}\r\n\r\n'
  connection = socket.create_connection(('127.0.0.1', port))
  connection.sendall((head + text).encode())
  time.sleep(0.3)  # that it may have been read, or not
  connection.close()


def test_who_hangs_up_frees_the_rows(server, solved):
  port, shared, scheduler = server
  model = f'best-of-n-{served.MOST}'
  _hang_up(port, served.chat(model, QUESTIONS[0]))
  assert shared.drain(60)
  status, body = served.ask(port, CHATS, served.chat('greedy-1', QUESTIONS[1]))
  assert status == 200
  assert _is(body, solved('greedy-1', QUESTIONS[1]))
  assert scheduler.utilization.rows <= 1  # held in the last call


@pytest.mark.parametrize(
  ('model', 'given', 'generation'),
  [
    ('best-of-n-4', {'max_tokens': 4}, {'max_tokens': 4}),
    ('beam-m2-4', {'max_completion_tokens': 4}, {'max_tokens': 4}),
    ('best-of-n-4', {'max_tokens': 500}, {}),
    ('greedy-1', {'temperature': 0}, {}),
    ('best-of-n-4', {'temperature': 0.3}, {'temperature': 0.3}),
    ('beam-m2-4', {'temperature': 1.5}, {'temperature': 1.5}),
    ('best-of-n-t0.5-2', {'temperature': 0.5, 'top_p': 1, 'user': 'me'}, {}),
    ('allocation-3', {'temperature': 0.7, 'max_tokens': 4}, {'max_tokens': 4}),
  ],
)
def test_what_is_asked_for_is_as_if_the_run_had_it(
  server, solved, model, given, generation
):
  body = served.chat(model, QUESTIONS[-1], **given)
  status, found = served.ask(server[0], CHATS, body)
  assert status == 200
  assert _is(found, solved(model, QUESTIONS[-1], **generation))


def test_other_attempts_follow_the_chosen_one(server, solved):
  reply = solved('best-of-n-4', QUESTIONS[0])
  body = served.chat('best-of-n-4', QUESTIONS[0], n=4)
  _, found = served.ask(server[0], CHATS, body)
  texts = [choice['message']['content'] for choice in found['choices']]
  assert texts[0] == reply.text
  assert sorted(texts) == sorted(a['text'] for a in reply.attempts)
  scores = {a['text']: a['values'][-1] for a in reply.attempts}
  others = [scores[text] for text in texts[1:]]
  assert others == sorted(others, reverse=True)
  usage = found['usage']
  sampled = sum(len(attempt['tokens']) for attempt in reply.attempts)
  assert usage['completion_tokens'] == sampled
  assert usage['completion_tokens_details'] == {'reasoning_tokens': 0}
  prompt = len(served.TASK.vocabulary.encode(f'{QUESTIONS[0]}?'))
  assert usage['prompt_tokens'] == prompt
  assert usage['total_tokens'] == prompt + sampled
  assert usage['executed_tokens'] >= prompt + sampled
  assert usage['flops'] > 0


def test_stops_cut_and_do_not_choose(server, solved):
  for question in QUESTIONS:
    text = solved('beam-m2-4', question).text
    stop = text[2:3] or 'x'
    body = served.chat('beam-m2-4', question, stop=['never', stop])
    _, found = served.ask(server[0], CHATS, body)
    (choice,) = found['choices']
    assert choice['message']['content'] == text.split(stop)[0]
    if stop in text:
      assert choice['finish_reason'] == 'stop'


@pytest.mark.parametrize('model', ['beam-m2', 'best-of-n-4'])
def test_pieces_are_the_whole(server, solved, model):
  options = {'stream': True, 'stream_options': {'include_usage': True}}
  body = served.chat(model, QUESTIONS[2], n=2, **options)
  status, text = served.ask(server[0], CHATS, body, raw=True)
  *events, end, last = text.split('\n\n')
  assert (status, end, last) == (200, 'data: [DONE]', '')
  pieces = [json.loads(event.removeprefix('data: ')) for event in events]
  del body['stream'], body['stream_options']
  _, whole = served.ask(server[0], CHATS, body)
  texts, ends = ['', ''], [None, None]
  for piece in pieces:
    assert piece['object'] == 'chat.completion.chunk'
    assert piece['id'] == pieces[0]['id']
    for choice in piece['choices']:
      texts[choice['index']] += choice['delta'].get('content', '')
      ends[choice['index']] = choice['finish_reason']
  choices = whole['choices']
  assert texts == [choice['message']['content'] for choice in choices]
  assert ends == [choice['finish_reason'] for choice in choices]
  assert pieces[-1]['usage']['total_tokens'] == whole['usage']['total_tokens']


def test_prompts_are_questions_too(server, solved):
  body = {'model': 'greedy', 'prompt': QUESTIONS[:2]}
  status, found = served.ask(server[0], '/v1/completions', body)
  assert (status, found['object']) == (200, 'text_completion')
  assert [choice['text'] for choice in found['choices']] == [
    solved('greedy-1', question).text for question in QUESTIONS[:2]
  ]
  body = {'model': 'greedy', 'prompt': QUESTIONS[0], 'stream': True}
  _, text = served.ask(server[0], '/v1/completions', body, raw=True)
  events = [json.loads(line[6:]) for line in text.split('\n\n')[:-2]]
  whole = ''.join(event['choices'][0]['text'] for event in events)
  assert whole == solved('greedy-1', QUESTIONS[0]).text


def _with_one_checksum():
  """Two questions whose checksums, and so their ids, are the same."""
  draw, seen = random.Random(0), {}
  while True:
    first, second = draw.sample(range(10, 21), 2)
    numbers = [draw.randint(1, 20) for _ in range(6)]
    text = '{6}: {0} {1} {2} {7}: {3} {4} {5}'.format(*numbers, first, second)
    other = seen.setdefault(zlib.crc32(text.encode()), text)
    if other != text:
      return other, text


def test_questions_of_one_id_are_not_mixed_up(server, run):
  pair = _with_one_checksum()
  listing = run.menu().find('best-of-n-4')
  with concurrent.futures.ThreadPoolExecutor(8) as pool:
    bodies = [served.chat(listing.name, question) for question in [*pair] * 4]
    found = list(pool.map(lambda b: served.ask(server[0], CHATS, b), bodies))
  for index, question in enumerate(pair):
    (problem,) = asked.posed(served.TASK, 'test', [question])
    stage = listing.offer.stage_for([problem], listing.budget, run.folder)
    (reply,) = replies(stage, [problem], served.SEED)
    assert all(_is(body, reply) for _, body in found[index::2])


def test_models_and_health(server):
  status, found = served.ask(server[0], '/v1/models')
  assert status == 200
  names = [model['id'] for model in found['data']]
  assert names == [
    'best-of-n-4',
    f'best-of-n-{served.MOST}',
    'beam-m2-4',
    'greedy-1',
    'allocation-3',
    'policy-4',
    'best-of-n-t0.5-2',
  ]
  for name in (*names, 'beam-m2'):
    status, model = served.ask(server[0], f'/v1/models/{name}')
    assert (status, model['object']) == (200, 'model')
    assert model['id'].startswith(name)
  told = {'status': 'ok', 'questions': 0}
  assert served.ask(server[0], '/health') == (200, told)


@pytest.mark.parametrize(
  ('path', 'body', 'status', 'told'),
  [
    (CHATS, '{"model": ', 400, 'the body is no JSON; send an object.'),
    (CHATS, '[' * 2000, 400, 'the body is no JSON; send an object.'),
    (CHATS, '[]', 400, 'the body is no JSON object; send one.'),
    (CHATS, ' ' * 5000, 413, 'the body has more than 4096 bytes; send less.'),
    (
      CHATS,
      served.chat('beam', '13: 7 2 1'),
      404,
      "model='beam' is none of those here: best-of-n-4, best-of-n-2048",
    ),
    (
      CHATS,
      served.chat('greedy', ' '.join(['13: 7 2 1'] * 4)),
      400,
      'has a prompt of 17 tokens, more than 12; shorten it, or start the '
      'server with --prompt_tokens=17.',
    ),
    (CHATS, served.chat('greedy', 'who?'), 400, "'who?' cannot be asked: "),
    (CHATS, served.chat('greedy', ' '), 400, 'a question is empty'),
    (
      CHATS,
      served.chat('best-of-n-t0.5-2', '13: 7 2 1', temperature=0.7),
      400,
      'temperature=0.7, and best-of-n-t0.5-2 has 0.5, at which its strategy',
    ),
    (
      CHATS,
      served.chat('beam-m2-4', '13: 7 2 1', temperature=0),
      400,
      'temperature=0, at which the 4 attempts of beam-m2-4 would be equal; '
      'leave it out, give 0.7 as the run does, or ask greedy-1.',
    ),
    (
      CHATS,
      served.chat('allocation', '13: 7 2 1', temperature=1),
      400,
      'temperature=1, and allocation-3 has 0.7, at which it was fitted',
    ),
    (
      CHATS,
      served.chat('allocation-0.001', '13: 7 2 1'),
      400,
      'model=allocation-0.001: A budget of ',
    ),
    ('/v1/embeddings', {}, 404, "POST '/v1/embeddings' is not here; ask GET"),
    (CHATS, None, 405, f"GET '{CHATS}' is not here; ask GET /v1/models"),
  ],
)
def test_what_is_refused(server, path, body, status, told):
  found = served.ask(server[0], path, body)
  assert found[0] == status
  message = found[1]['error']['message']
  assert told in message
  assert '\n' not in message
  assert found[1]['error']['type'] == 'invalid_request_error'


def test_other_types_than_json_are_refused(server):
  """A web page may send those to any host without asking first."""
  kind = [('Content-Type', 'text/plain')]
  status, found = served.ask(server[0], CHATS, {}, kind)
  assert status == 415
  assert 'send application/json' in found['error']['message']


def test_who_may_ask(run, server):
  port, shared, _ = server
  body = served.chat('greedy', QUESTIONS[0])
  for host, status in (
    (f'localhost:{port}', 200),
    (f'127.0.0.2:{port}', 200),
    ('[::1]', 200),
    ('evil.example', 403),
    (f'evil.example:{port}', 403),
    ('10.0.0.1', 403),
  ):
    found = served.ask(port, CHATS, body, [('Host', host)])
    assert found[0] == status
  answerer, _ = run.load()
  terms = Terms(key='a key that is long enough')
  guarded = Service('e', run.menu(), answerer, shared, terms)
  with served.listening(guarded.app()) as other:
    for given, status in (
      ([('Authorization', f'Bearer {terms.key}')], 200),
      ([('Authorization', f'Bearer {terms.key}x')], 401),
      ([('Authorization', 'Bearer ä')], 401),
      ([], 401),
    ):
      for path in ('/v1/models', f'/v1/models/{MODELS[0]}'):
        found = served.ask(other, path, headers=[*given, ('Host', 'elsewhere')])
        assert found[0] == status
    _, found = served.ask(other, CHATS, body)
    assert found['error']['code'] == 'invalid_api_key'


def test_who_takes_too_long(run, server):
  _, shared, _ = server
  answerer, _ = run.load()
  terms = Terms(seconds=0.5)
  hasty = Service('e', run.menu(), answerer, shared, terms)
  with served.listening(hasty.app()) as port:
    body = served.chat(f'best-of-n-{served.MOST}', QUESTIONS[0])
    status, found = served.ask(port, CHATS, body)
  assert status == 504
  assert 'no answer within 0.5 seconds (--timeout)' in found['error']['message']
  assert shared.drain(0)
