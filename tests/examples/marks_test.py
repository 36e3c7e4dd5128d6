"""Marks on the steps of earlier attempts, written out by hand."""

import dataclasses

import numpy as np
import pytest

from tests import testing
from tests.data import toys
from ttc.data.tokenizer import Tokenizer
from ttc.data.vocabulary import step_end_table
from ttc.examples.context import context_tokens, strip_end
from ttc.examples.labelling import step_ends
from ttc.examples.marks import Marks

TASK = testing.Spelling()
V = TASK.vocabulary
A, B, C, D, E = V.encode('a b c d e')
END, REVISE = V.eos_id, V.revise_id


@pytest.mark.parametrize(
  ('attempt', 'values', 'expected'),
  [
    ([B, A, C, END], [0.9, 0.8], [D, B, A, D, C, REVISE]),
    ([B, A, C, END], [0.9, 0.1], [D, B, A, E, C, REVISE]),
    # After the fall all values are low, and none of them falls.
    ([B, A, C, A, B], [0.1, 0.09, 0.08], [E, B, A, D, C, A, D, B, REVISE]),
    ([B, A, A, A], [0.8, 0.4, 0.19], [D, B, A, D, A, E, A, REVISE]),
    ([B, REVISE], [0.5], [D, B, REVISE]),
    ([END], [0.2], [E, REVISE]),
    ([], [], [REVISE]),
  ],
)
def test_each_step_has_the_mark_of_its_fall(attempt, values, expected):
  marks = Marks(TASK, good='d', bad='e', threshold=0.5)
  assert marks(attempt, values) == expected
  assert len(expected) <= marks.longest(len(attempt))


def test_without_texts_a_context_is_that_of_a_blind_chain():
  rng = np.random.default_rng(0)
  for _ in range(50):
    attempt = [*rng.integers(3, V.size, rng.integers(9)), END][
      : rng.integers(1, 9)
    ]
    values = rng.random(len(Marks(TASK).ends(attempt)))
    expected = context_tokens([], [strip_end(attempt, V)], REVISE)
    assert Marks(TASK)(attempt, values) == expected
    # Without a task an attempt is one step, with one value.
    assert Marks()(attempt, rng.random(1)) == expected


def test_ends_are_where_verifiers_value_steps():
  rng = np.random.default_rng(1)
  table = step_end_table(V, TASK.delimiter)
  for length in range(9):
    attempt = rng.integers(1, V.size, length).tolist()
    assert Marks(TASK).ends(attempt) == step_ends(attempt, table)
    assert Marks().ends(attempt) == [length - 1] * bool(length)


def test_no_more_steps_are_marked_than_said():
  attempt, marks = [A] * 6, Marks(TASK, bad='e', threshold=1.0, most=2)
  values = [0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
  assert marks(attempt, values) == [E, A, E, A, A, A, A, A, REVISE]
  assert marks.longest(6) == 9


def test_marks_may_be_tokens_that_texts_do_not_have(tmp_path):
  vocabulary = Tokenizer(str(toys.qwen(tmp_path)), '<|quad_end|>')
  task = dataclasses.make_dataclass(
    'Chat', ['vocabulary', 'delimiter'], frozen=True
  )(vocabulary, '\n\n')
  attempt = vocabulary.encode('so it is 3.\n\nNo.')
  ends = Marks(task).ends(attempt)
  assert len(ends) == 2
  written = Marks(task, bad='<|im_start|>')(attempt, [0.9, 0.0])
  first = ends[0] + 1
  (mark,) = vocabulary.encode_template('<|im_start|>')
  assert written == [
    *attempt[:first],
    mark,
    *attempt[first:],
    vocabulary.revise_id,
  ]


@pytest.mark.parametrize(
  ('fields', 'word'),
  [
    (dict(bad='e'), 'Marks.task'),
    (dict(task=TASK, good='zz'), "Marks.good='zz': 'zz' at offset 0"),
    (dict(task=TASK, threshold=1.5), 'threshold'),
    (dict(task=TASK, most=0), 'most'),
  ],
)
def test_bad_settings(fields, word):
  with pytest.raises(ValueError, match=word):
    Marks(**fields)
