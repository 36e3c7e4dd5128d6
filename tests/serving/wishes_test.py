"""Bodies are read strictly: what cannot be honoured is refused in one line."""

import pathlib

import pytest

from tests.answering import small_run
from tests.serving import served
from ttc.serving import wishes
from ttc.serving.errors import ApiError
from ttc.serving.menu import Menu

USER = {'role': 'user', 'content': '13: 7 2 1'}


@pytest.fixture(scope='module')
def menu():
  experiment = small_run.experiment(pathlib.Path('/nowhere'), '/a/verifier')
  return Menu(served.offered(experiment))


def test_more_of_best_of_n_can_be_allowed():
  experiment = small_run.experiment(pathlib.Path('/nowhere'), '/a/verifier')
  own = served.offered(experiment)
  menu = Menu({'greedy': own['greedy'], 'best-of-n': own['best-of-n']}, 4096)
  assert 'best-of-n-4096' in [listing.name for listing in menu.listings]
  assert menu.find('best-of-n-4096').budget == 4096
  with pytest.raises(ApiError, match=r'to 4096, .* --budget=N allows'):
    menu.find('best-of-n-5000')


def _read(menu, chat=True, **fields):
  given = {'model': 'beam-m2-4'}
  given |= {'messages': [USER]} if chat else {'prompt': 'a question'}
  return wishes.read(given | fields, chat, menu, 5, 3)


def test_what_is_left_out_is_that_of_the_run(menu):
  for nothing in ({}, {'n': None, 'stop': None, 'temperature': None}):
    wish = _read(menu, **nothing)
    (ask,) = wish.asks
    assert (ask.question, ask.seed) == ('13: 7 2 1', 5)
    assert (ask.max_tokens, ask.temperature) == (None, None)
    assert (wish.n, wish.stops, wish.stream) == (1, (), False)


def test_what_is_asked_for(menu):
  parts = [{'type': 'text', 'text': text} for text in ('13: ', '7 2 1')]
  wish = _read(
    menu,
    messages=[{'role': 'user', 'content': parts}],
    model='best-of-n-3',
    n=3,
    seed=0,
    temperature=0,
    max_tokens=7,
    stop='x',
    stream=True,
    stream_options={'include_usage': True},
    top_p=1,
    presence_penalty=0.0,
    logprobs=False,
    response_format={'type': 'text'},
    user='me',
  )
  (ask,) = wish.asks
  assert (ask.question, ask.seed, ask.temperature) == ('13: 7 2 1', 0, 0.0)
  assert (ask.max_tokens, ask.listing.budget, wish.n) == (7, 3, 3)
  assert (wish.stops, wish.stream, wish.usage) == (('x',), True, True)


def test_the_newer_name_of_a_limit_comes_first(menu):
  wish = _read(menu, max_tokens=7, max_completion_tokens=5)
  assert wish.asks[0].max_tokens == 5
  wish = _read(menu, chat=False, max_tokens=7)
  assert wish.asks[0].max_tokens == 7


@pytest.mark.parametrize(
  ('name', 'budget'),
  [
    ('beam-m2', 4),
    ('beam-m2-2', 2),
    ('best-of-n-t0.5', 2),
    ('best-of-n-t0.5-3', 3),
    ('best-of-n', served.MOST),
    ('greedy', 1),
    ('allocation', 3),
    ('allocation-2.5', 2.5),
    ('policy', 4),
    ('policy-3', 3),
  ],
)
def test_names(menu, name, budget):
  assert menu.find(name).budget == budget
  assert menu.find(name) == menu.find(menu.find(name).name)


def test_models_of_others_are_not_here(menu):
  assert menu.elsewhere == ['alone']
  assert menu.slots == 4


@pytest.mark.parametrize(
  'name',
  [
    *('', '-', '-4', 'beam', 'beam-m2-', 'beam-m2-x', 'beam-m2-0', 'greedy-2'),
    *('beam-m2--4', 'beam-m2-3', 'beam-m2-8', 'beam-m2-nan', 'beam-m2-inf'),
    *('beam-m2-4.5', 'best-of-n-2.5', 'policy-5', 'policy-2.5'),
    *('allocation-0', 'allocation-nan', 'alone-1', 'beam-m2\n4'),
    f'best-of-n-{served.MOST + 1}',
  ],
)
def test_names_of_nothing(menu, name):
  with pytest.raises(ApiError, match=r'^model=') as refused:
    menu.find(name)
  assert '\n' not in refused.value.message
  assert refused.value.status == 404


@pytest.mark.parametrize(
  ('fields', 'told'),
  [
    ({'model': None}, 'model=None is no text'),
    ({'model': 3}, 'model=3 is no text'),
    ({'n': 5}, 'n=5; give a whole number from 1 to 4'),
    ({'n': 0}, 'n=0; give'),
    ({'n': True}, 'n=True; give'),
    ({'model': 'allocation', 'n': 2}, 'n=2; give a whole number from 1 to 1'),
    ({'max_tokens': 0}, 'max_tokens=0; give a whole number of at least 1'),
    ({'max_tokens': 1.5}, r'max_tokens=1\.5; give'),
    ({'seed': -1}, 'seed=-1; give a whole number from 0 to 2147483647'),
    ({'seed': 2**31}, 'seed=2147483648; give'),
    (
      {'temperature': -1},
      '=-1; give 0, or a number from 1e-06 to 2',
    ),
    ({'temperature': 1e-9}, 'temperature=1e-09; give'),
    ({'temperature': float('nan')}, 'temperature=nan; give'),
    ({'temperature': 'hot'}, "temperature='hot'; give"),
    ({'top_p': 0.5}, 'top_p=0.5, and this run samples with 1; leave it out'),
    ({'stop': ['']}, r"stop=\[''\]; give a text"),
    ({'stop': ['a'] * 17}, 'a list of at most 16'),
    ({'stop': 3}, 'stop=3; give'),
    ({'stream': 'yes'}, "stream='yes'; give true or false"),
    ({'stream_options': 3}, 'stream_options is no object'),
    ({'stream_options': {'include_usage': 1}}, 'include_usage=1; give true'),
    ({'logprobs': True}, "'logprobs' cannot be honoured here; .*or give False"),
    ({'tools': [{}]}, "'tools' cannot be honoured here; leave it out"),
    ({'frequency_penalty': 0.1}, "'frequency_penalty' cannot be honoured"),
    ({'top_k': 3}, "'top_k' cannot be honoured here; leave it out.$"),
    ({'a\x1b\nb': 3}, r"'a\\x1b\\nb' cannot be honoured"),
    ({'prompt': 'x'}, 'messages is no list of messages'),
    ({'messages': 'x'}, 'messages is no list of messages'),
    ({'messages': []}, 'messages is no list of messages'),
    ({'messages': ['x']}, "messages are by 'None'; give one message"),
    (
      {'messages': [{'role': 'system', 'content': 'x'}, USER]},
      "messages are by 'system, user'; give one message, by the user",
    ),
    ({'messages': [{'role': 'user'}]}, r'messages\[0\] is no text'),
    (
      {'messages': [{'role': 'user', 'content': [{'type': 'image_url'}]}]},
      'a part that is no text',
    ),
  ],
)
def test_chats_that_are_refused(menu, fields, told):
  with pytest.raises(ApiError, match=told) as refused:
    _read(menu, **fields)
  assert '\n' not in refused.value.message
  assert refused.value.status == 400


@pytest.mark.parametrize(
  ('prompt', 'told'),
  [
    (None, 'prompt is no text, and no list of texts'),
    ([], 'prompt is no text'),
    ([1, 2], 'prompt is no text'),
    (['x'] * 4, 'prompt has 4 texts, and a request takes 3'),
  ],
)
def test_prompts_that_are_refused(menu, prompt, told):
  with pytest.raises(ApiError, match=told):
    _read(menu, chat=False, prompt=prompt)
