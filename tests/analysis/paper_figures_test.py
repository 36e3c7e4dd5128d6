"""Our comparison and policy code on the paper's own curves.

The curves were read from the vector graphics of arXiv 2408.03314v1; without
that file these tests skip. Budgets are stored as log2, accuracies in percent,
and a bin's questions all get their bin's accuracy.
"""

import json
import pathlib

import numpy as np
import pytest

from ttc.analysis import cross_fit, difficulty, interpolate, matched, policy

PATH = (
  pathlib.Path(__file__).parents[3] / 'shared' / 'data' / 'paper_figures.json'
)
SIZES = {'oracle': [100, 100, 100, 105, 95], 'predicted': [100] * 5}
BARS = {'easy': 2, 'medium': 3, 'hard': 4}  # the bins behind the names
BUDGETS = [256, 64, 16]  # R << 1, R ~ 1, R >> 1


@pytest.fixture(scope='module')
def figures():
  if not PATH.exists():
    pytest.skip('the digitised curves of the paper are not here')
  return json.loads(PATH.read_text())


def _questions(by_bin, sizes):
  return np.repeat(by_bin, sizes) / 100


def _bins(kind='oracle'):
  return np.repeat(np.arange(5) + 1, SIZES[kind])


def _curve(points):
  return {2**x: y for x, y in points}


def _aggregate(points):
  """A curve known only as a mean: one question that stands for all."""
  return {n: np.array([y]) for n, y in _curve(points).items()}


def _by_budget(curves_by_bin, sizes):
  """accuracy[budget] -> [Q] from one curve a bin."""
  curves = [_curve(points) for points in curves_by_bin]
  return {
    n: _questions([curve[n] for curve in curves], sizes) for n in curves[0]
  }


def _search_arms(figure, kind):
  return {
    name: {
      n: _questions([by_budget[i] for by_budget in figure[name]], SIZES[kind])
      for i, n in enumerate(figure['budgets'])
    }
    for name in ('bon_weighted', 'beam_M4')
  }


def _size_ratio(token_ratio, budget, accounting):
  """M at which a budget matches, by bisection: the budget rises with M."""
  low, high = 1.0, 1000.0
  for _ in range(60):
    middle = (low + high) / 2
    if matched.matched_budget(middle, token_ratio, accounting) < budget:
      low = middle
    else:
      high = middle
  return low


def _generations_factor(curve, baseline, budget):
  """The baseline's budget for the accuracy of a curve at `budget`, over it."""
  needed = interpolate.budget_at(baseline, curve[budget])
  return None if needed is None else needed / budget


@pytest.mark.parametrize(
  ('curves', 'bars'),
  [('revisions_by_bin', 'revisions'), ('search_by_bin', 'prm_search')],
)
def test_the_bars_of_figure_1(figures, curves, bars):
  sizes = SIZES['oracle']
  small = _by_budget(figures['fig9'][curves], sizes)
  large = _questions(figures['fig9']['stars_14x_greedy_by_bin'], sizes)
  printed = figures['fig1_bars_relative_improvement_pct'][bars]
  for i, budget in enumerate(BUDGETS):
    token_ratio = matched.token_ratio_at(14.2, budget)
    k = matched.matched_budget(14.2, token_ratio)
    assert k == pytest.approx(budget)
    ours, theirs = (
      difficulty.by_bin(accuracy, _bins())
      for accuracy in (interpolate.accuracy_at(small, k), large)
    )
    for name, bin in BARS.items():
      improvement = ours[bin - 1] / theirs[bin - 1] - 1
      assert 100 * improvement == pytest.approx(printed[name][i], abs=0.1)


@pytest.mark.parametrize(
  ('accounting', 'token_ratios', 'digits'),
  [
    ('v1', [0.16, 0.79, 22], [0.01, 0.01, 1]),
    ('iclr', [0.08, 0.40, 11], [0.01, 0.01, 1]),
  ],
)
def test_the_large_model_is_14_times_the_small_one(
  accounting, token_ratios, digits
):
  # Each printed R is rounded; one M must lie within all three roundings.
  low, high = (
    [
      _size_ratio(r + side * digit / 2, budget, accounting)
      for r, digit, budget in zip(token_ratios, digits, BUDGETS, strict=True)
    ]
    for side in (-1, 1)
  )
  assert max(low) <= min(high)
  assert (max(low) + min(high)) / 2 == pytest.approx(14.2, abs=0.05)


def test_figure_9_averages_to_the_compute_optimal_curves(figures):
  for by_bin, whole in (
    (figures['fig9']['revisions_by_bin'], figures['fig8']['co_oracle_bon']),
    (
      figures['fig9']['search_by_bin'],
      figures['fig4']['compute_optimal_oracle'],
    ),
  ):
    found = _by_budget(by_bin, SIZES['oracle'])
    for n, y in _curve(whole).items():
      assert 100 * found[n].mean() == pytest.approx(y, abs=0.3)


@pytest.mark.parametrize(
  ('figure', 'kind', 'bounds'),
  [
    ('fig3_right_oracle_bins', 'oracle', [27.2, 34.0, 34.9, 39.8]),
    ('fig12_predicted_bins', 'predicted', [27.3, 34.0, 34.8, 38.2]),
  ],
)
def test_in_sample_upper_bounds_of_the_search_policy(
  figures, figure, kind, bounds
):
  arms, bins = _search_arms(figures[figure], kind), _bins(kind)
  fitted = policy.fit(arms, bins, errors=0).apply(arms, bins)
  published = _curve(figures['fig4'][f'compute_optimal_{kind}'])
  for n, bound in zip(figures[figure]['budgets'], bounds, strict=True):
    assert 100 * fitted[n].mean() == pytest.approx(bound, abs=0.06)
    assert published[n] < 100 * fitted[n].mean()


def test_cross_fitting_keeps_a_choice_on_which_all_questions_agree(figures):
  arms = _search_arms(figures['fig3_right_oracle_bins'], 'oracle')
  bins = _bins()
  folds = cross_fit.random_folds(len(bins), np.random.default_rng(0))
  found = cross_fit.cross_fit(arms, bins, folds)
  for n, accuracy in policy.fit(arms, bins).apply(arms, bins).items():
    np.testing.assert_allclose(found.accuracy[n], accuracy)
    assert found.sd[n] < 1e-12
  assert found.chosen[256][1]['bon_weighted'] == 1
  assert found.chosen[256][4]['beam_M4'] == 1


def test_search_against_always_beam(figures):
  left, co = figures['fig3_left'], figures['fig4']
  arms = {name: _aggregate(left[name]) for name in ('bon_weighted', 'beam_M4')}
  uniform = policy.best_uniform(arms)
  oracle = _curve(co['compute_optimal_oracle'])
  predicted = _curve(co['compute_optimal_predicted'])
  ahead = []
  for n in (4, 16, 64, 256):
    beam = arms['beam_M4'][n][0]
    ahead.append(oracle[n] - beam)
    assert predicted[n] < beam <= uniform[n].accuracy[0]
  np.testing.assert_allclose(ahead, [-0.3, -0.7, 0.6, 2.2], atol=0.06)
  assert [uniform[n].arm for n in (4, 16, 256)] == ['beam_M4'] * 3
  # At 64 best-of-N is ahead of always-beam by a tenth of a point.
  assert uniform[64].arm == 'bon_weighted'


def test_revisions_against_the_best_fixed_ratio(figures):
  arms = {}
  budgets = dict(figures['fig7_left_verifier'])
  budgets.pop('key')
  for budget, points in budgets.items():
    for log_ratio, accuracy in points:
      arms.setdefault(f'2^{log_ratio}', {})[int(budget)] = np.array([accuracy])
  uniform = policy.best_uniform(arms)
  oracle = _curve(figures['fig8']['co_oracle_bon'])
  predicted = _curve(figures['fig8']['co_predicted_bon'])
  for n, ratio, fixed, by_oracle, by_predicted in (
    (64, '2^6', 41.30, 41.28, 40.77),
    (128, '2^3', 43.00, 42.57, 43.41),
    (256, '2^4', 44.40, 44.00, 41.80),
  ):
    assert uniform[n].arm == ratio
    found = [uniform[n].accuracy[0], oracle[n], predicted[n]]
    np.testing.assert_allclose(found, [fixed, by_oracle, by_predicted])


def test_the_factor_of_four_is_against_best_of_n_only(figures):
  search = _curve(figures['fig4']['compute_optimal_oracle'])
  best_of_n = _curve(figures['fig3_left']['bon_weighted'])
  beam = _curve(figures['fig3_left']['beam_M4'])
  factor = _generations_factor
  assert factor(search, best_of_n, 16) == pytest.approx(3.4, abs=0.05)
  assert factor(search, best_of_n, 64) == pytest.approx(1.2, abs=0.05)
  assert factor(search, beam, 16) < 1
  revisions = _curve(figures['fig8']['co_oracle_bon'])
  parallel = _curve(figures['fig8']['parallel_bon'])
  # 41.28 at 64 is more than parallel sampling ever reaches, at 256.
  assert factor(revisions, parallel, 64) is None
  assert factor(revisions, parallel, 32) == pytest.approx(1.8, abs=0.05)


def test_the_large_model_solves_39_percent(figures):
  stars = _questions(
    figures['fig9']['stars_14x_greedy_by_bin'], SIZES['oracle']
  )
  assert 100 * stars.mean() == pytest.approx(39.2, abs=0.01)
  np.testing.assert_allclose(
    100 * difficulty.by_bin(stars, _bins()),
    figures['fig9']['stars_14x_greedy_by_bin'],
  )
