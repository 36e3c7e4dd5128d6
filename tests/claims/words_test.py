"""Numbers of claims read right: signs, units, bounds."""

import itertools
import re

import pytest

from ttc.claims import words
from ttc.claims.verdicts import Claim

VALUES = (-12.34, -0.06, -0.04, -0.0, 0.0, 0.004, 0.04, 0.06, 3.0, 100.0)


@pytest.mark.parametrize('unit', ['points', 'percent', 'AUC', 'factor'])
@pytest.mark.parametrize('value', VALUES)
def test_a_sign_is_that_of_what_is_shown(unit, value):
  text = words.signed(value, unit)
  shown = float(text)
  assert shown == pytest.approx(value, abs=0.051)
  assert text.startswith('-') == (shown < 0)
  assert text.startswith('+') == (unit == 'points' and shown > 0)


def test_estimate_and_bounds_are_written_alike():
  for estimate, low, high in itertools.combinations_with_replacement(VALUES, 3):
    claim = Claim('a.b', 's', estimate, (low, high), True, 'points', ())
    text = words.number(claim, minus='−')
    assert '-' not in text
    numbers = re.findall(r'[+−]?[\d.]+', text)
    assert [float(n.replace('−', '-')) for n in numbers] == [
      pytest.approx(v, abs=0.051) for v in (estimate, low, high)
    ]


def test_a_claim_survives_json():
  claim = Claim('a.b', 's', 1.0, (0.5, None), None, 'AUC', (1.0, None), 'why')
  assert Claim.from_json(claim.to_json()) == claim
