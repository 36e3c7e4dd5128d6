"""Tests of PRM800K's ratings as a seqio Task; T5X itself is not needed."""

import json

import numpy as np
import pytest
import seqio

from tests import testing
from tests.data import toys
from ttc.data.jsonl import Rows
from ttc.data.questions import Questions
from ttc.data.templates import Template
from ttc.data.tokenizer import Tokenizer
from ttc.examples import tasks as data_tasks
from ttc.t5x import tasks
from ttc.t5x.converter import DocumentConverter

QUESTIONS = ('What is 1+1?', 'What is 2+2?', 'What is 3+3?', 'What is 4+4?')
FEATURES = {
  'decoder_input_tokens',
  'decoder_target_values',
  'decoder_loss_weights',
}


@pytest.fixture(scope='module')
def vocabulary(tmp_path_factory):
  return Tokenizer(
    str(toys.qwen(tmp_path_factory.mktemp('qwen'))), '<|quad_end|>'
  )


@pytest.fixture(scope='module')
def cfg(vocabulary):
  return testing.small_config(vocab_size=vocabulary.size)


@pytest.fixture
def task(vocabulary, tmp_path):
  """The first question is to learn from and the last one is the test."""
  for name, question in (('train', QUESTIONS[0]), ('test', QUESTIONS[-1])):
    (tmp_path / f'{name}.jsonl').write_text(
      json.dumps({'question': question, 'answer': '2'})
    )
  return Questions(
    vocabulary,
    Template(),
    Rows(str(tmp_path / 'train.jsonl')),
    Rows(str(tmp_path / 'test.jsonl')),
    workers=0,
  )


@pytest.fixture
def files(tmp_path):
  return {
    'train': _write(tmp_path / 'rated.jsonl', QUESTIONS[:2] + QUESTIONS[3:]),
    'validation': _write(tmp_path / 'held_out.jsonl', QUESTIONS[2:]),
  }


def _write(path, questions):
  lines = [
    {
      'problem': question,
      'steps': ['Add.', 'Again.', 'So 3.\n\n# Answer\n\n3'],
      'ratings': [1, 0, -1],
      'answer': '2',
    }
    for question in questions
  ]
  path.write_text('\n'.join(map(json.dumps, lines)))
  return str(path)


def _rows(name, split):
  dataset = seqio.get_mixture_or_task(name).get_dataset(
    sequence_length=None, split=split, shuffle=False
  )
  return list(dataset.as_numpy_iterator())


def test_rated_steps_are_registered_once(files, task, cfg):
  name = tasks.rated_steps(files, task, cfg, 64)
  assert name in seqio.TaskRegistry.names()
  before = seqio.TaskRegistry.get(name)
  assert tasks.rated_steps(dict(files), task, cfg, 64) == name
  assert seqio.TaskRegistry.get(name) is before
  for other in (
    tasks.rated_steps(files, task, cfg, 65),
    tasks.rated_steps(files, task, cfg, 64, neutral=0.5),
    tasks.rated_steps({'train': files['validation']}, task, cfg, 64),
  ):
    assert other != name


def test_examples_are_those_of_a_verifier(files, task, cfg, vocabulary):
  name = tasks.rated_steps(files, task, cfg, 64, neutral=0.5)
  train, validation = (_rows(name, split) for split in files)
  # The question of the test is left out.
  assert (len(train), len(validation)) == (2, 1)
  solution = 'Add.\nAgain.\nSo 3.\n\n# Answer\n\n3'
  for row, question in zip(train + validation, QUESTIONS, strict=False):
    assert set(row) == FEATURES
    tokens, weights = row['decoder_input_tokens'], row['decoder_loss_weights']
    assert tokens[-1] == vocabulary.eos_id
    assert vocabulary.decode(tokens.tolist()) == (
      f'Problem:\n{question}\n\nSolution:\n{solution}'
    )
    assert row['decoder_target_values'][weights > 0].tolist() == [1, 0.5, 0]
    assert weights[-1] == 1


@pytest.mark.parametrize('pack', [True, False])
def test_batches_have_the_features_of_a_verifier(files, task, cfg, pack):
  name = tasks.rated_steps(files, task, cfg, 128)
  batches = seqio.get_dataset(
    name,
    dict.fromkeys(FEATURES, 128),
    dataset_split='train',
    shuffle=False,
    num_epochs=None,
    feature_converter=DocumentConverter('decoder_target_values', pack=pack),
    batch_size=3,
  )
  batch = next(batches.as_numpy_iterator())
  assert {*batch} == {*FEATURES, 'decoder_segment_ids', 'decoder_positions'}
  assert {x.shape for x in batch.values()} == {(3, 128)}
  assert batch['decoder_target_values'].dtype == np.float32
  assert batch['decoder_loss_weights'].sum() == 3 * (
    batch['decoder_segment_ids'].max(axis=1).sum()
  )


def test_what_does_not_fit_is_refused(files, task, cfg):
  with pytest.raises(
    ValueError, match=r'2 of 2 documents of .*rated\.jsonl are .* seq_len=20'
  ):
    tasks.rated_steps(files, task, cfg, 20)
  small = testing.small_config(vocab_size=9)
  with pytest.raises(ValueError, match='the vocabulary has 9'):
    tasks.rated_steps(files, task, small, 64)
  with pytest.raises(ValueError, match='neutral=2 is no label'):
    tasks.rated_steps(files, task, cfg, 64, neutral=2)


def test_a_file_of_the_tests_questions_is_refused(files, task, cfg, tmp_path):
  path = _write(tmp_path / 'tested.jsonl', QUESTIONS[3:])
  with pytest.raises(
    ValueError, match=r"tested\.jsonl .* 'validation' another"
  ):
    tasks.rated_steps(files | {'validation': path}, task, cfg, 64)


def test_real_ratings(task, cfg):
  path = toys.DATA / 'prm800k_steps_sample.jsonl.gz'
  if not path.exists():
    pytest.skip('no shared data here')
  name = tasks.rated_steps({'train': str(path)}, task, cfg, 10_000)
  documents = data_tasks.documents(seqio.TaskRegistry.get(name), 'train')
  assert len(documents) == 1_329
  assert documents.features['decoder_loss_weights'].sum() == 9_322
