"""Writer of the samples of `t5x.infer`, as one JSON line per question.

    {"problem": 17, "prompt": "…", "samples": [{"text": "…", "tokens": […],
     "truncated": false}]}

`problem` is present if the examples of the Task carry it (`tasks.questions`).
"""

from collections.abc import Mapping, Sequence
import json
from typing import Any

import numpy as np
from tensorflow.io import gfile

from ttc.data.vocabulary import Vocabulary


def write(
  path: str,
  inferences: tuple,
  task_ds: Any,
  mode: str,
  vocabulary: Any,
  *,
  task: Any,
) -> None:
  """Writes samples; a `write_fn` of `t5x.infer` when `task` is bound.

  Args:
    path: path of the file.
    inferences: a tuple whose first item has the samples of each example, [T] or
      [num_decodes, T].
    task_ds: the examples, a tf.data.Dataset.
    mode: mode of `t5x.infer`, which must be 'predict'.
    vocabulary: vocabulary of the seqio Task, unused: it has ids without text.
    task: a `problems.Task`, whose vocabulary decodes the samples.

  Raises:
    ValueError: the mode is not 'predict'.
  """
  del vocabulary
  if mode != 'predict':
    raise ValueError(f"infer.mode={mode!r}; answers are written in 'predict'.")
  with gfile.GFile(path, 'w') as file:
    for example, sampled in zip(
      task_ds.as_numpy_iterator(), inferences[0], strict=True
    ):
      record = _record(example, np.atleast_2d(sampled), task.vocabulary)
      file.write(json.dumps(record, sort_keys=True) + '\n')


def _record(
  example: Mapping, samples: Sequence, vocabulary: Vocabulary
) -> dict:
  # The prompt ends where the first target counts, as in `models`.
  length = int(np.argmax(example['decoder_loss_weights'] > 0)) + 1
  prompt = example['decoder_input_tokens'][:length].tolist()
  record = {
    'prompt': vocabulary.decode(prompt),
    'samples': [
      _sample(row.tolist(), len(row) - length, vocabulary) for row in samples
    ],
  }
  if 'problem' in example:
    record['problem'] = int(example['problem'])
  return record


def _sample(tokens: list[int], room: int, vocabulary: Vocabulary) -> dict:
  """Returns one sample, cut after its end token or else after `room` tokens.

  Prompt and sample share the T tokens of a row, so that `room` is T less the
  prompt's tokens.
  """
  ends = [
    i for i, token in enumerate(tokens[:room]) if token in vocabulary.end_ids
  ]
  tokens = tokens[: ends[0] + 1 if ends else room]
  return {
    'text': vocabulary.decode(tokens),
    'tokens': tokens,
    'truncated': not ends,
  }
