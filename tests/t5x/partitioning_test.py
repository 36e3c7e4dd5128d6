from flax import linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
import pytest

pytest.importorskip('t5x', reason='T5X, the optional extra, is not installed')

from ttc.t5x.partitioning import Partitioner

pytestmark = pytest.mark.t5x


def _constrained(x):
  return nn.with_logical_constraint(x * 2, ('batch', 'mlp'))


def test_logical_constraints_reach_the_program():
  partitioner = Partitioner(num_partitions=2)
  program = partitioner.partition(_constrained, None, None)
  x = jnp.ones((4, 8))
  assert 'sharding_constraint' in program.lower(x).as_text()
  assert program(x).sharding.spec == PartitionSpec('data', 'model')
  assert partitioner.compile(program, x)(x).sharding.spec == PartitionSpec(
      'data', 'model')


def test_specs_say_where_arguments_and_results_lie():
  partitioner = Partitioner(num_partitions=4)
  program = partitioner.partition(
      lambda tree, step: (tree, step + 1),
      in_axis_resources=({'x': PartitionSpec(None, 'model')}, None),
      out_axis_resources=({'x': PartitionSpec('model')}, None))
  tree, step = program({'x': jnp.ones((4, 8))}, 1)
  assert tree['x'].sharding.spec == PartitionSpec('model')
  assert int(step) == 2


def test_partitions_that_do_not_divide_the_devices_are_refused():
  with pytest.raises(ValueError, match=f'there are {jax.device_count()}'):
    _ = Partitioner(num_partitions=3).mesh
