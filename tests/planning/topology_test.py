"""Slices by name, and what they are made of."""

import pytest

from tests.planning.tpu import needs_libtpu
from ttc.models.chips import CHIPS
from ttc.planning import topology


@needs_libtpu
@pytest.mark.parametrize(
  ('name', 'chips', 'devices', 'hosts'),
  [
    ('v5e:2x4', 8, 8, 1),
    ('v5e:4x4', 16, 16, 4),
    ('v5p:2x2x2', 8, 8, 2),
    ('v6e:4x4', 16, 16, 4),
    ('v4:2x2x1', 4, 4, 1),
    ('tpu7x:2x2x1', 4, 8, 1),
  ],
)
def test_slices_have_their_chips(name, chips, devices, hosts):
  found = topology.describe(name)
  assert (found.chips, len(found.devices), found.hosts) == (
    chips,
    devices,
    hosts,
  )
  assert len(found.host.devices) * hosts == devices


@pytest.mark.parametrize('name', ['v5e', 'v5e:16', 'v9:2x2', 'v5e:4x4x', ''])
def test_other_names_are_refused(name):
  with pytest.raises(ValueError, match='is no slice'):
    topology.describe(name)


@needs_libtpu
def test_shapes_that_no_hosts_make_are_refused():
  with pytest.raises(ValueError, match='v5e:3x3'):
    topology.describe('v5e:3x3')


@pytest.mark.parametrize('chip', CHIPS.values(), ids=lambda chip: chip.name)
def test_chips_multiply_faster_than_they_read(chip):
  # Hundreds of operations a byte, and links far slower than memory.
  assert 100 < chip.flops / chip.bandwidth < 1000
  assert 4 < chip.bandwidth / chip.axis < 50
