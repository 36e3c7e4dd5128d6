"""Time that devices had something to do."""

import time

import jax
import jax.numpy as jnp

from ttc.inference.busy import BusyTime


def test_a_moment_counts_once():
  """Programs launched while others run add what they take beyond them."""
  turn = jax.jit(lambda x: jax.lax.fori_loop(0, 300, lambda _, y: y @ x, x))
  x = jnp.eye(100)
  turn(x).block_until_ready()
  busy, began = BusyTime('gpu'), time.monotonic()
  for _ in range(3):
    before = busy.seconds
    for _ in range(4):
      busy.follow(turn(x))
    while busy.seconds == before:
      time.sleep(0.001)
    assert busy.seconds <= time.monotonic() - began


def test_a_cpu_does_not_tell():
  busy = BusyTime('cpu')
  busy.follow(jnp.ones(3))
  assert busy.seconds == 0
