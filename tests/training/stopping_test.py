import pytest

from ttc.training import stopping
from ttc.training.stopping import Stop

LOSSES = [(10, 5.0), (20, 3.0), (30, 3.0), (40, 4.0), (50, 2.5), (60, 6.0)]


def _end(stop):
  """The step at which a rule ends training, or None."""
  return next(
    (
      LOSSES[i - 1][0] for i in range(len(LOSSES) + 1) if stop.ended(LOSSES[:i])
    ),
    None,
  )


@pytest.mark.parametrize(
  ('stop', 'end'),
  [
    (Stop('last'), None),
    (Stop('best'), None),
    (Stop('best', patience=10), 30),
    (Stop('overfit', patience=10), 30),
    (Stop('overfit', patience=15), 40),
    (Stop('overfit', patience=30), None),
  ],
)
def test_training_ends_when_the_lowest_loss_is_old(stop, end):
  assert _end(stop) == end


def test_the_earliest_of_equal_losses_is_the_lowest():
  assert stopping.lowest(LOSSES[:4]) == 20
  assert stopping.lowest(LOSSES) == 50


@pytest.mark.parametrize(
  ('rule', 'patience', 'message'),
  [
    ('first', None, "'first' is unknown"),
    ('overfit', None, 'overfit needs'),
    ('last', 5, 'last needs None'),
  ],
)
def test_rules_without_meaning_are_refused(rule, patience, message):
  with pytest.raises(ValueError, match=message):
    Stop(rule, patience)
