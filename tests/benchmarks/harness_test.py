"""What the harness refuses, and the ratios of its table."""

import pytest

from benchmarks import harness
from benchmarks.protocol import Protocol

PROTOCOL = Protocol(questions=2)


def told(seconds=10.0, executed=2, **also):
  return {
    'questions': 2,
    'seconds': seconds,
    'new_tokens': PROTOCOL.new_tokens(2),
    'executed': executed * PROTOCOL.floor(2),
    'first_question': 1.0,
    'compiling': 0.0,
    'peak_gib': 1.0,
    'logits': [0.0, 1.0],
    **also,
  }


def test_other_tokens_and_impossible_counts_are_refused():
  harness.check('D', told(), PROTOCOL)
  with pytest.raises(SystemExit, match='D made 7 new tokens'):
    harness.check('D', told(new_tokens=7), PROTOCOL)
  with pytest.raises(SystemExit, match='cannot be avoided'):
    harness.check('D', told(executed=0), PROTOCOL)


def test_another_model_is_refused():
  sides = {'ttc': [told()], 'D': [told(logits=[0.0, 1.00005])]}
  assert harness.compare_logits(sides) == pytest.approx(5e-5)
  for wrong in (1.001, float('nan')):
    sides['D'][0]['logits'][1] = wrong
    with pytest.raises(SystemExit, match='another model'):
      harness.compare_logits(sides)


def test_the_table_has_medians_and_ratios_to_ours():
  lines = harness.table(
    {
      'budget': 16,
      'sides': {
        'ttc': [told(seconds) for seconds in (4.0, 8.0, 40.0)],
        'D': [told(seconds, 3) for seconds in (15.0, 16.0, 17.0)],
      },
    }
  ).splitlines()
  ours, theirs = (
    [cell.strip() for cell in line.split('|')[1:-1]]
    for line in lines
    if line.startswith(('| ttc', '| D'))
  )
  assert ours[:3] == ['ttc', '2', '4.00 [3.00, 12.00]']
  assert theirs[:3] == ['D', '2', '8.00 [7.75, 8.25]']
  assert (ours[5], theirs[5]) == ('1.00', '2.00')
  assert (ours[7], theirs[7]) == ('2.00', '3.00')
