"""The arithmetic that all sides of the speed comparison share."""

import numpy as np
import pytest

from benchmarks.protocol import MODEL, Protocol


def test_lengths_depend_on_the_question_and_lie_between_the_bounds():
  protocol = Protocol()
  first, second = protocol.lengths(0), protocol.lengths(1)
  assert first.shape == (8, 16)
  assert first.min() >= 16
  assert first.max() <= 48
  assert (first != second).any()
  np.testing.assert_array_equal(first, Protocol(questions=3).lengths(0))


def test_floor_is_each_prompt_and_each_new_token_once_a_model():
  protocol = Protocol(shortest=32, longest=32)
  assert protocol.new_tokens(3) == 3 * 8 * 16 * 32
  assert protocol.floor(3) == 2 * 3 * (128 + 8 * 16 * 32)


@pytest.mark.parametrize('budget', [16, 64])
def test_a_narrow_start_has_as_many_tokens_and_no_longer_prefixes(budget):
  protocol = Protocol(budget=budget)
  lengths = protocol.lengths(5)
  narrow = protocol.narrow_start(lengths)
  assert [len(row) for row in narrow] == [budget // 4] + 7 * [budget]
  assert sum(map(sum, narrow)) == lengths.sum()
  assert narrow[0] == lengths[0, : budget // 4].tolist()
  np.testing.assert_array_equal(narrow[1:-1], lengths[1:-1])


def test_prompts_do_not_depend_on_how_many_are_asked_for():
  few, many = Protocol(questions=2), Protocol(questions=9)
  vocab = MODEL['vocab_size']
  np.testing.assert_array_equal(few.prompts(vocab), many.prompts(vocab)[:2])
  assert many.prompts(vocab).min() > 0  # zero pads
