"""Training data of a revision model, from parallel samples (paper §6.1).

A trajectory is a question, incorrect attempts at it and a correct one. The last
incorrect attempt is the one with the least edit distance to the correct one, so
that revising it means keeping what was correct. Only the last attempt has loss.
"""

from collections.abc import Mapping, Sequence
import dataclasses

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from ttc.data.vocabulary import Vocabulary
from ttc.examples.context import context_tokens, KEEP, strip_end
from ttc.examples.documents import Document
from ttc.examples.marks import Marks
from ttc.runtime import limits


@dataclasses.dataclass(frozen=True)
class Trajectories:
  """Builds trajectories from the samples of a question.

  Attributes:
    max_context: maximum number of attempts before the target. 0 gives the
      control experiment: the same targets without history.
    max_targets: maximum number of correct samples per question that are used as
      targets, chosen at random; None uses all. Easy questions have many.
    distinct: whether samples of a question with equal text count once.
    right_share: probability that the target itself is also appended to the
      context, which teaches the model to leave correct answers unchanged.
    seed: seed of all random draws. The trajectories of a question depend on
      this, its id and its rows alone.
    marks: writes the attempts before the target with what the verifier thinks
      of them, for guided revision; None writes them alone.

  Raises:
    ValueError: a field is out of its range.
  """

  max_context: int = KEEP
  max_targets: int | None = None
  distinct: bool = False
  right_share: float = 0.0
  seed: int = 0
  marks: Marks | None = dataclasses.field(
    default=None, metadata={'recorded': 'changed'}
  )

  def __post_init__(self):
    limits.whole(self, 'max_context', least=0)  # 0 for no history
    limits.whole(self, 'max_targets')
    limits.real(self, 'right_share', least=0, most=1)
    limits.whole(self, 'seed', least=0, most=limits.LARGEST_SEED)

  def __call__(
    self, record: Mapping, prompt: Sequence[int], vocabulary: Vocabulary
  ) -> list[Document]:
    """Returns the trajectories of one question, one per target.

    Args:
      record: sample record of the question; rows without an answer are ignored.
        With marks the others have a verifier's values at the ends of steps.
      prompt: tokens of the prompt.
      vocabulary: vocabulary of the tokens.
    """
    rows = [row for row in record['rows'] if row['answer'] is not None]
    if self.distinct:
      rows = list({row['text']: row for row in rows}.values())
    right = [row for row in rows if row['correct']]
    wrong = [row for row in rows if not row['correct']]
    # One generator per question, so that questions do not depend on each other.
    rng = np.random.default_rng((self.seed, record['problem']))
    if self.max_targets is not None and len(right) > self.max_targets:
      chosen = rng.choice(len(right), self.max_targets, replace=False)
      right = [right[i] for i in np.sort(chosen)]  # in the order of the rows
    nearest = nearest_rows(right, wrong)

    documents = []
    for i, target in enumerate(right):
      history = self._history(rng, target, wrong, nearest[i])
      context = self._context(prompt, history, vocabulary)
      tokens = [
        *context,
        *strip_end(target['tokens'], vocabulary),
        vocabulary.eos_id,
      ]
      documents.append(
        Document(np.array(tokens, np.int32), len(context), record['problem'])
      )
    return documents

  def _context(self, prompt, history, vocabulary) -> list[int]:
    """Returns the tokens before a target."""
    if self.marks is not None:
      kept = history[max(0, len(history) - self.max_context) :]
      marked = [self.marks(row['tokens'], row['values']) for row in kept]
      return [*prompt, *(token for attempt in marked for token in attempt)]
    attempts = [strip_end(row['tokens'], vocabulary) for row in history]
    return context_tokens(
      prompt, attempts, vocabulary.revise_id, self.max_context
    )

  def _history(self, rng, target, wrong, nearest) -> list[Mapping]:
    """Returns the attempts before one target, oldest first.

    Their number is uniform from 0 to `max_context`, or to the number of
    incorrect attempts if that is smaller. The nearest one comes last; the rest
    are drawn without replacement.
    """
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
  """Returns, per target, the index of the row of least edit distance.

  Distances are between characters (Levenshtein). Of several nearest rows the
  first is returned; None if there are no rows.
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
