"""Costs of programs whose products, loops and exchanges are known."""

import re

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
import pytest

from ttc.models import partitioning
from ttc.planning.costs import Collective, Costs

B, D, TURNS, INNER = 8, 32, 7, 3
PRODUCT = 2.0 * B * D * D


def loops(x, w):
  """Products in a loop in a loop, and one outside."""

  def inner(x, _):
    return jnp.sin(x @ w), None

  def outer(x, _):
    return jax.lax.scan(inner, x, None, length=INNER)[0], None

  return jax.lax.scan(outer, x, None, length=TURNS)[0] @ w


def text(function, *shapes, **jit):
  arguments = [jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes]
  return jax.jit(function, **jit).lower(*arguments).compile().as_text()


def test_products_count_as_often_as_their_loops_turn():
  program = text(loops, (B, D), (D, D))
  assert Costs.of(program).flops == (TURNS * INNER + 1) * PRODUCT
  assert not Costs.of(program).unknown


def test_attributes_that_span_lines_end_no_computation():
  program = text(loops, (B, D), (D, D))
  kernels = re.sub(
    r'(.* dot\(.*)', r'\1, frontend_attributes={a={\n"b":"{}"\n}}, c=1', program
  )
  assert kernels.count('\n}}') > program.count('\n}}')
  assert Costs.of(kernels) == Costs.of(program)


def test_products_are_counted_before_compiling_too():
  traced = jax.jit(jax.grad(lambda x, w: loops(x, w).sum(), 1)).trace(
    jnp.ones((B, D)), jnp.ones((D, D))
  )
  found = Costs.traced(traced.jaxpr, 4)
  assert found.partial
  # Forward, and two products each backward, but for the first input's.
  turns = TURNS * INNER + 1
  assert 2.5 * turns * PRODUCT / 4 <= found.flops <= 3 * turns * PRODUCT / 4


def test_products_by_hand_on_devices_count_on_each():
  with partitioning.use(partitioning.make_mesh(data=2, model=2)):
    traced = jax.jit(
      jax.shard_map(
        lambda x, w: x @ w,
        in_specs=(PartitionSpec('data'), PartitionSpec()),
        out_specs=PartitionSpec('data'),
        axis_names={'data'},
      )
    ).trace(jnp.ones((B, D)), jnp.ones((D, D)))
  assert Costs.traced(traced.jaxpr, 1).flops == PRODUCT


def test_nothing_is_known_of_loops_that_only_data_end():
  traced = jax.jit(
    lambda x: jax.lax.while_loop(lambda x: jnp.sum(x) < 1, lambda x: x @ x, x)
  ).trace(jnp.ones((D, D)))
  found = Costs.traced(traced.jaxpr, 1)
  assert found.unknown
  assert not found.flops


def test_once_is_what_xla_says():
  program = (
    jax.jit(loops)
    .lower(
      jax.ShapeDtypeStruct((B, D), jnp.float32),
      jax.ShapeDtypeStruct((D, D), jnp.float32),
    )
    .compile()
  )
  once = Costs.of(program.as_text(), loops=False).flops
  assert once == 2 * PRODUCT
  assert program.cost_analysis()['flops'] == pytest.approx(once, rel=0.05)


def test_a_loop_that_the_data_end_counts_once_and_says_so():
  program = text(
    lambda x, w: jax.lax.while_loop(
      lambda x: jnp.sum(x) < 1, lambda x: jnp.sin(x @ w), x
    ),
    (B, D),
    (D, D),
  )
  costs = Costs.of(program)
  assert costs.unknown
  assert costs.flops == PRODUCT


def test_a_loop_that_data_or_a_number_end_turns_so_often():
  def body(carry):
    return carry[0] + 1, jnp.sin(carry[1] @ jnp.ones((D, D)))

  program = text(
    lambda x: jax.lax.while_loop(
      lambda carry: (carry[0] < TURNS) & (jnp.sum(carry[1]) < 1), body, (0, x)
    ),
    (B, D),
  )
  assert Costs.of(program).flops == TURNS * PRODUCT


def test_slices_of_a_large_array_count_as_slices():
  def rows(x):
    return jax.lax.scan(
      lambda s, row: (s + jnp.sin(row), None), jnp.zeros(D), x
    )[0]

  size = 4 * 1000 * D
  moved = Costs.of(text(rows, (1000, D))).bytes
  assert size < moved < 10 * size


def test_devices_that_add_up_exchange_what_they_add():
  mesh = jax.make_mesh((4,), ('x',))
  cut = NamedSharding(mesh, PartitionSpec(None, 'x'))
  other = NamedSharding(mesh, PartitionSpec('x'))
  whole = NamedSharding(mesh, PartitionSpec())
  program = text(
    lambda x, w: x @ w,
    (B, D),
    (D, D),
    in_shardings=(cut, other),
    out_shardings=whole,
  )
  costs = Costs.of(program)
  assert costs.collectives == {Collective('all-reduce', 4): 4.0 * B * D}
  assert costs.flops == PRODUCT / 4


def test_a_ring_sends_each_part_once_and_sums_twice():
  assert Collective('all-gather', 4).sent == 0.75
  assert Collective('all-reduce', 4).sent == 1.5
  assert Collective('collective-permute', 2).sent == 1
