"""Equal FLOPs by both ledgers, and the algebra that inverts them."""

import pytest

from ttc.analysis import matched

# k by the closed forms of paper §7.
FORMS = {
  'v1': lambda m, r: m + 3 * (m - 1) / r,
  'iclr': lambda m, r: m + 1.5 * (m - 1) / r,
  'small_only': lambda m, r: m / 2 + 1.5 * (m - 1) / r,
}


@pytest.mark.parametrize('accounting', matched.ACCOUNTINGS)
@pytest.mark.parametrize('size_ratio', [1.5, 14.2])
@pytest.mark.parametrize('token_ratio', [0.16, 0.79, 22.0])
def test_the_budget_is_the_papers_and_inverts(
  accounting, size_ratio, token_ratio
):
  k = matched.matched_budget(size_ratio, token_ratio, accounting)
  assert k == pytest.approx(FORMS[accounting](size_ratio, token_ratio))
  assert matched.token_ratio_at(size_ratio, k, accounting) == pytest.approx(
    token_ratio
  )


@pytest.mark.parametrize('accounting', matched.ACCOUNTINGS)
@pytest.mark.parametrize('large_budget', [1, 8])
def test_both_models_spend_the_same(accounting, large_budget):
  m, params, pretrained, answered = 14.0, 98e3, 3e6, 5e5
  k = matched.matched_budget(m, answered / pretrained, accounting, large_budget)
  charge = matched.ACCOUNTINGS[accounting]
  large = m * params * (6 * pretrained + charge.large * answered * large_budget)
  small = params * (6 * pretrained + charge.small * answered * k)
  assert small == pytest.approx(large)


def test_an_equal_model_matches_at_its_own_budget():
  assert matched.matched_budget(1, 0.5, large_budget=7) == pytest.approx(7)


def test_much_inference_leaves_only_the_size():
  assert matched.matched_budget(14, 1e12) == pytest.approx(14)


def test_what_cannot_match_is_refused():
  with pytest.raises(ValueError, match='inference alone costs 14'):
    matched.token_ratio_at(14, 14)
  with pytest.raises(ValueError, match="'v2'"):
    matched.matched_budget(14, 1, 'v2')
  with pytest.raises(ValueError, match='token_ratio is 0'):
    matched.matched_budget(14, 0)
