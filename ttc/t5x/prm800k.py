"""Reader of solutions with rated steps, such as PRM800K's, and their examples.

`rated.py` has the forms of row that are read.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from ttc.data import jsonl
from ttc.data.vocabulary import step_end_table, Vocabulary
from ttc.examples.documents import LabelledDocument
from ttc.t5x import rated as forms
from ttc.t5x.rated import Rated


def read(path: str) -> Iterator[Rated]:
  """Yields the rated solutions of a file, except those without a rated step.

  Args:
    path: path of the file, JSON lines, gzipped or not.

  Raises:
    ValueError: a line has no form of `rated.parse`; names file and line.
  """
  for line, fields in jsonl.read_objects(path):
    try:
      rated = forms.parse(fields)
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
