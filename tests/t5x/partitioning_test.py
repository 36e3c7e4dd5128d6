from flax import linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
import pytest

pytest.importorskip('t5x', reason='T5X, the optional extra, is not installed')

from ttc.t5x.partitioning import Partitioner

pytestmark = pytest.mark.t5x


def _constrained(x):
  return nn.with_logical_constraint(x * 2, ('batch', 'mlp'))


def test_logical_constraints_reach_the_program():
  program = Partitioner(num_partitions=2).partition(_constrained, None, None)
  assert 'sharding_constraint' in program.lower(jnp.ones((4, 8))).as_text()


def test_specs_say_where_arguments_and_results_lie():
  partitioner = Partitioner(num_partitions=2)
  program = partitioner.partition(
    lambda tree, y: (tree, y + 1),
    in_axis_resources=(
      {'x': PartitionSpec(None, 'model')},
      PartitionSpec('data'),
    ),
    out_axis_resources=({'x': PartitionSpec('model')}, None),
  )
  lie = lambda spec: NamedSharding(partitioner.mesh, spec)
  arguments = jax.device_put(
    ({'x': jnp.ones((4, 8))}, jnp.arange(4)),
    ({'x': lie(PartitionSpec(None, 'model'))}, lie(PartitionSpec('data'))),
  )
  for run in (program, partitioner.compile(program, *arguments)):
    tree, y = run(*arguments)
    assert tree['x'].sharding.spec == PartitionSpec('model')
    assert y.is_fully_replicated
    assert y.addressable_data(0).tolist() == [1, 2, 3, 4]


def test_partitions_that_do_not_divide_the_devices_are_refused():
  with pytest.raises(ValueError, match=f'there are {jax.device_count()}'):
    _ = Partitioner(num_partitions=3).mesh
