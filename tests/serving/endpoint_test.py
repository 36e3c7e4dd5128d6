"""The endpoint: its answers are those of `ttc solve`, whoever else asks."""

import concurrent.futures
import dataclasses
import json
import random
import socket
import time

import pytest

pytest.importorskip('starlette', reason='the extra serve is not installed')
pytest.importorskip('uvicorn', reason='the extra serve is not installed')

from tests.serving import served
from ttc.answering import asked
from ttc.answering.replies import replies
from ttc.serving.app import Endpoint, Terms
from ttc.serving.shared_scheduler import SharedScheduler

CHATS = '/v1/chat/completions'
QUESTIONS = [
  *(problem.question for problem in served.TASK.problems('test')),
  *('13: 7 2 1', '17: 5 4 3 12: 6 2 1', '13: 7 2 1 17: 5 4 3'),
]
MODELS = ['beam-m2-4', 'best-of-n-4', 'greedy-1', 'allocation-3']


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  return served.made(tmp_path_factory.mktemp('run'))


@pytest.fixture(scope='module')
def server(run):
  """The port of an endpoint, its scheduler, and that of its rows."""
  answerer, scheduler = run.load()
  shared = SharedScheduler(scheduler, answerer.models.mesh, 64)
  terms = Terms(seed=served.SEED, body=4096, questions=3)
  endpoint = Endpoint('e', run.catalogue(), answerer, shared, terms)
  with served.listening(endpoint.app()) as port:
    yield port, shared, scheduler
  shared.close(60)


@pytest.fixture(scope='module')
def solved(run):
  """What `ttc solve` gives, by model, question and seed."""
  found = {}

  def solve(model, question, seed=served.SEED, **generation):
    key = model, seed, *generation.items()
    if key not in found:
      entry = run.catalogue().find(model)
      offer = entry.offer
      own = offer.stage.solver
      sampled = dataclasses.replace(own.generation, **generation)
      solver = dataclasses.replace(own, generation=sampled)
      stage = dataclasses.replace(offer.stage, solver=solver)
      offer = dataclasses.replace(offer, stage=stage)
      # One by one where a budget is shared, as an endpoint asks.
      problems = asked.posed(own.task, own.split, QUESTIONS)
      alone = offer.strategy is None
      groups = [[p] for p in problems] if alone else [problems]
      found[key] = {
        reply.question: reply
        for group in groups
        for reply in replies(
          offer.stage_for(group, entry.budget, run.folder), group, seed
        )
      }
    return found[key][question]

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
  wanted = [
    (draw.choice(MODELS), draw.choice(QUESTIONS), draw.choice((served.SEED, 8)))
    for _ in range(50)
  ]

  def answered(index):
    model, question, seed = wanted[index]
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
      assert _is(body, solved(*one))


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
    ('best-of-n-4', {'temperature': 0}, {'temperature': 0.0}),
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


def test_questions_with_one_checksum_are_not_mixed_up(server, solved):
  """Ids of questions are checksums of texts, which anybody can make equal."""
  same = ['10: 1 1 1 10: 1 1 1', '10: 1 1 1 10: 1 1 1 ']
  problems = asked.posed(served.TASK, 'test', same[:1])
  assert problems[0].id not in {p.id for p in served.TASK.problems('test')}
  body = served.chat('best-of-n-4', QUESTIONS[0])
  _, first = served.ask(server[0], CHATS, body)
  assert _is(first, solved('best-of-n-4', QUESTIONS[0]))


def test_models_and_health(server):
  status, found = served.ask(server[0], '/v1/models')
  assert status == 200
  names = [model['id'] for model in found['data']]
  assert set(MODELS) <= set(names)
  assert not any(name.startswith('best-of-n-t2') for name in names)
  for name in (*names, 'beam-m2'):
    status, model = served.ask(server[0], f'/v1/models/{name}')
    assert (status, model['object']) == (200, 'model')
    assert model['id'].startswith(name)
  assert served.ask(server[0], '/health') == (200, {'status': 'ok'})
