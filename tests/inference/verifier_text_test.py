"""A verifier with a tokenizer of its own sees what its authors showed it."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
import tokenizers

from tests import testing
from tests.data import toys
from ttc.inference.models import Model
from ttc.inference.verifier_text import Bridge
from ttc.inference.without_history import WithoutHistory
from ttc.models.reader import Reader
from ttc.search.allocate import Beam
from ttc.search.backtrack import Backtrack
from ttc.search.strategies import BestOfN, StepSearch

READER = Reader('<|im_start|>{question}:', '<|im_end|>', after='\n')
TEXTS = {10: 'What is 5?', 11: 'How many <|im_end|> are there?'}
WORDS = ('', '', '.\n\n', 'the', ' sum', ' is', ' 1', '2')

CELLS = 96


class Words:
  """The proposer's vocabulary."""

  def decode(self, ids):
    return ''.join(WORDS[i] for i in ids)


@pytest.fixture(scope='module')
def models(tmp_path_factory):
  folder = toys.qwen(tmp_path_factory.mktemp('qwen'))
  table = 0.7 * np.random.default_rng(0).normal(
    size=(testing.WORDS, testing.WORDS)
  )
  table[:, testing.PAD] = -30
  table[:, testing.END] -= 3
  table[:, testing.STEP] += 2
  models = testing.scripted_models(table)
  path = folder / 'tokenizer.json'
  size = tokenizers.Tokenizer.from_file(str(path)).get_vocab_size()
  cfg = testing.small_config(vocab_size=size)
  bridge = Bridge(READER, path, Words(), models.step_end, TEXTS, cfg)
  return dataclasses.replace(
    models,
    verifier=Model(testing.random_params(cfg, 'value'), cfg),
    bridge=bridge,
  )


def scripted(models, question, tokens):
  """Values by the steps' texts, each read from the beginning."""
  steps, step = [], []
  for token in tokens:
    step.append(token)
    if models.step_end[token]:
      steps.append(Words().decode(step))
      step = []
  if step:
    steps.append(Words().decode(step))
  asked = TEXTS[question].replace('<|im_end|>', '< |im_end|>')
  found = []
  for count in range(1, len(steps) + 1):
    # A step without text, such as the end alone, is not asked about.
    shown = [s for i, s in enumerate(steps[:count]) if i == 0 or s.strip()]
    ids = models.bridge._tokenizer.encode(READER.text(asked, shown)).ids
    logits = testing.outputs(models.verifier, ids, 'value', CELLS)
    found.append(float(jax.nn.sigmoid(logits[len(ids) - 1])))
  return found


@pytest.mark.parametrize(
  ('strategy', 'budget'),
  [
    (BestOfN(), 6),
    (StepSearch(Beam(2)), 4),
    (StepSearch(Beam(2), lookahead=1), 4),
    (Backtrack(first=2, threshold=0.0), 6),
  ],
  ids=str,
)
def test_values_are_those_of_whole_texts(models, strategy, budget):
  solutions = testing.solve(
    strategy, budget, models, [5, 6], [7, 3], cache_len=CELLS
  )
  counts = set()
  for solution in solutions:
    for attempt in solution.attempts:
      assert attempt.values == pytest.approx(
        scripted(models, solution.question.id, attempt.tokens), abs=1e-4
      )
      counts.add(len(attempt.values))
    cost = solution.cost
    assert cost['verifier_prefill'][0] > 5
    assert cost['verifier_decode'][0] > len(solution.attempts)
  assert max(counts) > 1


def test_common_beginnings_are_read_once(models):
  """With one row and steps in turn, each token of the text once."""
  (solution,) = testing.solve(
    StepSearch(Beam(1)), 1, models, [5, 6], cache_len=CELLS
  )
  text = models.bridge.text(10, [5, 6, *solution.attempts[0].tokens], 2)
  read = (
    solution.cost['verifier_prefill'][0] + solution.cost['verifier_decode'][0]
  )
  assert (
    len(text.tokens) <= read <= len(text.tokens) + len(text.value_positions)
  )


def test_spots_are_the_last_tokens_of_what_follows_steps(models):
  tokens = [5, 3, 2, 4, 6, 2, testing.END]
  text = models.bridge.text(10, tokens, 1)
  end = models.bridge._tokenizer.token_to_id('<|im_end|>')
  assert [text.tokens[place] for place, _ in text.value_positions] == [
    end,
    end,
  ]
  assert [length for _, length in text.value_positions] == [2, 6]
  assert models.bridge._tokenizer.decode(
    text.tokens[: text.start], skip_special_tokens=False
  ) == ('<|im_start|>What is 5?:')


def test_questions_cannot_spell_separators(models):
  text = models.bridge.text(11, [5, 3], 1)
  end = models.bridge._tokenizer.token_to_id('<|im_end|>')
  assert text.tokens.count(end) == 1


@pytest.mark.parametrize('line', [32, 1024], ids=['full', 'small'])
def test_a_text_without_room_is_refused(models, line):
  with pytest.raises(ValueError, match=r'raise Solver\.verifier_tokens'):
    testing.solve(BestOfN(), 2, models, [5, 6], cache_len=16, line=line)


def test_tokenizers_that_do_not_fit(tmp_path, models):
  bridge = functools.partial(
    Bridge,
    READER,
    vocabulary=Words(),
    step_end=models.step_end,
    questions=TEXTS,
  )
  with pytest.raises(ValueError, match='--tokenizer=FOLDER'):
    bridge(tokenizer=tmp_path / 'tokenizer.json', cfg=models.verifier.cfg)
  path = toys.qwen(tmp_path) / 'tokenizer.json'
  with pytest.raises(ValueError, match='the verifier knows 16'):
    bridge(tokenizer=path, cfg=testing.small_config())
  narrow = dataclasses.replace(models.verifier.cfg, context=9)
  with pytest.raises(ValueError, match='whose context has 9'):
    bridge(tokenizer=path, cfg=narrow).text(10, [5, 3], 1)


def test_a_bridge_is_about_the_questions_of_now(models):
  texts = {}
  other = models.bridge.about(texts)
  texts[99] = TEXTS[11]
  row = [3, 4, 5, testing.STEP, 6]
  assert other.text(99, row, 2) == models.bridge.text(11, row, 2)
  del texts[99]
  with pytest.raises(KeyError):
    other.text(99, row, 2)


def test_a_verifier_without_history_is_about_them_too():
  prompts, ends = {}, {7: 6}
  first = WithoutHistory({11: [3, 4]}, ends)
  other = first.about(prompts)
  prompts[99] = [3, 4]
  row = [3, 4, 8, 5, 7]  # of which the first three are a prompt
  assert other.text(99, row, 3) == first.text(11, row, 3)
  assert other.text(99, row, 3).tokens == (3, 4, 5, 6)
