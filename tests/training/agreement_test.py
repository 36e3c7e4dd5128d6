"""One process is answered at once; several are tests/cli/processes_test."""

import jax

from ttc.models import partitioning
from ttc.training.agreement import Agreement


def test_who_is_alone_is_answered_at_once():
  agreed = Agreement(partitioning.make_mesh(devices=jax.devices()))
  assert [agreed(wanted) for wanted in (False, True, False)] == [
    False,
    True,
    False,
  ]
