import types

import numpy as np
import pytest
import seqio

from tests import testing
from ttc.data.worksheet import Worksheet
from ttc.examples import features
from ttc.t5x import tasks

CFG = testing.small_config()
TASK = Worksheet(goals=(2,), num_pretrain=5, num_finetune=5, num_test=6)


def _write(folder, kind='lm', tokens=(3, 4, 5, 6, 7), count=4):
  example = {'tokens': list(tokens), 'problem': 1} | (
    {'loss_start': 2}
    if kind == 'lm'
    else {'positions': [1, 3], 'labels': [0.25, 1.0]}
  )
  features.write(
    str(folder), kind, {'train': [example] * count, 'validation': [example]}
  )
  return str(folder)


def test_a_stage_is_registered_once(tmp_path):
  folder = _write(tmp_path / 'a')
  name = tasks.stages([folder], CFG, 8)
  assert name == tasks.stages([folder], CFG, 8)
  task = seqio.get_mixture_or_task(name)
  assert isinstance(task, seqio.Task)
  first = next(task.get_dataset(split='train').as_numpy_iterator())
  np.testing.assert_array_equal(first['decoder_input_tokens'], [3, 4, 5, 6])
  np.testing.assert_array_equal(first['decoder_loss_weights'], [0, 1, 1, 1])


@pytest.mark.parametrize(('rates', 'expected'), [((), 4 / 6), ((1, 3), 1 / 4)])
def test_several_stages_are_a_mixture(tmp_path, rates, expected):
  folders = [
    _write(tmp_path / 'a', count=4),
    _write(tmp_path / 'b', tokens=(9, 9, 9), count=2),
  ]
  name = tasks.stages(folders, CFG, 8, rates)
  mixture = seqio.get_mixture_or_task(name)
  assert isinstance(mixture, seqio.Mixture)
  drawn = mixture.get_dataset(
    sequence_length=None, split='train', num_epochs=None, seed=0
  ).take(400)
  first = [d['decoder_input_tokens'][0] for d in drawn.as_numpy_iterator()]
  assert abs(np.mean(np.array(first) == 3) - expected) < 0.1


def test_what_does_not_fit_is_refused(tmp_path):
  folder = _write(tmp_path / 'a')
  values = _write(tmp_path / 'b', 'value')
  with pytest.raises(ValueError, match='give a list'):
    tasks.stages(folder, CFG, 8)
  with pytest.raises(ValueError, match='one model trains on one kind'):
    tasks.stages([folder, values], CFG, 8)
  with pytest.raises(ValueError, match='3 rates for 1 folders'):
    tasks.stages([folder], CFG, 8, (1, 2, 3))
  with pytest.raises(ValueError, match=r'4 of 4 documents .* longest has 4'):
    tasks.stages([folder], CFG, 3)
  with pytest.raises(ValueError, match='the vocabulary has 6'):
    tasks.stages([folder], testing.small_config(vocab_size=6), 8)


def test_questions_are_prompts_whose_answer_comes_next():
  name = tasks.questions(TASK, 'test', 60, limit=4)
  assert name == tasks.questions(TASK, 'test', 60, limit=4)
  rows = list(
    seqio.get_mixture_or_task(name)
    .get_dataset(split='test', shuffle=False)
    .as_numpy_iterator()
  )
  problems = TASK.problems('test')[:4]
  assert [row['problem'] for row in rows] == [p.id for p in problems]
  for row, problem in zip(rows, problems, strict=True):
    tokens = row['decoder_input_tokens']
    assert TASK.vocabulary.decode(tokens) == TASK.prompt(problem)
    np.testing.assert_array_equal(
      row['decoder_loss_weights'], np.arange(len(tokens)) == len(tokens) - 1
    )
  with pytest.raises(ValueError, match=r'6 of 6 prompts .* seq_len=5'):
    tasks.questions(TASK, 'test', 5)


def test_a_model_is_matched_with_its_data(tmp_path):
  from ttc.t5x.converter import DocumentConverter

  def model(target, **changes):
    return types.SimpleNamespace(
      cfg=testing.small_config(**changes),
      FEATURE_CONVERTER_CLS=lambda pack: DocumentConverter(target, pack=pack),
    )

  name = tasks.stages([_write(tmp_path / 'a')], CFG, 8)
  dataset = types.SimpleNamespace(mixture_or_task_name=name)
  tasks.verify(dataset, model('decoder_target_tokens'))
  tasks.verify(dataset, model('decoder_target_tokens', vocab_size=99))
  with pytest.raises(ValueError, match='no decoder_target_values'):
    tasks.verify(dataset, model('decoder_target_values'))
  with pytest.raises(ValueError, match='has 16 tokens and the model 9'):
    tasks.verify(dataset, model('decoder_target_tokens', vocab_size=9))


def test_every_end_of_a_vocabulary_ends_a_sample():
  assert set(tasks.end_ids(TASK)) >= {
    TASK.vocabulary.eos_id,
    TASK.vocabulary.revise_id,
  }
