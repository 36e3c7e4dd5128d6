"""The protocol end to end, by the library's scheduler."""

import dataclasses
import functools
import time

from benchmarks.accelerator import clock, programs, shapes, trace
from benchmarks.accelerator.record import Measured
from benchmarks.ours import Ours, unending
from benchmarks.protocol import Protocol

_NOTHING = 0.01  # seconds
_PROGRAMS = 5  # that the table names


def search(
  size: str,
  task: str,
  protocol: dict,
  rows: int,
  line: int,
  profiled: bool = False,
) -> Measured:
  """Answers all questions, after once that compiles.

  Args:
    size: of proposer and verifier.
    task: of the protocol.
    protocol: its fields.
    rows: as `Solver.rows`.
    line: as `Solver.line`.
    profiled: whether the device's programs are looked at, which takes time of
      its own, and not the speed.
  """
  workload = Protocol(**protocol)
  side = _side(size, workload, rows, line)
  side.task = task
  what = f'{task}, N={workload.budget}, {workload.questions} questions'
  if profiled:
    return _profile(what, side, workload)
  first = clock.seconds(lambda: side.answer(workload.questions))
  compiled, executed = side.compiling, side.executed
  began = time.perf_counter()
  new = side.answer(workload.questions)
  spent = time.perf_counter() - began
  by_floor = (side.executed - executed) / workload.floor(workload.questions)
  late = side.compiling - compiled
  each = spent / workload.questions
  more = f'{by_floor:.2f} of the floor; the first time took {first:.0f} s'
  if late > _NOTHING:
    more += f'; {late:.1f} s of compiling fell into the time'
  return Measured(
    f'{what}, rows={rows}, line={line}',
    f'{each:.3g} s a question, {new / spent:,.0f} new tokens/s',
    more,
    numbers={
      'work': f'{task} {size}',
      's_question': each,
      'new_tokens_s': new / spent,
      'by_floor': by_floor,
      'first_s': first,
      'late_compiling_s': late,
    },
  )


def _profile(what: str, side: Ours, workload: Protocol) -> Measured:
  """Which programs the device is busy with, and for what part of the time."""
  what = f'{what}, profiled'
  busy = trace.measure(lambda: side.answer(workload.questions))
  if busy is None:
    return Measured(what, 'not known: no device in the profile')
  found = ', '.join(
    f'{name} {share:.0%} in {busy.launches[name]:,} launches'
    for name, share in list(busy.shares().items())[:_PROGRAMS]
  )
  more = f'of {busy.wall:.3g} s'
  if busy.kernels is not None:
    more += f'; kernels {busy.kernels / busy.wall:.0%}'
  return Measured(
    what,
    found,
    more,
    busy=busy.running / busy.wall,
    numbers={'profile': dataclasses.asdict(busy)},
  )


@functools.cache
def _side(size: str, protocol: Protocol, rows: int, line: int) -> Ours:
  """Made once for all tasks, which share programs and caches."""
  cfg = shapes.llama(size)
  both = programs.model(cfg), programs.model(cfg, 'value')
  models = unending(*both, protocol, programs.mesh())
  return Ours('beam', models, protocol, rows, line)
