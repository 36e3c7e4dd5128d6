"""The protocol end to end, by the library's scheduler."""

import functools

from benchmarks.accelerator import clock, programs, shapes, trace
from benchmarks.accelerator.record import Measured
from benchmarks.ours import Ours, unending
from benchmarks.protocol import Protocol


def search(
  size: str, task: str, protocol: dict, rows: int, line: int
) -> Measured:
  """Answers all questions three times: to compile, for time, for a profile.

  Args:
    size: of proposer and verifier.
    task: of the protocol.
    protocol: its fields.
    rows: as `Solver.rows`.
    line: as `Solver.line`.
  """
  workload = Protocol(**protocol)
  side, questions = _side(size, workload, rows, line), workload.questions
  side.task = task
  first = clock.seconds(lambda: side.answer(questions))
  compiled, executed = side.compiling, side.executed
  new = 0

  def answer():
    nonlocal new
    new = side.answer(questions)

  spent = clock.seconds(answer)
  by_floor = (side.executed - executed) / workload.floor(questions)
  late = side.compiling - compiled
  busy = trace.measure(answer)
  more = [f'{by_floor:.2f} of the floor', f'first time {first:.0f} s']
  if late > 0.01:
    more.append(f'{late:.1f} s of compiling fell into the time')
  if busy:
    more += [
      f'{name} {share:.0%} ({busy.launches[name]})'
      for name, share in list(busy.shares().items())[:5]
    ]
    more.append(f'some kernel {busy.kernels / busy.wall:.0%}')
  else:
    more.append('device busy unknown: the profile names no device')
  return Measured(
    f'{task}, N={workload.budget}, {questions} questions, rows={rows}, '
    f'line={line}',
    f'{spent / questions:.3g} s a question, {new / spent:,.0f} new tokens/s',
    ', '.join(more),
    busy=busy.running / busy.wall if busy else None,
    numbers={
      'work': f'{task} {size}',
      's_question': spent / questions,
      'new_tokens_s': new / spent,
      'by_floor': by_floor,
      'first_s': first,
      'late_compiling_s': late,
      'profile': vars(busy) if busy else None,
    },
  )


@functools.cache
def _side(size: str, protocol: Protocol, rows: int, line: int) -> Ours:
  """Made once for all tasks, which share programs and caches."""
  cfg = shapes.llama(size)
  both = programs.model(cfg), programs.model(cfg, 'value')
  models = unending(*both, protocol, programs.mesh())
  return Ours('beam', models, protocol, rows, line)
