"""Questions and rated steps as seqio Tasks, with our grader as the metric.

`questions` has the features inputs and targets, which any of T5X's models can
take, and a metric that seqio's Evaluator calls with decoded text. `steps` has
those of `tasks`, for a verifier.
"""

from collections.abc import Mapping, Sequence
import re

import numpy as np
import seqio
import tensorflow as tf

from ttc.data import features, tasks
from ttc.data.problems import Problem, Task
from ttc.t5x import prm800k
from ttc.t5x.seqio_vocabulary import SeqioVocabulary

SPLITS = {'train': 'finetune', 'test': 'test'}


def questions(task: Task, name: str = 'ttc_questions') -> seqio.Task:
  """Prompts and solutions of a task's questions.

  `inputs` are prompts, without an end; `targets` the worked solution where
  there is one, else the reference answer, and an end. Splits are 'train' and
  'test'. Not in seqio's registry.

  Args:
    task: ours.
    name: of the seqio Task.
  """
  vocabulary = SeqioVocabulary(task.vocabulary)
  problems = {split: task.problems(ours) for split, ours in SPLITS.items()}
  known = {p.id: p for of in problems.values() for p in of}

  def dataset(split, shuffle_files, seed=None):
    del shuffle_files, seed
    return _dataset(task, problems[split])

  def accuracy(
    targets: Sequence[int], predictions: Sequence[str]
  ) -> Mapping[str, float]:
    grades = [
      task.grade(known[id], text)
      for id, text in zip(targets, predictions, strict=True)
    ]
    share = lambda which: sum(which) / max(len(grades), 1)
    return {
      'accuracy': share(g.correct for g in grades),
      'unparsable': share(g.answer is None for g in grades),
    }

  return seqio.Task(
    name,
    source=seqio.FunctionDataSource(dataset, splits=tuple(SPLITS)),
    preprocessors=[],
    postprocess_fn=_graded,
    metric_fns=[accuracy],
    output_features={
      'inputs': seqio.Feature(vocabulary, add_eos=False),
      'targets': seqio.Feature(vocabulary, add_eos=False),
    },
  )


def steps(
  files: Mapping[str, str],
  task: Task,
  neutral: float = 1.0,
  name: str = 'ttc_rated_steps',
) -> seqio.Task:
  """PRM800K's ratings as examples for a verifier; see `prm800k`.

  Args:
    files: by split, 'train' and 'validation'. Questions of the task's test
      are left out of all.
    task: whose prompts stand before the steps.
    neutral: the label of a rating of 0.
    name: of the seqio Task.
  """
  examples = {
    split: list(_rated(path, task, neutral)) for split, path in files.items()
  }

  def dataset(split, shuffle_files, seed=None):
    del shuffle_files, seed
    columns = {
      name: _ragged([e[name] for e in examples[split]])
      for name in ('tokens', 'positions', 'labels')
    }
    return tf.data.Dataset.from_tensor_slices(columns)

  return tasks.over(
    seqio.FunctionDataSource(dataset, splits=tuple(files)),
    'value',
    name,
    task.vocabulary.size,
  )


def write_steps(
  folder: str, files: Mapping[str, str], task: Task, neutral: float = 1.0
) -> dict[str, int]:
  """The same as a data set that `tasks.make_task` and `ttc.t5x` read.

  Returns:
    The number of examples of each split.
  """
  return features.write(
    folder,
    'value',
    {split: _rated(path, task, neutral) for split, path in files.items()},
  )


def _rated(path, task, neutral):
  label = prm800k.RatedSteps(task.vocabulary, task.delimiter, neutral)
  tested = {_key(p.question) for p in task.problems('test')}
  numbers = {}
  for rated in prm800k.read(path):
    key = _key(rated.question)
    if key in tested:
      continue
    number = numbers.setdefault(key, len(numbers))
    prompt = task.prompt_tokens(Problem(-1 - number, rated.question))
    yield vars(label.document(rated, prompt, number))


def _dataset(task, problems) -> tf.data.Dataset:
  end = [task.vocabulary.eos_id]
  array = lambda ids: np.array(ids, np.int32)
  return tf.data.Dataset.from_tensor_slices(
    {
      'inputs': _ragged([array(task.prompt_tokens(p)) for p in problems]),
      'targets': _ragged(
        [
          array(task.vocabulary.encode(p.solution or p.answer) + end)
          for p in problems
        ]
      ),
      'problem': tf.constant([p.id for p in problems], tf.int64),
    }
  )


def _ragged(rows: Sequence[np.ndarray]) -> tf.RaggedTensor:
  """Arrays of various lengths as one tensor; at least one array."""
  return tf.RaggedTensor.from_row_lengths(
    np.concatenate(rows), [len(row) for row in rows]
  )


def _graded(output, *, example, is_target):
  """What the metric compares: which problem it was, and what was answered."""
  return int(example['problem']) if is_target else output


def _key(question: str) -> str:
  return re.sub(r'\s+', '', question).lower()
