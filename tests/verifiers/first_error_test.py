"""First errors, against the rule as ProcessBench writes it."""

import numpy as np
import pytest

from ttc.data.worksheet import read_question, Worksheet
from ttc.examples.split import held_out
from ttc.verifiers import first_error

TASK = Worksheet(goals=(2, 3), num_pretrain=5, num_finetune=5, num_test=40)


def _said(values, threshold):
  """The first step below the threshold, or -1."""
  return next((i for i, v in enumerate(values) if v < threshold), -1)


def _f1(said, first):
  shares = []
  for wrong in (True, False):
    own = [
      s == f for s, f in zip(said, first, strict=True) if (f >= 0) == wrong
    ]
    shares.append(np.mean(own) if own else None)
  one, other = shares
  if one is None or other is None:
    return other if one is None else one
  return 2 * one * other / (one + other) if one + other else 0.0


def _solutions(seed, count=80):
  rng = np.random.default_rng(seed)
  steps = rng.integers(1, 6, count)
  # Rounded, so that values lie on thresholds too.
  values = [np.round(rng.random(n), 2).tolist() for n in steps]
  first = [int(rng.integers(-1, n)) for n in steps]
  return rng.integers(0, 30, count).tolist(), values, first


def test_thresholds_and_verdicts_are_what_trying_all_gives():
  for seed in range(30):
    problem, values, first = _solutions(seed)
    judged = first_error.judge(problem, values, first)
    half = [held_out(p, 0.5, 0) for p in problem]
    for own in (False, True):
      others = [i for i, h in enumerate(half) if h != own]
      tried = [
        _f1([_said(values[i], t) for i in others], [first[i] for i in others])
        for t in first_error.THRESHOLDS
      ]
      threshold = judged.thresholds[own]
      assert threshold == first_error.THRESHOLDS[int(np.argmax(tried))]
      for i, h in enumerate(half):
        if h == own:
          assert judged.found[i] == (_said(values[i], threshold) == first[i])
    questions = np.arange(30)
    rows = judged.rows(questions)
    said = np.where(judged.found, first, -2)  # -2 is never right
    by_hand = _f1(said.tolist(), first)
    assert first_error.f1(rows.mean(1)) == pytest.approx(by_hand)
    for q in questions:
      own = [i for i, p in enumerate(problem) if p == q]
      wrong = [i for i in own if first[i] >= 0]
      right = [i for i in own if first[i] < 0]
      assert rows[:, q].tolist() == [
        sum(judged.found[wrong]), len(wrong),
        sum(judged.found[right]), len(right),
      ]  # fmt: skip


def test_a_verifier_that_knows_is_always_right():
  problem, values, first = _solutions(0)
  known = [
    [0.9 if wrong < 0 or i < wrong else 0.1 for i in range(len(own))]
    for own, wrong in zip(values, first, strict=True)
  ]
  judged = first_error.judge(problem, known, first)
  assert judged.found.all()


def test_only_right_or_only_wrong_solutions_have_their_accuracy():
  for first in (-1, 0):
    judged = first_error.judge([1, 2, 3], [[0.5], [0.7], [0.9]], [first] * 3)
    rates = judged.rows(np.arange(5)).mean(1)
    assert first_error.f1(rates) == pytest.approx(judged.found.mean())
  with pytest.raises(ValueError, match='no solution to judge'):
    first_error.judge([], [], [])


def test_the_first_error_of_a_worksheet_is_the_first_line_that_misses():
  rng = np.random.default_rng(0)
  seen = set()
  asked = zip(TASK.problems('test'), TASK.questions('test'), strict=True)
  for problem, row in asked:
    goals = row[row >= 0]
    for _ in range(8):
      miss = rng.random(len(goals)) < 0.4
      lines = [
        TASK.table.lines[
          (TASK.table.draw_miss if wrong else TASK.table.draw_hit)(
            np.array(goal), np.array(rng.random())
          )
        ]
        for goal, wrong in zip(goals, miss, strict=True)
      ]
      targets = [target for _, target in read_question(problem.question)]
      text = '\n'.join(
        f'{target}: {line}' for target, line in zip(targets, lines, strict=True)
      )
      found = TASK.first_error(problem, text)
      assert found == (int(np.argmax(miss)) if miss.any() else -1)
      assert (found == -1) == TASK.grade(problem, text).correct
      seen.add(found)
      assert TASK.first_error(problem, text + '\n') is None
  assert seen == {-1, 0, 1, 2}
