"""Verdicts on many claims together, and what they do not decide."""

import dataclasses

import numpy as np
import pytest

from ttc.claims import compare, verdicts


def claim(id, p, holds=True):
  return verdicts.Claim(id, 'S.', 1.0, (0.5, 1.5), holds, 'points', (1,), p=p)


def test_adjusted_p_values_by_their_definition():
  rng = np.random.default_rng(0)
  p = rng.random(40) ** 3
  found = verdicts.corrected([claim(str(i), x) for i, x in enumerate(p)])
  for x, c in zip(p, found, strict=True):
    # The least share of wrong ones at which this claim is among those decided.
    steps = [q * len(p) / (p <= q).sum() for q in p if q >= x]
    assert c.adjusted == pytest.approx(min(*steps, 1))
    assert c.holds is (True if c.adjusted <= 0.05 else None)
    assert bool(c.why) == (c.holds is None)


def test_what_was_not_tested_does_not_count():
  tested = [claim(str(i), 0.02) for i in range(3)]
  unmeasured = dataclasses.replace(
    claim('none', None, None), estimate=None, why='nothing'
  )
  alone, beside = (
    verdicts.corrected([*tested, *others]) for others in ([], [unmeasured] * 9)
  )
  assert alone == beside[:3]
  assert set(beside[3:]) == {unmeasured}
  assert verdicts.corrected([]) == []


def test_a_verdict_in_words():
  words = [claim('a', 0.5, holds).verdict for holds in (True, False, None)]
  assert words == ['holds', 'does not hold', 'undecided']
  nowhere = compare.better(
    'a', 's', [np.ones(9)], [np.zeros(9)], [np.zeros(9, bool)]
  )
  assert nowhere.verdict == nowhere.to_json()['verdict'] == 'not measurable'


def test_of_many_true_nulls_few_reports_decide_any():
  """Reports of 40 claims between equals, each at 5 %."""
  rng = np.random.default_rng(1)
  decided = alone = 0
  for _ in range(40):
    found = []
    for i in range(40):
      a, b = (rng.random((2, 100)) < 0.5).astype(float)
      found.append(compare.better(str(i), 's', [a], [b]))
    alone += any(c.holds is not None for c in found)
    decided += any(c.holds is not None for c in verdicts.corrected(found))
  assert alone > 25
  assert decided <= 5


def test_weight_on_few_questions_counts_as_few():
  # Five questions differ wholly, fifty by a hair.
  a, b = np.zeros(100), np.zeros(100)
  a[:5], a[5:55] = 1, 0.002
  claim = compare.better('a', 's', [a], [b])
  assert claim.why.startswith('5 questions bear on it')
  a[:5] = 0.002
  assert compare.better('a', 's', [100 * a], [b]).holds is True
