"""The rules that an allocation has to beat."""

import itertools
import math

import numpy as np
import pytest

from tests.allocation import worlds
from ttc.allocation import baselines, comparison

_RATES = np.random.default_rng(0).beta(0.5, 1.0, 300)


@pytest.fixture(scope='module')
def halves():
  return (
    worlds.recordings(_RATES, (1, 64)),
    worlds.recordings(_RATES, (1, 64), seed=1),
  )


def test_the_leads_probability_is_that_of_a_fair_prior():
  """Of a rate with a uniform prior, by numerical integration."""
  rate = (np.arange(20_000) + 0.5) / 20_000
  for first, second in itertools.product(range(6), range(6)):
    likelihood = rate**first * (1 - rate) ** second
    exact = likelihood[rate > 0.5].sum() / likelihood.sum()
    found = baselines.lead_probability(first, second)
    assert found == pytest.approx(exact, abs=1e-4)


def test_a_threshold_stops_at_the_first_right_answer_of_a_perfect_verifier(
  halves,
):
  fitting, others = halves
  points = baselines.threshold(fitting, others, None)
  pool = others.actions[worlds.ladder(64)[0]]
  per_attempt = worlds.PER_ATTEMPT * worlds.RATE
  for point in points:
    cap = int(point.setting.split()[1].rstrip(','))
    right = np.array([[r['correct'] for r in q[:cap]] for q in pool.rows])
    first = np.where(right.any(1), right.argmax(1) + 1, cap)
    np.testing.assert_allclose(point.flops, first * per_attempt)
    np.testing.assert_array_equal(point.right, right.any(1))
  assert max(int(p.setting.split()[1].rstrip(',')) for p in points) == 16


def test_an_action_that_comes_first_is_paid_and_may_end_it(halves):
  fitting, others = halves
  first = worlds.ladder(1)[0]
  points = baselines.threshold(fitting, others, first)
  begun = others.actions[first]
  done = np.array([rows[0]['correct'] for rows in begun.rows])
  for point in points:
    np.testing.assert_allclose(point.flops[done], begun.flops[done])
    assert (point.flops[~done] > begun.flops[~done]).all()


def test_settings_are_chosen_on_the_fitting_questions_alone(halves):
  fitting, others = halves
  hopeless = worlds.recordings(0 * _RATES, (1, 64), seed=2)
  chosen = lambda where: [
    p.setting for p in baselines.threshold(fitting, where, None)
  ]
  assert chosen(others) == chosen(hopeless)


def test_consistency_reads_no_verifier(halves):
  fitting, others = halves
  points = baselines.consistency(fitting, others)
  pool = others.actions[worlds.ladder(64)[0]]
  for point in points:
    attempts = point.flops / (pool.proposer * pool.rate / 64)
    np.testing.assert_allclose(attempts, attempts.round(), atol=1e-9)
    assert attempts.min() >= 1


def test_consistency_stops_where_its_majority_is_safe(halves):
  """Attempt by attempt, in plain Python."""
  fitting, others = halves
  pool = others.actions[worlds.ladder(64)[0]]
  for point in baselines.consistency(fitting, others):
    _, cap, _, confidence = point.setting.replace(',', '').split()
    for q, rows in enumerate(pool.rows):
      given = []
      for row in rows[: int(cap)]:
        given.append(row['answer'])
        first, second, *_ = [
          *sorted(map(given.count, set(given)), reverse=True),
          0,
        ]
        if baselines.lead_probability(first, second) >= float(confidence):
          break
      spent = pool.proposer[q] * pool.rate / 64 * len(given)
      assert point.flops[q] == pytest.approx(spent)


def test_the_clairvoyant_needs_what_geometry_says(halves):
  others = halves[1]
  points = baselines.clairvoyant(others)
  pool = others.actions[worlds.ladder(64)[0]]
  rate = np.array([np.mean([r['correct'] for r in q]) for q in pool.rows])
  solved = rate > 0
  assert points[-1].right.mean() == pytest.approx(solved.mean())
  expected = (worlds.PER_ATTEMPT * worlds.RATE / rate[solved]).sum()
  assert points[-1].flops.sum() == pytest.approx(expected)
  spent = [p.flops.mean() for p in points]
  assert spent == sorted(spent)


def test_where_nothing_is_solved_nothing_is_known(halves):
  hopeless = worlds.recordings(0 * _RATES, (1, 64), seed=2)
  assert not baselines.clairvoyant(hopeless)
  points = baselines.threshold(halves[0], hopeless, None)
  assert not any(point.right.any() for point in points)


def test_flops_at_interpolates_between_points_and_says_what_is_not_reached():
  accuracy, flops = np.array([0.2, 0.1, 0.6]), np.array([1.0, 4.0, 16.0])
  at = lambda wanted: comparison.flops_at(accuracy, flops, wanted)
  assert np.isnan(at(0.7))
  assert at(0.1) == 1.0
  assert at(0.2) == 1.0
  assert at(0.6) == pytest.approx(16.0)
  # Half way up from the best so far, half way along in the logarithm.
  assert at(0.4) == pytest.approx(math.sqrt(4.0 * 16.0))
  # Several curves at once are what each is alone.
  both = comparison.flops_at(
    np.stack([accuracy, accuracy + 0.1]),
    np.stack([flops, 2 * flops]),
    [0.4, 0.8],
  )
  assert both == pytest.approx([8.0, np.nan], nan_ok=True)
