"""What `t5x.infer` sampled, as JSON lines, a question each.

    {"problem": 17, "prompt": "…", "samples": [{"text": "…", "tokens": […],
     "truncated": false}]}

`problem` is there where the Task knows it (`tasks.questions`).
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
  """A `write_fn` of `t5x.infer`, once its `task` is bound.

  Args:
    path: of the file.
    inferences: sampled tokens of each example, and nothing else.
    task_ds: the examples.
    mode: of `t5x.infer`; only 'predict' has samples.
    vocabulary: of the seqio Task, which knows ids only.
    task: ours, whose vocabulary has the text.

  Raises:
    ValueError: the mode is another one.
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
  """One sample; `room` tokens without an end among them are truncated."""
  ends = [
    i for i, token in enumerate(tokens[:room]) if token in vocabulary.end_ids
  ]
  tokens = tokens[: ends[0] + 1 if ends else room]
  return {
    'text': vocabulary.decode(tokens),
    'tokens': tokens,
    'truncated': not ends,
  }
