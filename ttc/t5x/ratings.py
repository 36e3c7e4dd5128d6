"""Source of a seqio Task: solutions with rated steps, for a verifier."""

from collections.abc import Iterator, Mapping, Sequence
import hashlib
import re

import numpy as np
import seqio
import tensorflow as tf

from ttc.data.problems import Problem, Task
from ttc.examples.documents import LabelledDocument
from ttc.t5x import prm800k


def source(
  files: Mapping[str, str], task: Task, neutral: float = 1.0
) -> seqio.DataSource:
  """Reads files of rated steps; all examples are held in memory.

  Args:
    files: a file for each split, as for `prm800k.read`. Questions of the task's
      split 'test' are left out.
    task: a `problems.Task`, whose prompts precede the steps.
    neutral: label of the rating 0, in [0, 1].

  Returns:
    A source of examples of the kind 'value'; see `examples.features`. They
    lack the field `problem`, which is for splitting them.

  Raises:
    ValueError: a split is empty; or see `prm800k.read` and
      `prm800k.RatedSteps`.
  """
  examples = {
    split: list(_documents(path, task, neutral))
    for split, path in files.items()
  }
  for split, path in files.items():
    if not examples[split]:
      raise ValueError(
        f'{path} has no rated solution of a question outside the test; give '
        f'the split {split!r} another file.'
      )

  def dataset(split, shuffle_files, seed=None):
    del shuffle_files, seed
    return tf.data.Dataset.from_tensor_slices(
      {
        name: _ragged([getattr(e, name) for e in examples[split]])
        for name in ('tokens', 'positions', 'labels')
      }
    )

  return seqio.FunctionDataSource(dataset, splits=tuple(files))


def _documents(
  path: str, task: Task, neutral: float
) -> Iterator[LabelledDocument]:
  """Yields the rated solutions of a file, without questions of the test."""
  label = prm800k.RatedSteps(task.vocabulary, task.delimiter, neutral)
  tested = {_key(p.question) for p in task.problems('test')}
  for rated in prm800k.read(path):
    if _key(rated.question) not in tested:
      problem = Problem(_id(rated.question), rated.question)
      yield label.document(rated, task.prompt_tokens(problem), problem.id)


def _id(question: str) -> int:
  """Returns an id that no other question has, in this file or in another.

  A task may cache prompts by id. The ids of its own problems are not negative.
  """
  digest = hashlib.sha256(question.encode()).digest()
  return -1 - int.from_bytes(digest[:7], 'big')


def _key(question: str) -> str:
  """Returns the identity of a question: its text without space and case."""
  return re.sub(r'\s+', '', question).lower()


def _ragged(rows: Sequence[np.ndarray]) -> tf.RaggedTensor:
  """Returns one tensor of at least one array, of various lengths."""
  # `tf.ragged.constant` of nested lists is too slow for all of PRM800K.
  return tf.RaggedTensor.from_row_lengths(
    np.concatenate(rows), [len(row) for row in rows]
  )
