"""Equivalence classes of answers, for voting.

Answers with the same exact form have the same key. Where the forms of two
answers are complete, different keys mean different answers, so that a vote
costs one look-up per answer. The others are compared in pairs, and the classes
are the connected components: transitive by construction, and independent of the
order of the answers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import re

from ttc.expressions.answer import Answer, Group, Named, Relation, Scalar, Words
from ttc.grading import comparison

Key = tuple[str, bool]

_OPEN_QUESTION = re.compile(
  r'[<>=]|\\(?:le|ge|ne|sum|prod|int|iint|lim|gcd|det|max|min|bmod)(?![A-Za-z])'
)


def key(answer: Answer) -> Key:
  """The key of an answer, and whether it is complete; x = 5 has that of 5."""
  match answer:
    case Words():
      return f'words {answer.text}', True
    case Named():
      text, complete = key(answer.value)
      if '$' in text:  # has symbols: y = x + 1 may also be x - y + 1 = 0
        return f'{answer.name} = {text}', False
      return text, complete
    case Relation():
      return f'{answer.left.text} {answer.sign} {answer.right.text}', False
    case Group():
      keys = [key(item) for item in answer.items]
      parts = [part for part, _ in keys]
      if answer.kind in comparison.UNORDERED:
        parts.sort()
      text = f'{answer.kind}{answer.form}<{" ; ".join(parts)}>'
      return text, all(complete for _, complete in keys)
    case _:
      return _scalar_key(answer)


def _scalar_key(answer: Scalar) -> Key:
  if answer.tree is not None:
    end = comparison.infinite(answer.tree)
    if end:
      return f'{end} infinity', True
    form = comparison.exact_form(answer.tree)
    if form:
      return form.key, form.exact
  # Unparsed text is its own key, incomplete if math-verify may find its value.
  return f'text {answer.text}', not _OPEN_QUESTION.search(answer.text)


def classes(
  answers: Sequence[Answer | None],
  same: Callable[[Sequence[tuple[int, int]]], Sequence[bool]],
) -> list[int]:
  """The class of each answer, numbered from 0 by first appearance.

  Args:
    answers: None is no answer; its class is -1.
    same: whether the answers at two indices are the same, for pairs at once.
      It is called for rounds of the pairs that keys leave open, at most once
      per pair of keys; no answer is in two pairs of a round.
  """
  place: dict[str, int] = {}
  complete: dict[str, bool] = {}
  keys: list[str | None] = []
  for index, answer in enumerate(answers):
    text, is_complete = (None, True) if answer is None else key(answer)
    keys.append(text)
    if text is not None:
      place.setdefault(text, index)
      complete[text] = is_complete
  parent = {text: text for text in place}

  def root(text: str) -> str:
    while parent[text] != text:
      text = parent[text]
    return text

  for rounds in _rounds(sorted(place), complete):
    pairs = [(x, y) for x, y in rounds if root(x) != root(y)]
    found = same([(place[x], place[y]) for x, y in pairs]) if pairs else ()
    for (x, y), equal in zip(pairs, found, strict=True):
      if equal:
        parent[root(x)] = root(y)
  numbers: dict[str, int] = {}
  return [
    -1 if text is None else numbers.setdefault(root(text), len(numbers))
    for text in keys
  ]


def _rounds(
  ordered: Sequence[str], complete: Mapping[str, bool]
) -> Iterator[list[tuple[str, str]]]:
  """The pairs of keys that are not both complete, as rounds of a tournament.

  In round r play those whose places sum to r, modulo the number of keys.
  """
  count = len(ordered)
  open_places = [i for i, text in enumerate(ordered) if not complete[text]]
  for r in range(count if open_places else 0):
    pairs = []
    for i in open_places:
      j = (r - i) % count
      if j < i or (j > i and complete[ordered[j]]):
        pairs.append((ordered[max(i, j)], ordered[min(i, j)]))
    yield pairs
