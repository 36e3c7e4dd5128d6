"""Runs the fuzzer over a fixed set of answers; by hand it runs over more."""

import random

from tests.grading import fuzz


def test_no_answer_raises_or_takes_long():
  failures = [
    f'{name}: {a!a} and {b!a}: {error!r}, {seconds:.1f} s'
    for name, a, b, error, seconds in fuzz.failures(10_000, seed=0)
  ]
  assert failures == []


def test_verdicts_on_fuzzed_answers_have_known_reasons(grader):
  reasons = {
    *('equal', 'different', 'no answer', 'cut short', 'too long', 'timeout'),
    *('memory', 'too deep', 'unsure'),
  }
  rows = [
    (fuzz.gold(random.Random(f'gold {i}')), fuzz.answer(random.Random(i)), kind)
    for i in range(200)
    for kind in ('answer', 'response')
  ]
  for row, verdict in zip(rows, grader.grade_many(rows), strict=True):
    assert verdict.reason in reasons, ascii(row)
