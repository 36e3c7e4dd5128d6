"""What every side is told, and the JSON line that it answers with."""

import argparse
from collections.abc import Callable
import json
import pathlib
import resource
import time
from typing import Protocol as Interface

from benchmarks.protocol import Protocol

LOGITS = 64  # of a prompt's end, that are compared


class Side(Interface):
  """A process that works on the protocol.

  Attributes:
    executed: token-forwards of both models so far, padding included.
    compiling: seconds that went into compiling so far.
  """

  executed: int
  compiling: float

  def answer(self, questions: int) -> int:
    """Works on the first so many questions; returns the new tokens."""

  def logits(self) -> list[float]:
    """The proposer's first logits after a prompt, and the verifier's."""


def parser() -> argparse.ArgumentParser:
  """The options of all sides."""
  made = argparse.ArgumentParser()
  made.add_argument(
    '--task', choices=('beam', 'particles', 'best_of_n'), required=True
  )
  made.add_argument('--weights', type=pathlib.Path, required=True)
  made.add_argument('--budget', type=int, required=True)
  made.add_argument('--questions', type=int, required=True)
  made.add_argument('--threads', type=int, default=2)
  return made


def measure(
  options: argparse.Namespace,
  create: Callable[[argparse.Namespace, Protocol], Side],
  warm: Callable[[Side], None] = lambda _: None,
  also: Callable[[], dict] = dict,
) -> None:
  """Prints a JSON line of what a side did.

  Args:
    options: of `parser`.
    create: makes the side; loading weights is nobody's time.
    warm: compiles whatever the first question did not.
    also: more that a side tells.
  """
  protocol = Protocol(budget=options.budget, questions=options.questions)
  side = create(options, protocol)
  began = time.perf_counter()
  side.answer(1)
  first = time.perf_counter() - began
  warm(side)
  compiling, executed = side.compiling, side.executed
  began = time.perf_counter()
  new = side.answer(options.questions)
  seconds = time.perf_counter() - began
  print(
    json.dumps(
      {
        'questions': options.questions,
        'seconds': seconds,
        'new_tokens': new,
        'executed': side.executed - executed,
        'first_question': first,
        'compiling': compiling,
        'late_compiling': side.compiling - compiling,
        'peak_gib': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        'logits': side.logits(),
        **also(),
      }
    ),
    flush=True,
  )
