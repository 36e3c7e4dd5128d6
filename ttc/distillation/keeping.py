"""Examples for a proposer from answers that turned out right.

What a model found with more compute than one answer takes is what it learns to
give at once: STaR (arXiv 2203.14465, here without rationalisation) keeps one
right answer of each question, ReST^EM (arXiv 2312.06585) up to a cap of many
samples, and the answers of a search may be kept just as well.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ttc.data.vocabulary import Vocabulary
from ttc.examples.context import strip_end
from ttc.examples.documents import Document


def by_question(records: Iterable[Mapping]) -> list[tuple[int, list[Mapping]]]:
  """The answers of each question, in the order of the records.

  Args:
    records: of one stage; a question has one for each arm, or each round.

  Returns:
    (question, its rows) in the order in which questions come first.
  """
  found: dict[int, list[Mapping]] = {}
  for record in records:
    # A question that has stopped has a record of its round without rows.
    found.setdefault(record['problem'], []).extend(record.get('rows', ()))
  return list(found.items())


def accepted(rows: Iterable[Mapping], least: float | None) -> list[Mapping]:
  """The rows that may be learned from.

  Those that were cut short are never among them: a model would learn to stop
  there.

  Args:
    rows: answers to a question.
    least: None for those that the grader finds right. A number in [0, 1] for
      those with an answer whose last value by the verifier is at least that.

  Raises:
    ValueError: `least` is a number, and rows have no values.
  """
  whole = [
    row
    for row in rows
    if row['answer'] is not None and not row.get('truncated')
  ]
  if least is None:
    return [row for row in whole if row['correct']]
  if any(not row.get('values') for row in whole):
    raise ValueError(
      f'answers have no values, and accept={least:g} asks for them; sample '
      'them with a verifier.'
    )
  return [row for row in whole if row['values'][-1] >= least]


def distinct(rows: Iterable[Mapping]) -> list[Mapping]:
  """The first row of each text; white space makes no two texts different."""
  found: dict[str, Mapping] = {}
  for row in rows:
    found.setdefault(' '.join(row['text'].split()), row)
  return list(found.values())


def capped(
  rows: Sequence[Mapping], cap: int | None, seed: int, problem: int
) -> list[Mapping]:
  """At most `cap` of the rows, drawn without replacement, in their order.

  Args:
    rows: distinct rows of a question.
    cap: the most to keep; None for all.
    seed: of the draw, which depends on it, on `problem` and on the number of
      rows alone.
    problem: id of the question.
  """
  if cap is None or len(rows) <= cap:
    return list(rows)
  rng = np.random.default_rng((seed, problem))
  chosen = rng.choice(len(rows), cap, replace=False)
  return [rows[i] for i in np.sort(chosen)]


def document(
  row: Mapping, problem: int, prompt: Sequence[int], vocabulary: Vocabulary
) -> Document:
  """The answer after its prompt, with loss on the answer and its end.

  Args:
    row: a row of answers.
    problem: id of the question.
    prompt: tokens of the prompt.
    vocabulary: vocabulary of the tokens.
  """
  answer = [*strip_end(row['tokens'], vocabulary), vocabulary.eos_id]
  return Document(np.array([*prompt, *answer], np.int32), len(prompt), problem)
