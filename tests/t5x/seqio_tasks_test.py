"""Real data sets as T5X users read them; small ones where there are none."""

import json

import numpy as np
import pytest
import seqio
import tensorflow as tf
import tensorflow_datasets as tfds

from tests.data import toys
from ttc.data import features, tasks
from ttc.data.jsonl import Rows
from ttc.data.questions import Questions
from ttc.data.templates import Template
from ttc.data.tokenizer import Tokenizer
from ttc.t5x import seqio_tasks, tfds_builders
from ttc.t5x.prm800k import RatedSteps
from ttc.t5x.seqio_vocabulary import SeqioVocabulary

ROWS = [
  ('What is 1+1?', 'It is #### 2'),
  ('What is 2+2?', '#### 4'),
  ('What is 3+3?', '#### 6'),
]


@pytest.fixture(scope='module')
def vocabulary(tmp_path_factory):
  return Tokenizer(
    str(toys.qwen(tmp_path_factory.mktemp('qwen'))), '<|quad_end|>'
  )


@pytest.fixture(scope='module')
def task(vocabulary, tmp_path_factory):
  folder = tmp_path_factory.mktemp('rows')
  for name, rows in (('train', ROWS[:1]), ('test', ROWS[1:])):
    (folder / f'{name}.jsonl').write_text(
      '\n'.join(json.dumps({'question': q, 'answer': a}) for q, a in rows)
    )
  return Questions(
    vocabulary,
    Template(),
    Rows(str(folder / 'train.jsonl')),
    Rows(str(folder / 'test.jsonl')),
    workers=0,
  )


@pytest.fixture(scope='module')
def rated(tmp_path_factory):
  path = tmp_path_factory.mktemp('rated') / 'a.jsonl'
  lines = [
    {
      'problem': q,
      'steps': ['Add.', f'So {i}.\n\n# Answer\n\n{i}'],
      'ratings': [1, i - 1],
      'answer': a,
    }
    for i, (q, a) in enumerate(ROWS)
  ]
  path.write_text('\n'.join(map(json.dumps, lines)))
  return str(path)


def test_vocabulary_in_seqio(vocabulary):
  wrapped = SeqioVocabulary(vocabulary)
  text = 'So <|im_end|> is é.\n\n'
  ids = wrapped.encode(text)
  assert wrapped.decode([*ids, 0, 0]) == text
  assert wrapped.decode([*ids, wrapped.eos_id, 7, 7]) == text
  assert wrapped.vocab_size == vocabulary.size
  graph = tf.function(wrapped.encode_tf)
  assert graph(tf.constant(text)).numpy().tolist() == ids
  batch = tf.constant([[*ids, 0], [*ids, wrapped.eos_id]])
  assert [t.decode() for t in wrapped.decode_tf(batch).numpy()] == [text] * 2
  assert wrapped == SeqioVocabulary(vocabulary)
  dataset = tf.data.Dataset.from_tensors({'inputs': text})
  found = next(
    iter(
      seqio.preprocessors.tokenize(dataset, {'inputs': seqio.Feature(wrapped)})
    )
  )
  assert found['inputs'].numpy().tolist() == ids


def test_evaluator_grades_what_was_decoded(task, vocabulary):
  provider = seqio_tasks.questions(task, 'ttc_test_questions')
  seqio.TaskRegistry.add_provider(provider.name, provider)
  try:
    examples = list(
      provider.get_dataset(None, 'test', shuffle=False).as_numpy_iterator()
    )
    prompt = vocabulary.encode('Problem:\nWhat is 2+2?\n\nSolution:\n')
    assert examples[0]['inputs'].tolist() == prompt
    assert examples[0]['targets'][-1] == vocabulary.eos_id
    evaluator = seqio.Evaluator(
      provider.name, seqio.EncDecFeatureConverter(pack=False), eval_split='test'
    )
    said = [r'so \boxed{4.0}', 'no idea']
    rows = [[*vocabulary.encode(text), vocabulary.eos_id] for text in said]
    padded = np.zeros((2, max(map(len, rows)) + 3), int)
    for row, ids in zip(padded, rows, strict=True):
      row[: len(ids)] = ids
    metrics, _ = evaluator.evaluate(
      compute_metrics=True,
      predict_fn=lambda dataset: list(enumerate(padded.tolist())),
    )
    assert metrics.result()[provider.name] == {
      'accuracy': 0.5,
      'unparsable': 0.5,
    }
  finally:
    seqio.TaskRegistry.remove(provider.name)


def test_rated_steps_are_examples_of_a_verifier(task, rated, tmp_path):
  found = seqio_tasks.steps({'train': rated}, task)
  documents = tasks.documents(found, 'train')
  assert len(documents) == 1  # the others ask what the test asks
  labels = documents.features['decoder_target_values']
  weights = documents.features['decoder_loss_weights']
  assert labels[weights > 0].tolist() == [1, 0]
  counts = seqio_tasks.write_steps(str(tmp_path / 'd'), {'train': rated}, task)
  assert counts == {'train': 1}
  again = tasks.documents(
    tasks.make_task(str(tmp_path / 'd'), task.vocabulary.size), 'train'
  )
  for name, column in documents.features.items():
    np.testing.assert_array_equal(column, again.features[name])
  assert features.kind_of(str(tmp_path / 'd')) == 'value'


def build(builder, folder):
  config = tfds.download.DownloadConfig(
    manual_dir=str(folder), verify_ssl=False, try_download_gcs=False
  )
  builder.download_and_prepare(download_config=config)
  return builder


def test_any_jsonl_is_a_tfds_data_set(tmp_path):
  lines = [{'q': 'Why?', 'a': 5, 'l': 'Level 2'}, {'q': 'No?', 'a': ''}]
  (tmp_path / 'own.jsonl').write_text('\n'.join(map(json.dumps, lines)))
  config = tfds_builders.QuestionsConfig(
    name='own', files={'test': 'own.jsonl'}, question='q', answer='a'
  )
  builder = build(
    tfds_builders.TtcQuestions(config=config, data_dir=str(tmp_path / 'tfds')),
    tmp_path,
  )
  rows = list(tfds.as_numpy(builder.as_dataset(split='test')))
  assert rows == [
    {
      'question': b'Why?',
      'answer': b'5',
      'solution': b'',
      'level': -1,
      'line': 1,
    }
  ]


@pytest.mark.parametrize(
  ('config', 'names', 'counts'),
  [
    (
      'math',
      ('math_train_12k.jsonl.gz', 'math500_test.jsonl'),
      {'train': 11_998, 'test': 500},
    ),
    (
      'gsm8k',
      ('gsm8k_train.jsonl.gz', 'gsm8k_test.jsonl.gz'),
      {'train': 7_473, 'test': 1_319},
    ),
  ],
)
def test_real_sets_in_tfds(tmp_path, config, names, counts):
  if not toys.DATA.exists():
    pytest.skip('no shared data here')
  for split, name in zip(counts, names, strict=True):
    end = '.gz' if name.endswith('.gz') else ''
    (tmp_path / f'{split}.jsonl{end}').symlink_to((toys.DATA / name).resolve())
  builder = build(
    tfds_builders.TtcQuestions(config=config, data_dir=str(tmp_path / 'tfds')),
    tmp_path,
  )
  assert {s: builder.info.splits[s].num_examples for s in counts} == counts
  row = next(iter(tfds.as_numpy(builder.as_dataset(split='test'))))
  assert row['question']
  assert row['answer']


def test_real_ratings(tmp_path, task):
  if not toys.DATA.exists():
    pytest.skip('no shared data here')
  path = toys.DATA / 'prm800k_steps_sample.jsonl.gz'
  (tmp_path / 'phase1_train.jsonl.gz').symlink_to(path.resolve())
  builder = build(
    tfds_builders.TtcRatedSteps(
      config=tfds_builders.StepsConfig(
        name='sample', files={'train': 'phase1_train.jsonl'}
      ),
      data_dir=str(tmp_path / 'tfds'),
    ),
    tmp_path,
  )
  assert builder.info.splits['train'].num_examples == 1_329
  documents = list(seqio_tasks._rated(str(path), task, 1.0))
  assert len(documents) == 1_329
  assert sum(len(d['labels']) for d in documents) == 9_322
  assert RatedSteps(task.vocabulary)._labels == {-1: 0.0, 0: 1.0, 1: 1.0}
