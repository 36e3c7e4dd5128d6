"""The tree that attempts are: what they share, and where they part.

    "2+3=5\\n"  .9  ┬ "5*4=20"  .8     ends attempt 0
                   └ "5+4=9\\n"  .2  ┬ ...

Attempts that begin with the same tokens went the same way, whether a search
copied them or they were sampled so.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Stretch:
  """Steps between two places where attempts part.

  Attributes:
    steps: the tokens of each step.
    values: the verifier's value of each step; () without a verifier.
    attempts: indices of the attempts that go through it.
    ended: those of them that end with it.
    children: the branches after it, in the order of their first attempts.
  """

  steps: tuple[tuple[int, ...], ...]
  values: tuple[float, ...]
  attempts: tuple[int, ...]
  ended: tuple[int, ...]
  children: tuple['Stretch', ...]


def grown(
  attempts: Sequence[Mapping[str, Any]], ends: Callable[[int], bool]
) -> tuple[Stretch, ...]:
  """The branches that attempts begin with.

  Args:
    attempts: as records hold them, with "tokens" and perhaps "values".
    ends: whether a token ends a step.
  """
  steps = [_steps(attempt['tokens'], ends) for attempt in attempts]
  values = [attempt.get('values') or () for attempt in attempts]
  return _branches(range(len(attempts)), 0, steps, values)


def _steps(
  tokens: Sequence[int], ends: Callable[[int], bool]
) -> list[tuple[int, ...]]:
  """Tokens by step; the last one may have been cut."""
  steps, begin = [], 0
  for index, token in enumerate(tokens, start=1):
    if ends(token) or index == len(tokens):
      steps.append(tuple(tokens[begin:index]))
      begin = index
  return steps


def _branches(
  attempts: Sequence[int],
  depth: int,
  steps: Sequence[Sequence[tuple[int, ...]]],
  values: Sequence[Sequence[float]],
) -> tuple[Stretch, ...]:
  """The branches of attempts that are the same up to a depth, and go on."""
  groups: dict[tuple[int, ...], list[int]] = {}
  for index in attempts:
    if len(steps[index]) > depth:
      groups.setdefault(steps[index][depth], []).append(index)
  branches = []
  for group in groups.values():
    first, end = group[0], depth + 1
    # As far as all of them go on alike.
    while all(
      len(steps[index]) > end and steps[index][end] == steps[first][end]
      for index in group
    ):
      end += 1
    branches.append(
      Stretch(
        tuple(steps[first][depth:end]),
        tuple(values[first][depth:end]),
        tuple(group),
        tuple(index for index in group if len(steps[index]) == end),
        _branches(group, end, steps, values),
      )
    )
  return tuple(branches)
