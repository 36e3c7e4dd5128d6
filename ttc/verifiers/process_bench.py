"""Solutions whose first wrong step is known, in ProcessBench's form.

One JSON object a line (arXiv 2412.06559, hf.co/datasets/Qwen/ProcessBench):

    {"problem": "...", "steps": ["...", "..."], "label": 1}

where `label` is the index of the first wrong step, or -1 where none is.
"""

import dataclasses
from typing import Any

from ttc.data import jsonl
from ttc.data.problems import Problem


@dataclasses.dataclass(frozen=True)
class LabelledSolution:
  """A line of the file.

  Attributes:
    problem: the question; its id is the number of the line.
    steps: texts, at least one.
    first: index of the first wrong step; -1 for none.
  """

  problem: Problem
  steps: tuple[str, ...]
  first: int


def read(path: str) -> list[LabelledSolution]:
  """Reads a file.

  Raises:
    ValueError: there is no such file or no line in it, or a line lacks a field
      or has a value in it that cannot be.
  """
  found = []
  for line, fields in jsonl.read_objects(path):
    try:
      found.append(_solution(line, fields))
    except ValueError as error:
      raise ValueError(f'{path}: line {line}: {error}') from error
  if not found:
    raise ValueError(f'{path} has no line; give it one solution a line.')
  return found


def _solution(line: int, fields: dict[str, Any]) -> LabelledSolution:
  question = jsonl.whole('problem', jsonl.text(fields, 'problem') or '')
  if not question.strip():
    raise ValueError("field 'problem' is empty; leave the line out.")
  steps = jsonl.field(fields, 'steps')
  first = jsonl.integer(jsonl.field(fields, 'label'))
  if not (
    isinstance(steps, list) and steps and all(isinstance(s, str) for s in steps)
  ):
    raise ValueError(
      f"field 'steps': expected a list of texts, got {jsonl.short(steps)}."
    )
  if (
    not isinstance(first, int)
    or isinstance(first, bool)
    or not -1 <= first < len(steps)
  ):
    raise ValueError(
      f"field 'label': expected a number from -1 to {len(steps) - 1}, the "
      f'index of a step or -1, got {jsonl.short(first)}.'
    )
  steps = tuple(jsonl.whole('steps', step) for step in steps)
  return LabelledSolution(Problem(line, question), steps, first)
