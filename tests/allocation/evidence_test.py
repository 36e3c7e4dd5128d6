"""Evidence and belief."""

import numpy as np
import pytest

from tests.allocation import worlds
from ttc.allocation import fit, regression
from ttc.allocation.cascade import Cascade
from ttc.allocation.evidence import Evidence
from ttc.analysis import aggregate


def _rows(answers, scores):
  return [
    {'answer': a, 'values': None if s is None else [s / 2, s]}
    for a, s in zip(answers, scores, strict=True)
  ]


def test_the_choice_is_the_weighted_vote():
  rng = np.random.default_rng(0)
  for _ in range(100):
    width = rng.integers(1, 12)
    answers = [str(a) for a in rng.integers(0, 4, width)]
    scores = rng.random(width).round(2).tolist()
    evidence = Evidence.of(_rows(answers, scores))
    ids = aggregate.answer_ids(answers)
    assert evidence.choice == aggregate.weighted(ids, np.array(scores))


def test_support_does_not_depend_on_the_order_of_attempts():
  rng = np.random.default_rng(1)
  answers, scores = ['a', 'b', 'a', None], [0.4, 0.5, 0.3, 0.9]
  plain = Evidence.of(_rows(answers, scores))
  for _ in range(10):
    order = rng.permutation(4)
    other = Evidence.of(
      _rows([answers[i] for i in order], [scores[i] for i in order])
    )
    np.testing.assert_allclose(other.support, plain.support)
    np.testing.assert_allclose(other.promise, plain.promise)


def test_without_any_answer_or_verifier_or_step_there_is_still_evidence():
  for answers, scores in (
    ([None, None], [0.1, 0.2]),
    (['a', 'b'], [None, None]),
    ([None], [None]),
  ):
    evidence = Evidence.of(_rows(answers, scores))
    assert np.isfinite(evidence.support).all()
    assert np.isfinite(evidence.promise).all()
  none = Evidence.of([{'answer': None, 'values': []}])
  assert none.score.tolist() == [0.0]


def test_scores_of_0_and_1_have_finite_odds():
  evidence = Evidence.of(_rows(['a', 'b'], [1.0, 0.0]))
  assert np.isfinite(evidence.support).all()


@pytest.mark.parametrize('noise', [0.1, 0.4, 0.8])
def test_beliefs_are_as_often_right_as_they_say(noise):
  rates = np.random.default_rng(0).beta(0.6, 1.0, 1500)
  ladder = worlds.ladder(1, 4, 16)
  recorded = worlds.recordings(rates, (1, 4, 16), noise=noise)
  others = worlds.recordings(rates, (1, 4, 16), seed=1, noise=noise)
  [rules] = Cascade.fit(ladder, fit.climb(recorded, ladder), [1e-3])
  climb = fit.climb(others, ladder)
  for rung, own in enumerate(rules.beliefs):
    belief, right = own.probability(climb.support[rung]), climb.right[rung]
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.01)):
      member = (belief >= low) & (belief < high)
      if member.sum() >= 100:
        gap = right[member].mean() - belief[member].mean()
        # Three standard errors, and what a logistic curve may bend.
        assert abs(gap) < 3 * 0.5 / member.sum() ** 0.5 + 0.06


def test_logistic_regression_finds_the_weights_that_made_the_labels():
  rng = np.random.default_rng(0)
  features = np.concatenate(
    [np.ones((20_000, 1)), rng.normal(size=(20_000, 2))], axis=1
  )
  weights = np.array([-0.5, 2.0, -1.0])
  label = rng.random(20_000) < regression.sigmoid(features @ weights)
  found = regression.logistic(features, label.astype(float))
  np.testing.assert_allclose(found, weights, atol=0.1)


def test_logistic_regression_is_finite_where_labels_are_separable_or_equal():
  line = np.linspace(-1, 1, 40)
  features = np.stack([np.ones(40), line], axis=1)
  for label in (line > 0, np.ones(40), np.zeros(40)):
    weights = regression.logistic(features, np.asarray(label, float))
    assert np.isfinite(weights).all()
    gradient = features.T @ (label - regression.sigmoid(features @ weights))
    gradient -= np.array([1e-3, 1.0]) * weights
    np.testing.assert_allclose(gradient, 0, atol=1e-3)
