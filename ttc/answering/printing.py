"""Replies as text for a terminal and as JSON; models' texts made harmless."""

from collections.abc import Iterator, Mapping
import json
from typing import Any

from ttc.answering.replies import Reply
from ttc.runtime.safe_text import printable

_SHOWN = ('answer', 'text', 'truncated', 'logprob', 'values')


def text(reply: Reply, show: bool) -> str:
  """A reply in words.

  Args:
    reply: the reply.
    show: whether its attempts follow, each with the values of its steps.
  """
  lines = [
    ('question', reply.question),
    ('answer', 'none could be read' if reply.answer is None else reply.answer),
    ('confidence', f'{reply.confidence:.2f}, {reply.measure}{_score(reply)}'),
    ('stopped', reply.stop),
    (
      'cost',
      f'{reply.generations} generations, {reply.tokens:.0f} tokens executed, '
      f'{reply.flops:.2e} FLOPs',
    ),
  ]
  shown = [f'{name:<12}{_indented(value, 12)}' for name, value in lines]
  return '\n'.join([*shown, *(_attempts(reply) if show else ())])


def as_json(reply: Reply, show: bool) -> str:
  """A reply as JSON on one line; arguments as for `text`."""
  facts: dict[str, Any] = {
    'question': reply.question,
    'answer': reply.answer,
    'text': reply.text,
    'confidence': reply.confidence,
    'measure': reply.measure,
    'score': reply.score,
    'stop': reply.stop,
    'generations': reply.generations,
    'tokens': reply.tokens,
    'flops': reply.flops,
  }
  if show:
    facts['chosen'] = reply.chosen
    facts['attempts'] = [
      {name: attempt[name] for name in _SHOWN if name in attempt}
      for attempt in reply.attempts
    ]
  # All control characters but this one are escaped already.
  return json.dumps(facts).replace('\x7f', '\\u007f')


def _attempts(reply: Reply) -> Iterator[str]:
  for index, attempt in enumerate(reply.attempts):
    told = f'attempt {index + 1} of {len(reply.attempts)}'
    told += ', chosen' * (index == reply.chosen)
    told += ', cut short' * attempt['truncated']
    yield f'\n{told}{_steps(attempt)}'
    yield f'  {_indented(attempt["text"], 2)}'


def _score(reply: Reply) -> str:
  # A vote may agree on what the verifier takes for wrong.
  score = reply.score
  return '' if score is None else f'; the verifier gives it {score:.2f}'


def _steps(attempt: Mapping[str, Any]) -> str:
  """The verifier's values; '' without a verifier."""
  values = attempt.get('values')
  return f', steps {" ".join(f"{v:.2f}" for v in values)}' if values else ''


def _indented(value: str, width: int) -> str:
  return printable(value).replace('\n', '\n' + ' ' * width)
