"""From parallel samples to what a revision model is finetuned on (paper §6.1).

A trajectory is a question, wrong attempts at it, and a right one; the last
wrong attempt is the one nearest to the right one, so that revising it is
mostly keeping what was good. Only the right attempt is learned.
"""

from collections.abc import Mapping, Sequence
import dataclasses

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from ttc.data.context import context_tokens, KEEP, strip_end
from ttc.data.documents import Document
from ttc.data.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class Trajectories:
  """How trajectories are put together.

  Attributes:
    max_context: the most attempts before the target. 0 is the control: the
      same targets, as many of them, without history.
    max_targets: the most right samples used of one question, chosen at random;
      None for all. Easy questions have many.
    distinct: whether samples of one question with equal text count once.
    right_share: probability that the target itself follows the wrong attempts
      in the context, which teaches to leave right answers alone.
    seed: of everything drawn; what a question yields depends on this, its id
      and its rows alone.
  """

  max_context: int = KEEP
  max_targets: int | None = None
  distinct: bool = False
  right_share: float = 0.0
  seed: int = 0

  def __post_init__(self):
    if self.max_context < 0:
      raise ValueError(
        f'Trajectories.max_context={self.max_context}; give 0 (no history) '
        'or more.'
      )
    if self.max_targets is not None and self.max_targets < 1:
      raise ValueError(
        f'Trajectories.max_targets={self.max_targets}; give 1 or more, or '
        'None for all.'
      )
    if not 0 <= self.right_share <= 1:
      raise ValueError(
        f'Trajectories.right_share={self.right_share} is not in [0, 1].'
      )

  def __call__(
    self, record: Mapping, prompt: Sequence[int], vocabulary: Vocabulary
  ) -> list[Document]:
    """Trajectories of one question, one for each right sample that is used.

    Args:
      record: the question's samples; those without an answer are left out.
      prompt: tokens of the question.
      vocabulary: of the tokens.
    """
    rows = [row for row in record['rows'] if row['answer'] is not None]
    if self.distinct:
      rows = list({row['text']: row for row in rows}.values())
    right = [row for row in rows if row['correct']]
    wrong = [row for row in rows if not row['correct']]
    rng = np.random.default_rng((self.seed, record['problem']))
    if self.max_targets is not None and len(right) > self.max_targets:
      chosen = rng.choice(len(right), self.max_targets, replace=False)
      right = [right[i] for i in np.sort(chosen)]
    nearest = nearest_rows(right, wrong)

    documents = []
    for i, target in enumerate(right):
      history = self._history(rng, target, wrong, nearest[i])
      attempts = [strip_end(row['tokens'], vocabulary) for row in history]
      context = context_tokens(
        prompt, attempts, vocabulary.revise_id, self.max_context
      )
      tokens = [
        *context,
        *strip_end(target['tokens'], vocabulary),
        vocabulary.eos_id,
      ]
      documents.append(
        Document(np.array(tokens, np.int32), len(context), record['problem'])
      )
    return documents

  def _history(self, rng, target, wrong, nearest) -> list[Mapping]:
    """The attempts before one target, oldest first."""
    most = min(self.max_context, len(wrong))
    count = int(rng.integers(most + 1))
    history = []
    if count:
      left = [row for i, row in enumerate(wrong) if i != nearest]
      others = rng.choice(len(left), count - 1, replace=False)
      history = [*(left[i] for i in others), wrong[nearest]]
    if rng.random() < self.right_share:
      history.append(target)
    return history


def nearest_rows(
  targets: Sequence[Mapping], rows: Sequence[Mapping]
) -> list[int | None]:
  """For each target the row of least character edit distance.

  The first of several; None where there are no rows.
  """
  if not targets or not rows:
    return [None] * len(targets)
  distance = process.cdist(
    [row['text'] for row in targets],
    [row['text'] for row in rows],
    scorer=Levenshtein.distance,
    dtype=np.int32,
  )
  return np.argmin(distance, axis=1).tolist()
