"""Thinking that is told to go on or to end, against a slow reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import testing
from tests.search import reference
from ttc.search.forced import Forced

RNG = np.random.default_rng(6)
TABLE = RNG.normal(size=(testing.WORDS, testing.WORDS)) * 1.5
TABLE[:, testing.PAD] = -30
VALUES = RNG.normal(size=testing.WORDS)
PROMPTS = [[3, 4], [5], [6, 7, 3]]
LIMIT, MOST = 12, 4
TASK = testing.Spelling()
WAIT, CLOSE = TASK.vocabulary.encode('b b'), TASK.vocabulary.encode('c d')
STRATEGIES = [
  Forced(),
  Forced(TASK, wait='b b'),
  Forced(TASK, wait='b b', waits=3),
  Forced(TASK, close='c d', most=3),
  Forced(TASK, wait='b b', close='c d', most=6),
  Forced(TASK, wait='b b', close='c d', waits=0, most=1),
  Forced(TASK, wait='b b', close='c d', waits=2),
]


class Slow:
  """One attempt, worked off token by token.

  Attributes:
    tokens: prompt and attempt.
    own: places of the tokens that were put in.
    drawn: tokens that were sampled, those that were taken back too.
  """

  def __init__(self, prompt, key):
    self.tokens, self.key, self.own = list(prompt), key, set()
    self.start, self.limit = len(prompt), len(prompt) + LIMIT
    self.drawn = self.seen = 0

  @property
  def ended(self):
    return self.tokens[-1] == testing.END and len(self.tokens) > self.start

  @property
  def thought(self):
    return len(self.tokens) - self.start

  def draw(self, most, steps=True):
    stops = (testing.END, testing.STEP) if steps else (testing.END,)
    for _ in range(min(most, self.limit - len(self.tokens))):
      logits = TABLE[self.tokens[-1]].astype(np.float32)
      token = int(reference.draw(self.key, len(self.tokens), logits))
      self.tokens.append(token)
      self.drawn += 1
      if token in stops:
        break

  def end(self, close):
    """Where thinking ends, in what was not looked at before."""
    last = len(self.tokens) - len(close)
    for at in range(max(self.start, self.seen), last + 1):
      if close and self.tokens[at : at + len(close)] == close:
        return at
    self.seen = max(self.seen, last + 1)
    ended = self.ended and len(self.tokens) < self.limit
    return len(self.tokens) - 1 if ended else None

  def put(self, text, at):
    if at + len(text) >= self.limit:
      return False
    self.tokens[at:] = text
    self.own = {place for place in self.own if place < at}
    self.own |= set(range(at, at + len(text)))
    self.seen = len(self.tokens)
    return True


def attempt_of(strategy, prompt, key):
  slow = Slow(prompt, key)
  waits = strategy.waits if strategy.wait else 0
  close, most = CLOSE if strategy.close else [], strategy.most
  while True:
    slow.draw(MOST if most is None else most - slow.thought)
    at = slow.end(close)
    if at is None and (slow.ended or len(slow.tokens) == slow.limit):
      break
    if at is not None:
      if not waits or not slow.put(WAIT, at):
        break
      waits -= 1
    if most and slow.thought >= most:
      slow.put(close, len(slow.tokens))
      break
  if not slow.ended:
    slow.draw(LIMIT, steps=False)
  own = {at - len(prompt) for at in slow.own}
  return slow.tokens[len(prompt) :], slow.drawn, own


@pytest.mark.parametrize('strategy', STRATEGIES, ids=repr)
def test_equals_the_reference(strategy):
  models = testing.scripted_models(TABLE, VALUES)
  log = TABLE - np.log(np.exp(TABLE).sum(axis=1, keepdims=True))
  forced = taken = 0
  solutions = testing.solve(strategy, 6, models, *PROMPTS, slots=6)
  for place, solution in enumerate(solutions):
    prompt = PROMPTS[place]
    key = reference.fold(jax.random.key(0), jnp.uint32(10 + place))
    expected = [
      attempt_of(strategy, prompt, reference.fold(key, i)) for i in range(6)
    ]
    assert testing.tokens(solution) == [tokens for tokens, _, _ in expected]
    cost = solution.cost
    assert cost['proposer_decode'][0] == sum(drawn for _, drawn, _ in expected)
    for attempt, (tokens, drawn, own) in zip(
      solution.attempts, expected, strict=True
    ):
      forced += len(own)
      back = drawn - (len(tokens) - len(own))
      taken += back
      if not back:  # what is put in was not sampled
        before = [prompt[-1], *tokens[:-1]]
        sampled = [at for at in range(len(tokens)) if at not in own]
        logprob = log[before, tokens][sampled].sum()
        assert attempt.logprob == pytest.approx(logprob, abs=1e-3)
  waits = bool(strategy.wait and strategy.waits)
  assert bool(forced) == (waits or strategy.most is not None)
  assert bool(taken) == waits


def test_what_is_put_in_is_read_once():
  """By models that look back, whose values are those of whole attempts."""
  task = testing.Spelling(16)
  models = testing.looking_back(max_step_tokens=4)
  strategy = Forced(task, wait='h', close='d e', waits=2, most=7)
  wait, close = task.vocabulary.encode('h'), task.vocabulary.encode('d e')
  put = 0
  for solution in testing.solve(strategy, 6, models, *PROMPTS):
    prompt = solution.question.prompt
    for attempt in solution.attempts:
      _, values = testing.read_whole(models, prompt, attempt.tokens)
      ends = models.step_end[attempt.tokens]
      ends[-1] = True
      np.testing.assert_allclose(attempt.values, values[ends], atol=1e-4)
      text = ' '.join(map(str, attempt.tokens))
      put += ' '.join(map(str, close)) in text or str(wait[0]) in text
    cost = solution.cost
    length = sum(len(attempt.tokens) for attempt in solution.attempts)
    # What is sampled and taken back is read by the verifier too.
    assert cost['verifier_prefill'][0] == len(prompt)
    assert cost['verifier_decode'][0] >= length
  assert put


@pytest.mark.parametrize(
  ('fields', 'word'),
  [
    (dict(waits=-1), 'waits'),
    (dict(most=0), 'most'),
    (dict(most=3), 'Forced.close'),
    (dict(wait='b'), 'Forced.task'),
    (dict(task=TASK, close='zz'), "Forced.close='zz'"),
  ],
)
def test_bad_settings(fields, word):
  with pytest.raises(ValueError, match=word):
    Forced(**fields)
