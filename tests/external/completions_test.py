"""What is asked, and what is made of answers that nobody vouches for."""

import dataclasses
import math

import numpy as np
import pytest

from tests.data import toys
from ttc.data.tokenizer import Tokenizer
from ttc.data.vocabulary import end_table, step_end_table, WordVocabulary
from ttc.external.caller import PassingError
from ttc.external.completions import Call, Completions
from ttc.external.endpoint import Endpoint
from ttc.inference import keys

WORDS = WordVocabulary(('a', 'b', '.', '\n'))  # ids 3 to 6
# Not Llama 2, which puts a space before a text: what two of them join to is cut
# in another way, as a command with texts says.
REVISE = {
  'qwen': '<|quad_end|>',
  'llama3': '<|reserved_special_token_0|>',
  'gemma': '<unused0>',
}


def wire(vocabulary=WORDS, delimiter='\n', **settings):
  return Completions(
    Endpoint('http://there/v1', 'm', **settings),
    vocabulary,
    step_end_table(vocabulary, delimiter),
    end_table(vocabulary),
    top_p=0.9,
  )


def call(tokens=(3, 4), most=8, count=1, steps=False):
  return Call(tokens, most, count, 0.7, keys.root(5), steps)


def reply(*choices, **more):
  choices = [
    {'index': i, 'finish_reason': 'stop'} | choice
    for i, choice in enumerate(choices)
  ]
  return {'model': 'm', 'choices': choices} | more


def test_the_fields_of_a_call():
  asked = call(most=3)
  assert wire().fields(asked) == {
    'model': 'm',
    'max_tokens': 3,
    'temperature': 0.7,
    'top_p': 0.9,
    'seed': asked.seed,
    'logprobs': 1,
    'prompt': [3, 4],
    'stop_token_ids': [1, 2],
    'return_token_ids': True,
    'top_k': -1,
    'min_p': 0.0,
    'repetition_penalty': 1.0,
  }
  fields = wire(ids=False, logprobs=False).fields(call(count=3))
  # What no other interface than vLLM's and SGLang's has is not sent there.
  assert sorted(fields) == sorted(
    ('model', 'max_tokens', 'temperature', 'top_p', 'seed', 'prompt', 'n')
  )
  assert fields['prompt'] == 'a b'
  assert wire().fields(call(steps=True))['stop_token_ids'] == [1, 2, 6]


def test_seeds_are_of_31_bits_and_differ_by_row_and_position():
  seeds = {
    Call([0] * length, 1, 1, 1.0, key).seed
    for length in range(20)
    for key in keys.fold(keys.root(1), range(20))
  }
  assert len(seeds) == 400
  assert all(0 <= seed < 2**31 for seed in seeds)
  assert max(seeds) > 2**30


@pytest.mark.parametrize('family', sorted(REVISE))
def test_texts_are_cut_into_the_tokens_that_they_were(family, tmp_path):
  folder = str(getattr(toys, family)(tmp_path))
  vocabulary = Tokenizer(folder, REVISE[family], stops=('\n\n',))
  spell = wire(vocabulary, ids=False)
  revise = [vocabulary.revise_id]
  prompt = vocabulary.encode_template('Question: 1+1 is?\nAnswer:')
  for context in (
    prompt,
    prompt + vocabulary.encode(' it is 2.\nSo'),
    prompt + vocabulary.encode(' 3.') + revise,
    prompt + vocabulary.encode(' 3') + revise + vocabulary.encode('4') + revise,
  ):
    text = spell.text(context)
    assert vocabulary.encode_template(text) == context
  # Blank lines end attempts, and a server knows no such tokens by itself.
  assert spell.fields(call(prompt))['stop'] == ['\n\n']


def ids(*tokens, **more):
  return {'token_ids': list(tokens), **more}


@pytest.mark.parametrize(
  ('choice', 'steps', 'tokens', 'cut'),
  [
    (ids(3, 4, 1), False, [3, 4, 1], False),
    (ids(3, 4), False, [3, 4, 1], False),  # the end was left out
    (ids(3, stop_reason=2), False, [3, 2], False),
    (ids(3, stop_reason=99), False, [3, 1], False),
    (ids(3, stop_reason='</s>'), False, [3, 1], False),
    (ids(), False, [1], False),
    (ids(3, 2, 4, 4), False, [3, 2], False),  # it did not stop there
    (ids(3, 6, 4), False, [3, 6, 4, 1], False),
    (ids(3, 6, 4), True, [3, 6], False),
    (ids(3, stop_reason=6), True, [3, 6], False),
    (ids(*[3] * 20), False, [3] * 8, False),
    (ids(*[3] * 8, finish_reason='length'), False, [3] * 8, False),
    (ids(3, 3, finish_reason='length'), False, [3, 3], True),
    (ids(3, finish_reason='content_filter'), False, [3], True),
  ],
)
def test_what_an_answer_is(choice, steps, tokens, cut):
  asked = call(steps=steps)
  (answer,) = wire().answers(asked, reply(choice))
  assert (answer.tokens, answer.cut) == (tokens, cut)
  assert answer.logprob is None


@pytest.mark.parametrize(
  ('choice', 'tokens', 'cut'),
  [
    ({'text': 'a b.'}, [3, 4, 5, 1], False),
    ({'text': ''}, [1], False),
    ({'text': 'a', 'finish_reason': 'length'}, [3], True),
    ({'text': 'a.' * 50, 'finish_reason': 'length'}, [3, 5] * 4, False),
  ],
)
def test_what_a_text_is(choice, tokens, cut):
  (answer,) = wire(ids=False).answers(call(), reply(choice))
  assert (answer.tokens, answer.cut) == (tokens, cut)


@pytest.mark.parametrize(
  ('choice', 'expected'),
  [
    (ids(3, 4, 1, logprobs={'token_logprobs': [-1, -0.5, -0.25]}), -1.75),
    (ids(3, 4, logprobs={'token_logprobs': [-1, -0.5]}), -1.5),
    (ids(3, 2, 4, logprobs={'token_logprobs': [-1, -0.5, -9]}), -1.5),
    (ids(3, 4, logprobs={'token_logprobs': [-1]}), None),
    (ids(3, 4, logprobs={'token_logprobs': [None, -1]}), None),
    (ids(3, 4, logprobs={'token_logprobs': [-math.inf, -1]}), None),
    (ids(3, 4, logprobs={'token_logprobs': [math.nan, -1]}), None),
    (ids(3, 4, logprobs={'token_logprobs': [True, 'x']}), None),
    (ids(3, 4, logprobs={'token_logprobs': 'x'}), None),
    (ids(3, 4, logprobs=[]), None),
    (ids(3, 4, logprobs=None), None),
  ],
)
def test_log_probabilities(choice, expected):
  (answer,) = wire().answers(call(), reply(choice))
  assert answer.logprob == expected


def test_log_probabilities_of_texts():
  held = {'token_logprobs': [-1.0, -2.0, -3.0]}  # not as we cut it
  for text, expected in (('a b.', -6.0), ('a' + '.' * 20, None)):
    (answer,) = wire(ids=False).answers(
      call(), reply({'text': text, 'logprobs': held})
    )
    assert answer.logprob == (expected if len(answer.tokens) < 8 else -6.0)


@pytest.mark.parametrize(
  ('found', 'count', 'message'),
  [
    ({}, 1, "asked for 'm' and answers as None; bind Endpoint.model"),
    (reply(ids(3), model='n'), 1, "answers as 'n'; .*Endpoint.called to this"),
    (reply(ids(3), model=['m']), 1, 'answers as'),
    ({'model': 'm'}, 1, 'without a list of choices; bind the Endpoint.url'),
    ({'model': 'm', 'choices': {}}, 1, 'without a list of choices'),
    ({'model': 'm', 'choices': [3]}, 1, 'without a list of choices'),
    (reply(), 1, 'asked for 1 answers in one call and gave 0; see what it'),
    (reply(ids(3)), 4, 'for 4 answers .* gave 1; bind Endpoint.choices=1'),
    (reply(ids(3), ids(3)), 1, 'for 1 answers .* gave 2'),
    (reply({'text': 'a'}), 1, 'without token ids, .* bind Endpoint.ids=False'),
    (reply({'token_ids': 'ab'}), 1, 'without token ids'),
    (reply(ids(3, 7)), 1, "token 7 and the task's vocabulary has 7; serve"),
    (reply(ids(-1)), 1, 'the token -1 and'),
    (reply(ids(True)), 1, 'the token True and'),
    (reply(ids(1.5)), 1, 'the token 1.5 and'),
    (reply(ids(10**400)), 1, 'the token 1000.* and'),
  ],
)
def test_answers_that_no_retry_mends(found, count, message):
  with pytest.raises(ValueError, match=message) as caught:
    wire().answers(call(count=count), found)
  assert '\n' not in str(caught.value)
  assert len(str(caught.value)) < 400


def test_what_the_vocabulary_cannot_say():
  with pytest.raises(ValueError, match=r"'z' at offset 2 .*Bind Endpoint.ids"):
    wire(ids=False).answers(call(), reply({'text': 'a z'}))


@pytest.mark.parametrize(
  'choice',
  [
    ids(3, finish_reason=None),
    ids(3, finish_reason='abort'),
    ids(3, finish_reason=['stop']),
    ids(finish_reason='length'),
    ids(3, index=1),
    ids(3, index='0'),
  ],
)
def test_odd_answers_are_asked_for_again(choice):
  with pytest.raises(PassingError):
    wire().answers(call(), reply(choice))
  with pytest.raises(PassingError, match='no text'):
    wire(ids=False).answers(call(), reply({'text': None}))


def test_choices_may_come_in_any_order():
  rng = np.random.default_rng(0)
  for _ in range(20):
    order = rng.permutation(5).tolist()
    found = reply(*(ids(*[3] * i, 1, index=i) for i in order))
    answers = wire().answers(call(count=5), found)
    assert [len(answer.tokens) for answer in answers] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
  ('usage', 'expected'),
  [
    ({'prompt_tokens': 9, 'completion_tokens': 4}, (9, 0, 4)),
    (
      {
        'prompt_tokens': 9,
        'completion_tokens': 4,
        'prompt_tokens_details': {'cached_tokens': 8},
      },
      (1, 8, 4),
    ),
    ({'prompt_tokens': 9, 'prompt_tokens_details': None}, (9, 0, 3)),
    (
      {'prompt_tokens': 2, 'prompt_tokens_details': {'cached_tokens': 99}},
      (0, 2, 3),
    ),
    # Counted here where it is not told, or is no number.
    (None, (2, 0, 3)),
    ('free', (2, 0, 3)),
    ({'prompt_tokens': -1, 'completion_tokens': 1e300}, (2, 0, 3)),
    ({'prompt_tokens': True, 'completion_tokens': 10**99}, (2, 0, 3)),
  ],
)
def test_usage(usage, expected):
  found = reply(ids(3, 4, 1), usage=usage)
  answers = wire().answers(call(), found)
  used = wire().usage(call(), found, answers)
  assert dataclasses.astuple(used) == expected
