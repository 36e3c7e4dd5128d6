"""Reader of PRM800K, solutions with human step ratings (Lightman et al. 2023).

Two formats are read: the raw lines of the data set, in which a step has several
completions and the labeler chose one to continue from, and flat lines with the
fields `steps` and `ratings`. A rating is 1, 0 or -1. A step written by the
labeler counts as 1. A solution that the labeler gave up ends at its first step
without a good completion, with the rating -1.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
from typing import Any

import numpy as np

from ttc.data import jsonl
from ttc.data.documents import LabelledDocument
from ttc.data.vocabulary import step_end_table, Vocabulary

RATINGS = (-1, 0, 1)
_ANSWER = '# Answer'


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


def read(path: str) -> Iterator[Rated]:
  """Yields the rated solutions of a file, except those without a rated step.

  Args:
    path: path of the file, `.jsonl` or `.jsonl.gz`.

  Raises:
    ValueError: a line has neither format; names file and line.
  """
  for line, fields in jsonl.read_objects(path):
    try:
      rated = _raw(fields) if 'label' in fields else _flat(fields)
      odd = [r for r in rated.ratings if r not in RATINGS]
      if odd:
        raise ValueError(f'expected ratings of {RATINGS}, got {odd[0]!r}.')
    except ValueError as error:
      raise ValueError(f'{path}: line {line}: {error}') from error
    if rated.steps:
      yield rated


class RatedSteps:
  """Converts rated solutions to examples for a process reward model."""

  def __init__(
    self, vocabulary: Vocabulary, delimiter: str = '\n', neutral: float = 1.0
  ):
    """Prepares the table of step ends.

    Args:
      vocabulary: vocabulary of the model.
      delimiter: text between the steps of a solution.
      neutral: label of the rating 0, in [0, 1]. The labels of the ratings 1 and
        -1 are 1 and 0.

    Raises:
      ValueError: `neutral` is not in [0, 1], or the vocabulary splits the
        delimiter.
    """
    if not 0 <= neutral <= 1:
      raise ValueError(f'neutral={neutral} is no label; give one in [0, 1].')
    self._vocabulary, self._delimiter = vocabulary, delimiter
    self._labels = {-1: 0.0, 0: neutral, 1: 1.0}
    self._step_end = step_end_table(vocabulary, delimiter)

  def document(
    self, rated: Rated, prompt: Sequence[int], problem: int
  ) -> LabelledDocument:
    """Returns an example with each label at the last token of its step.

    A step may contain the delimiter; the ends within it have no label. A
    finished solution ends with EOS, as a sampled one does.

        prompt | step one \\n | step two \\n | step three <eos>
                          1             1                  0

    Args:
      rated: a solution of at least one step.
      prompt: tokens of the prompt.
      problem: id of the question.
    """
    parts = [step + self._delimiter for step in rated.steps]
    if rated.finished:
      parts[-1] = rated.steps[-1]
    tokens, ends = self._encoded(parts)
    if rated.finished:
      tokens.append(self._vocabulary.eos_id)
      ends[-1] = len(tokens) - 1
    labels = dict(
      zip(ends, (self._labels[r] for r in rated.ratings), strict=True)
    )
    return LabelledDocument(
      np.array([*prompt, *tokens], np.int32),
      np.array(list(labels), np.int32) + len(prompt),
      np.array(list(labels.values()), np.float32),
      problem,
    )

  def _encoded(self, parts: list[str]) -> tuple[list[int], list[int]]:
    """Returns the tokens of a text, and the index of each part's last token."""
    text = ''.join(parts)
    tokens = self._vocabulary.encode(text)
    if self._vocabulary.decode(tokens) == text:
      return tokens, self._ends(tokens, np.cumsum([len(p) for p in parts]))
    # The tokenizer normalizes some characters (NFC, for example), so that the
    # two texts have different offsets: encode each part on its own.
    apart = [self._vocabulary.encode(part) for part in parts]
    until = np.cumsum([len(ids) for ids in apart]) - 1
    return [id for ids in apart for id in ids], until.tolist()

  def _ends(self, tokens: list[int], until: np.ndarray) -> list[int]:
    """Finds the token that ends each part.

    Args:
      tokens: of the text.
      until: [parts], number of characters up to the end of each part.

    Returns:
      [parts], the index of the first step end at or after that character. It is
      after it where a token contains the delimiter and the text that follows.
    """
    places = np.flatnonzero(self._step_end[tokens]).tolist()
    # A finished solution has no delimiter after its last step.
    if not places or places[-1] != len(tokens) - 1:
      places.append(len(tokens) - 1)
    read = [
      len(self._vocabulary.decode(tokens[: place + 1])) for place in places
    ]
    nearest = np.searchsorted(read, until).clip(max=len(places) - 1)
    return [places[i] for i in nearest]


def _flat(fields: Mapping[str, Any]) -> Rated:
  """Parses a line with `steps` and `ratings`."""
  steps, ratings = (jsonl.field(fields, name) for name in ('steps', 'ratings'))
  if (
    not isinstance(steps, list)
    or not isinstance(ratings, list)
    or len(steps) != len(ratings)
  ):
    raise ValueError("expected lists 'steps' and 'ratings' of one length.")
  finished = (
    bool(steps) and _ANSWER in steps[-1] and not fields.get('truncated')
  )
  return Rated(
    jsonl.field(fields, 'problem'),
    fields.get('answer') or '',
    tuple(steps),
    tuple(ratings),
    finished,
  )


def _raw(fields: Mapping[str, Any]) -> Rated:
  """Parses a raw line of PRM800K."""
  steps, ratings = [], []
  for step in jsonl.field(fields, 'label.steps') or ():
    text, rating = _chosen(step)
    if rating is None:
      break
    steps.append(text)
    ratings.append(rating)
    if rating == -1 and step['chosen_completion'] is None:
      break
  question = jsonl.field(fields, 'question')
  finished = jsonl.field(fields, 'label.finish_reason') == 'solution' and len(
    steps
  ) == len(fields['label']['steps'])
  return Rated(
    jsonl.field(question, 'problem'),
    question.get('ground_truth_answer') or '',
    tuple(steps),
    tuple(ratings),
    finished,
  )


def _chosen(step: Mapping[str, Any]) -> tuple[str, int | None]:
  """Returns the step from which the solution continues, and its rating.

  If the labeler rejected all completions, this is the first one rated -1. The
  rating is None if there is no such completion.
  """
  if step.get('human_completion'):
    return step['human_completion']['text'], 1
  completions = step.get('completions') or ()
  place = jsonl.field(step, 'chosen_completion')
  if place is not None:
    return completions[place]['text'], completions[place]['rating']
  wrong = [c['text'] for c in completions if c['rating'] == -1]
  return (wrong[0], -1) if wrong else ('', None)
