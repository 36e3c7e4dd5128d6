"""Solutions with rated steps, and the forms of row that hold them.

A form is known by its fields, and read by one function of a row:

    question, label       PRM800K as published (Lightman et al. 2023)
    steps, ratings        the same, flat, with `problem`
    steps, label          ProcessBench: `label` is the first wrong step, or -1
    input, label          Math-Shepherd: `ки` behind each step of `input` is a
                          + or - in `label`
    completions, labels   TRL's stepwise data, with `prompt`

Where steps behind the first wrong one have no rating of their own, a solution
ends at it.
"""

from collections.abc import Mapping
import dataclasses
import re
from typing import Any

from ttc.data import jsonl

RATINGS = (-1, 0, 1)
_TAG = 'ки'
_FIRST_STEP = re.compile('[Ss]tep 1:')
_ANSWER = '# Answer'
# How solutions of Math-Shepherd and of other models state their answer.
_STATED = re.compile(r'# Answer|[Tt]he (?:final )?answer is|\\boxed')


@dataclasses.dataclass(frozen=True)
class Rated:
  """A solution and its step ratings.

  Attributes:
    question: text of the question.
    answer: reference answer, or ''.
    steps: texts of the steps, without delimiters.
    ratings: one per step, from RATINGS.
    finished: whether the last step states an answer.
  """

  question: str
  answer: str
  steps: tuple[str, ...]
  ratings: tuple[int, ...]
  finished: bool


def parse(fields: Mapping[str, Any]) -> Rated:
  """Returns the rated solution in a row.

  Raises:
    ValueError: the row has none of the forms, or is damaged.
  """
  for names, form in _FORMS:
    if fields.keys() >= set(names):
      return form(fields)
  have = ', '.join(map(repr, fields)) or 'none'
  forms = '; '.join(' and '.join(map(repr, names)) for names, _ in _FORMS)
  raise ValueError(
    f'expected rated steps in one of the forms that have the fields {forms}; '
    f'the line has {have:.200}.'
  )


def _published(fields: Mapping[str, Any]) -> Rated:
  """A row of PRM800K.

  A step has several completions, of which the labeler chose one to go on from.
  A step written by the labeler counts as 1. A solution that the labeler gave up
  ends at its first step without a good completion, with the rating -1.
  """
  steps, ratings = [], []
  everything = _list(fields, 'label.steps')
  for number, step in enumerate(everything):
    text, rating, last = _chosen(step, f'label.steps.{number}')
    if rating is None:
      break
    steps.append(text)
    ratings.append(rating)
    if last:
      break
  solved = jsonl.field(fields, 'label.finish_reason') == 'solution'
  return Rated(
    _text(fields, 'question.problem'),
    _answer(fields, 'question.ground_truth_answer'),
    tuple(steps),
    tuple(ratings),
    solved and len(steps) == len(everything),
  )


def _chosen(step: Any, name: str) -> tuple[str, int | None, bool]:
  """The completion from which a solution goes on.

  If the labeler rejected all, this is the first one rated -1.

  Returns:
    Its text, its rating, None if there is no such completion, and whether the
    solution ends there.
  """
  if not isinstance(step, dict):
    raise ValueError(
      f'field {name!r}: expected a step, got {jsonl.short(step)}.'
    )
  if step.get('human_completion'):
    return _text(step, 'human_completion.text'), 1, False
  completions = step.get('completions') or []
  place = jsonl.integer(jsonl.field(step, 'chosen_completion'))
  if place is not None:
    if not _index(place, completions):
      raise ValueError(
        f'field {name!r}: chosen_completion is {jsonl.short(place)}, not '
        f'one of its {len(completions)} completions.'
      )
    chosen = jsonl.field(step, f'completions.{place}.rating')
    text = _text(step, f'completions.{place}.text')
    return text, None if chosen is None else _rating(chosen), False
  for number in range(len(completions)):
    if jsonl.field(step, f'completions.{number}.rating') == -1:
      return _text(step, f'completions.{number}.text'), -1, True
  return '', None, True


def _flat(fields: Mapping[str, Any]) -> Rated:
  steps, ratings = _texts(fields, 'steps'), _list(fields, 'ratings')
  _paired(steps, ratings, 'steps', 'ratings')
  finished = bool(steps) and _ANSWER in steps[-1]
  return Rated(
    _text(fields, 'problem'),
    _answer(fields, 'answer'),
    steps,
    tuple(map(_rating, ratings)),
    finished and not fields.get('truncated'),
  )


def _first_error(fields: Mapping[str, Any]) -> Rated:
  steps = _texts(fields, 'steps')
  wrong = jsonl.integer(jsonl.field(fields, 'label'))
  if wrong != -1 and not _index(wrong, steps):
    raise ValueError(
      f"field 'label': expected the place of the first of {len(steps)} steps "
      f'that is wrong, or -1, got {jsonl.short(wrong)}.'
    )
  kept = steps if wrong == -1 else steps[: wrong + 1]
  ratings = [1] * len(kept)
  if wrong != -1:
    ratings[-1] = -1
  # Solutions are whole, whether or not their answer is right.
  return Rated(
    _text(fields, 'problem'), '', kept, tuple(ratings), len(kept) == len(steps)
  )


def _tagged(fields: Mapping[str, Any]) -> Rated:
  text, label = _text(fields, 'input'), _text(fields, 'label')
  ends, ratings, place, read = [], [], 0, 0  # in `text`, and in `label`
  for part in text.split(_TAG)[:-1]:
    place, read = place + len(part), read + len(part)
    mark = label[read : read + 1]
    if not label.endswith(part, 0, read) or mark not in ('+', '-'):
      raise ValueError(
        "field 'label': expected the text of 'input' with + or - in place of "
        f'each {_TAG!r}; number {len(ends) + 1} is not, or what is before it.'
      )
    ends.append(place)
    ratings.append(1 if mark == '+' else -1)
    place, read = place + len(_TAG), read + 1
  begin = _begin(text, ends)
  begins = [begin, *(end + len(_TAG) for end in ends)]
  steps = [
    (text[max(begin, start) : end].strip(), rating)
    for start, end, rating in zip(begins, ends, ratings, strict=False)
    if end > begin  # some questions hold a tag
  ]
  steps = [(step, rating) for step, rating in steps if step]
  finished = bool(steps) and bool(_STATED.search(steps[-1][0]))
  return Rated(
    text[:begin].replace(_TAG, '').strip(),
    '',
    tuple(step for step, _ in steps),
    tuple(rating for _, rating in steps),
    finished,
  )


def _begin(text: str, ends: list[int]) -> int:
  """Where the first step begins; some rows do not number their steps."""
  numbered = _FIRST_STEP.search(text)
  if numbered:
    return numbered.start()
  first = ends[0] if ends else len(text)
  asked = text.rfind('?', 0, first)
  return first if asked < 0 else asked + 1


def _outcomes(fields: Mapping[str, Any]) -> Rated:
  steps, labels = _texts(fields, 'completions'), _list(fields, 'labels')
  _paired(steps, labels, 'completions', 'labels')
  for label in labels:
    if label not in (0, 1):  # equal to false and true
      raise ValueError(
        f"field 'labels': expected true or false, got {jsonl.short(label)}."
      )
  finished = bool(steps) and bool(_STATED.search(steps[-1]))
  ratings = tuple(1 if label else -1 for label in labels)
  return Rated(_text(fields, 'prompt'), '', steps, ratings, finished)


_FORMS = (
  (('steps', 'ratings'), _flat),
  (('steps', 'label'), _first_error),
  (('input', 'label'), _tagged),
  (('completions', 'labels'), _outcomes),
  (('question', 'label'), _published),
)


def _list(fields: Mapping[str, Any], name: str) -> list:
  value = jsonl.field(fields, name)
  if not isinstance(value, list):
    raise ValueError(
      f'field {name!r}: expected a list, got {jsonl.short(value)}.'
    )
  return value


def _text(fields: Mapping[str, Any], name: str) -> str:
  value = jsonl.field(fields, name)
  if not isinstance(value, str):
    raise ValueError(
      f'field {name!r}: expected text, got {jsonl.short(value)}.'
    )
  return jsonl.whole(name, value)


def _answer(fields: Mapping[str, Any], name: str) -> str:
  try:
    return jsonl.answer(fields, name) or ''
  except jsonl.MissingFieldError:
    return ''


def _texts(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
  count = len(_list(fields, name))
  return tuple(_text(fields, f'{name}.{i}') for i in range(count))


def _paired(one, other, *names: str) -> None:
  if len(one) != len(other):
    raise ValueError(
      f'expected lists {names[0]!r} and {names[1]!r} of one length, got '
      f'{len(one)} and {len(other)} items.'
    )


def _rating(value: Any) -> int:
  # In Python a bool is an int, and false would be the rating 0.
  if isinstance(value, bool) or value not in RATINGS:
    raise ValueError(
      f'expected ratings of {RATINGS}, got {jsonl.short(value)}.'
    )
  return int(value)


def _index(place: Any, items: Any) -> bool:
  return (
    isinstance(items, list | tuple)
    and type(place) is int
    and 0 <= place < len(items)
  )
