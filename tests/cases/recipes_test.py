"""Texts that are put into a context, in the templates of a family."""

import dataclasses
import json

import pytest

from tests.data import toys
from ttc.cli import configuration
from ttc.models.config import TransformerConfig
from ttc.pipeline.experiment import ConfigurationError
from ttc.search.critique import Critique
from ttc.search.forced import Forced
from ttc.search.strategies import longest

_MODEL = TransformerConfig(400, 1, 8, 2, 1, 4, 16)


@pytest.fixture
def load(tmp_path):
  """Loads first_look.gin with a recipe and its arm."""

  def loaded(recipe, arm, **others):
    rows = [
      dict(problem=f'How many are {i}?', solution='s', answer=f'{i}', level=1)
      for i in range(40)
    ]
    toys.qwen(tmp_path / 'small')
    described = {'head': 'logits', 'config': dataclasses.asdict(_MODEL)}
    (tmp_path / 'small' / 'model.json').write_text(json.dumps(described))
    text = ''.join(f'{json.dumps(row)}\n' for row in rows)
    (tmp_path / 'rows.jsonl').write_text(text)
    given = {
      'SMALL': f"'{tmp_path / 'small'}'",
      'FINETUNE_FILE': f"'{tmp_path / 'rows.jsonl'}'",
      'TEST_FILE': f"'{tmp_path / 'rows.jsonl'}'",
      'Search.arms': f'(@{arm}/arms.Arm(),)',
    }
    experiment, _ = configuration.load(
      (
        'gin/experiments/first_look.gin',
        'gin/templates/qwen.gin',
        f'gin/templates/{recipe}.gin',
      ),
      [f'{name}={value}' for name, value in (given | others).items()],
      check=True,
    )
    return experiment.stages[-1]

  return loaded


def test_a_critique_is_asked_for_in_the_turns_of_a_chat(load):
  stage = load('qwen_critique', 'critique')
  (arm,) = stage.arms
  assert isinstance(arm.strategy, Critique)
  vocabulary = stage.solver.task.vocabulary
  (end,) = vocabulary.encode_template('<|im_end|>')
  texts = arm.strategy.ask, arm.strategy.again
  encoded = [vocabulary.encode_template(text) for text in texts]
  assert all(tokens[0] == end for tokens in encoded)
  more = sum(map(len, encoded))
  assert longest(arm.strategy, 10, 7) == 10 + 7 + more + 2 * 7


def test_thinking_is_forced_by_words(load):
  stage = load('qwen_thinking', 'forced')
  (arm,) = stage.arms
  assert isinstance(arm.strategy, Forced)
  assert (arm.strategy.wait, arm.strategy.close) == ('Wait', '</think>')
  problem = stage.solver.problems[0]
  assert stage.solver.task.prompt(problem).endswith('<think>\n')


def test_texts_of_another_family_are_refused(load):
  with pytest.raises(ConfigurationError, match=r'Critique\.ask spells <\|eot_'):
    load('qwen_critique', 'critique', **{'Critique.ask': "'<|eot_id|>So?'"})
