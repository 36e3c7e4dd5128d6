import json

import numpy as np
import pytest
import tensorflow as tf

from ttc.data.worksheet import Worksheet
from ttc.t5x import answers

TASK = Worksheet(goals=(2,), num_pretrain=5, num_finetune=5, num_test=6)
EOS, REVISE = TASK.vocabulary.eos_id, TASK.vocabulary.revise_id


def _examples(prompts, length=10, **more):
  rows = []
  for index, prompt in enumerate(prompts):
    weights = np.zeros(length, np.float32)
    weights[len(prompt) - 1] = 1
    rows.append(
      {
        'decoder_input_tokens': np.pad(prompt, (0, length - len(prompt))),
        'decoder_loss_weights': weights,
        **{name: values[index] for name, values in more.items()},
      }
    )
  columns = {k: np.stack([r[k] for r in rows]) for k in rows[0]}
  return tf.data.Dataset.from_tensor_slices(columns)


def _write(tmp_path, examples, sampled, mode='predict'):
  path = str(tmp_path / 'answers.jsonl')
  answers.write(path, (sampled, {}), examples, mode, None, task=TASK)
  with open(path) as file:
    return [json.loads(line) for line in file]


def test_a_sample_ends_at_its_end_and_keeps_it(tmp_path):
  prompts = [[5, 6, 7], [8, 9]]
  records = _write(
    tmp_path,
    _examples(prompts, problem=np.array([30, 31])),
    [[11, 12, EOS, 0, 0, 0, 0, 0, 0, 0], [REVISE] + 9 * [0]],
  )
  assert [r['problem'] for r in records] == [30, 31]
  assert [r['prompt'] for r in records] == [
    TASK.vocabulary.decode(p) for p in prompts
  ]
  assert [r['samples'] for r in records] == [
    [
      {
        'tokens': [11, 12, EOS],
        'text': TASK.vocabulary.decode([11, 12]),
        'truncated': False,
      }
    ],
    [{'tokens': [REVISE], 'text': '', 'truncated': False}],
  ]


def test_a_sample_without_an_end_is_truncated_where_the_row_ends(tmp_path):
  # Seven tokens fit behind a prompt of three; a token may have the id 0.
  records = _write(
    tmp_path, _examples([[5, 6, 7]]), [[11, 0, 12, 13, 0, 14, 0, 0, 0, 0]]
  )
  assert records[0]['samples'][0]['tokens'] == [11, 0, 12, 13, 0, 14, 0]
  assert records[0]['samples'][0]['truncated']
  assert 'problem' not in records[0]


def test_several_samples_stand_together(tmp_path):
  sampled = [[[11, EOS] + 8 * [0], [12, EOS] + 8 * [0]]]
  records = _write(tmp_path, _examples([[5]]), sampled)
  assert [s['tokens'] for s in records[0]['samples']] == [[11, EOS], [12, EOS]]


def test_other_modes_are_refused(tmp_path):
  with pytest.raises(ValueError, match=r"infer\.mode='score'"):
    _write(tmp_path, _examples([[5]]), [0.5], mode='score')
