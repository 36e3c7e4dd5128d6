"""One question with all that was tried on it, for a reader to look into."""

from collections.abc import Iterator, Mapping, Sequence
import pathlib
from typing import Any

import numpy as np

from ttc.analysis import aggregate, names
from ttc.data.problems import Problem
from ttc.pipeline import records
from ttc.runtime.safe_text import printable

# What answers questions, in the order in which it is shown.
STAGES = ('search', 'greedy', 'revise', 'control_samples', 'large_greedy')
_LEDGER = 'allocate'
# What the page calls strategies whose names in records are not short.
_PLAIN = {'BestOfN()': 'independent answers', 'Greedy()': names.GREEDY}

Arm = dict[str, Any]


def read(root: pathlib.Path, problems: Sequence[int]) -> dict[int, list[Arm]]:
  """The arms of questions, by their ids.

  Args:
    root: folder of the seed.
    problems: ids of the questions.

  Returns:
    For each arm its 'stage', 'name' and 'budget'; 'texts' that occur; the
    'attempts', rows of [text, right, cut short, values, chain, turn], where a
    text is its place and chain and turn are None where answers are independent;
    and 'groups' of equal answers, the one with the most votes first: the
    'answer', whether it is 'right', its 'votes' and the places of its 'rows'.
    Votes are sums of scores where 'scored', else counts.
  """
  arms = {problem: [] for problem in problems}
  for stage in STAGES:
    for record in _rows(root / stage):
      if record['problem'] in arms and record['rows']:
        arms[record['problem']].append(_arm(stage, record))
  return arms


def ledgers(
  root: pathlib.Path, problems: Sequence[int]
) -> dict[int, list[dict[str, Any]]]:
  """What an allocation decided on questions, by their ids, in its order."""
  found = {problem: [] for problem in problems}
  for row in _rows(root / _LEDGER):
    if row['problem'] in found and 'decision' in row:
      found[row['problem']].append(
        {
          'budget': row['budget'],
          'round': row['round'],
          **row['decision'],
          'right': row.get('correct'),
        }
      )
  return found


def asked(problem: Problem | None) -> dict[str, str]:
  """The text of a question and its reference answer; {} where unknown."""
  if problem is None:
    return {}
  return {
    'question': printable(problem.question),
    'gold': printable(problem.answer),
    'solution': printable(problem.solution),
  }


def _rows(folder: pathlib.Path) -> Iterator[Mapping[str, Any]]:
  if folder.is_dir():
    yield from records.read_rows(folder)


def _arm(stage: str, record: Mapping[str, Any]) -> Arm:
  rows = record['rows']
  texts = {}
  attempts = [
    [
      texts.setdefault(row['text'], len(texts)),
      int(bool(row['correct'])),
      int(bool(row.get('truncated'))),
      row.get('values'),
      row.get('chain'),
      row.get('turn'),
    ]
    for row in rows
  ]
  scored = all(row.get('values') is not None for row in rows)
  arm = {
    'stage': stage,
    'name': _PLAIN.get(record['strategy'], names.short(record['strategy'])),
    'budget': record['budget'],
    'scored': scored,
    'texts': [printable(text) for text in texts],
    'attempts': attempts,
    'groups': _groups(rows, scored),
  }
  if 'trace' in record:
    arm['trace'] = record['trace']
  return arm


def _groups(rows: Sequence[Mapping], scored: bool) -> list[dict[str, Any]]:
  """Equal answers with their votes; those that cannot be parsed are last."""
  ids = aggregate.answer_ids([row['answer'] for row in rows])
  weight = np.ones(len(rows))
  if scored:
    weight = np.array([(row['values'] or [0])[-1] for row in rows])
  groups = []
  for id in np.unique(ids):
    members = np.flatnonzero(ids == id)
    first = rows[members[0]]
    groups.append(
      {
        'answer': None
        if id == aggregate.UNPARSABLE
        else printable(str(first['answer'])),
        'right': bool(first['correct']),
        'votes': float(weight[members].sum()),
        'rows': members.tolist(),
      }
    )
  return sorted(groups, key=lambda g: (g['answer'] is None, -g['votes']))
