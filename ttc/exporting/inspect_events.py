"""Attempts at a question as events of a transcript that `inspect view` shows.

A span is a branch of their tree: steps that some attempts share, with the
verifier's values, then the branches after it. An attempt that ends there is a
score. A chain of revisions is a span, and its turns are scores in it.
"""

from collections.abc import Iterator, Mapping, Sequence
import datetime
from typing import Any

from ttc.data.problems import Task
from ttc.data.vocabulary import Vocabulary
from ttc.exporting import tree
from ttc.runtime.safe_text import printable

_Attempts = Sequence[Mapping[str, Any]]


def of(
  attempts: _Attempts, task: Task, when: datetime.datetime
) -> Iterator[Any]:
  """The events of attempts, chains where there are some, else their tree.

  Args:
    attempts: as records hold them.
    task: of the question.
    when: the time of all events; records do not say when a step was sampled.
  """
  marks = _Marks(when)
  if 'chain' in attempts[0]:
    yield from _chains(attempts, marks)
    return
  vocabulary = task.vocabulary
  ends = lambda token: (
    token in vocabulary.end_ids or task.delimiter in vocabulary.piece(token)
  )
  for branch in tree.grown(attempts, ends):
    yield from _branch(branch, attempts, vocabulary, marks, None, '')


def shown(answer: str | None) -> str | None:
  """An answer as a viewer may show it."""
  return None if answer is None else printable(answer)


class _Marks:
  """Spans and events of one sample, each with an id of its own."""

  def __init__(self, when: datetime.datetime):
    self._when, self._count = when, 0

  def made(self, kind: Any, span: str | None, **fields) -> Any:
    self._count += 1
    return kind(
      uuid=f'event-{self._count}',
      span_id=span,
      timestamp=self._when,
      working_start=0.0,
      **fields,
    )

  def begin(self, name: str, parent: str | None) -> Any:
    from inspect_ai import event

    id = f'span-{self._count}'
    return self.made(
      event.SpanBeginEvent,
      id,
      id=id,
      parent_id=parent,
      type='branch',
      name=name,
    )

  def end(self, id: str) -> Any:
    from inspect_ai import event

    return self.made(event.SpanEndEvent, id, id=id)


def _branch(
  branch: tree.Stretch,
  attempts: _Attempts,
  vocabulary: Vocabulary,
  marks: _Marks,
  parent: str | None,
  anchor: str,
) -> Iterator[Any]:
  """Events of a branch and of those after it."""
  from inspect_ai import event

  count = len(branch.attempts)
  value = f', value {branch.values[-1]:.3f}' if branch.values else ''
  name = f'{count} attempt{"s" * (count > 1)}{value}'
  begin = marks.begin(name, parent)
  yield begin
  if anchor:
    yield marks.made(event.BranchEvent, begin.id, from_anchor=anchor)
  yield marks.made(
    event.InfoEvent,
    begin.id,
    source='steps',
    data=[
      {
        'text': printable(vocabulary.decode(step)),
        'tokens': len(step),
        **({'value': branch.values[i]} if i < len(branch.values) else {}),
      }
      for i, step in enumerate(branch.steps)
    ],
  )
  for index in branch.ended:
    yield _ended(index, attempts[index], marks, begin.id)
  here = ''
  if branch.children:
    here = f'{begin.id}-end'
    yield marks.made(event.AnchorEvent, begin.id, anchor_id=here)
  for child in branch.children:
    yield from _branch(child, attempts, vocabulary, marks, begin.id, here)
  yield marks.end(begin.id)


def _chains(attempts: _Attempts, marks: _Marks) -> Iterator[Any]:
  """Events of chains of revisions, a span each, turn after turn."""
  from inspect_ai import event

  for chain in dict.fromkeys(attempt['chain'] for attempt in attempts):
    turns = [
      (index, attempt)
      for index, attempt in enumerate(attempts)
      if attempt['chain'] == chain
    ]
    begin = marks.begin(f'chain {chain}', None)
    yield begin
    for index, attempt in sorted(turns, key=lambda pair: pair[1]['turn']):
      yield marks.made(
        event.InfoEvent,
        begin.id,
        source=f'turn {attempt["turn"]}',
        data=printable(attempt['text']),
      )
      yield _ended(index, attempt, marks, begin.id)
    yield marks.end(begin.id)


def _ended(
  index: int, attempt: Mapping[str, Any], marks: _Marks, span: str
) -> Any:
  """The score of an attempt."""
  from inspect_ai import event, scorer

  return marks.made(
    event.ScoreEvent,
    span,
    intermediate=True,
    scorer=f'attempt {index}',
    score=scorer.Score(
      value='C' if attempt['correct'] else 'I',
      answer=shown(attempt['answer']),
      explanation=f'attempt {index}',
      metadata={
        'logprob': attempt['logprob'],
        'truncated': attempt['truncated'],
        **{k: attempt[k] for k in ('values', 'scores') if k in attempt},
      },
    ),
  )
