"""What is known of one question: the answers to it so far, and their scores.

    action     greedy | beam M=4, N=4        in the order in which they ran
    answer        0   |  1   0   0   2       equal ids are equal answers
    score        .2   | .9  .3  .2  .1       the verifier's last value
    progress     .5   | .8  .5  .5  .2       the mean of its values at step ends

Whether answers are right is known of fitting questions only, and stands apart.
"""

from collections.abc import Mapping, Sequence
import dataclasses

import numpy as np

from ttc.analysis import aggregate

# A score in float32 reaches 0 and 1, whose logits are infinite; and a verifier
# is not to be trusted beyond this anyway.
_LEAST = 1e-4
_UNSCORED = 0.5  # of answers without a verifier: votes alone count then


@dataclasses.dataclass(frozen=True)
class Evidence:
  """The answers to a question so far.

  Attributes:
    answer: ids, int [W], see `aggregate.answer_ids`; -1 is unparsable.
    score: float [W] in [0, 1].
    progress: float [W] in [0, 1].
  """

  answer: np.ndarray
  score: np.ndarray
  progress: np.ndarray

  @classmethod
  def of(cls, rows: Sequence[Mapping]) -> 'Evidence':
    """The evidence of attempts, in the order in which they were made.

    Args:
      rows: attempts as records hold them, see `Solver.judge`.
    """
    values = [row.get('values') for row in rows]
    scored = lambda reduce: np.array(
      [_UNSCORED if v is None else reduce(v) if v else 0.0 for v in values]
    )
    return cls(
      aggregate.answer_ids([row['answer'] for row in rows]),
      scored(lambda v: v[-1]),
      scored(lambda v: sum(v) / len(v)),
    )

  @property
  def choice(self) -> int:
    """The attempt to answer with: the winner of a vote weighted by scores."""
    return int(aggregate.weighted(self.answer, self.score))

  @property
  def support(self) -> np.ndarray:
    """What speaks for the chosen answer, float [5].

    1, the log-odds of its best score, the log-odds of its share of all scores,
    and the logs of its number of attempts and of the number of all.
    """
    same = self.answer == self.answer[self.choice]
    weight, total = self.score[same].sum(), self.score.sum()
    return np.array(
      [
        1.0,
        log_odds(self.score[same].max()),
        # Half a vote for and against, so that a lone answer is not certain.
        np.log((weight + 0.5) / (total - weight + 0.5)),
        np.log(same.sum()),
        np.log(len(same)),
      ]
    )

  @property
  def promise(self) -> np.ndarray:
    """What says whether more attempts may help, float [3].

    1, the log-odds of the mean score, which tells a question that is solved now
    and then from a hopeless one, and the largest progress of any attempt.
    """
    total, count = self.score.sum(), len(self.score)
    return np.array(
      [
        1.0,
        np.log((total + 0.5) / (count - total + 0.5)),
        self.progress.max(),
      ]
    )


def voters(rows: Sequence[Mapping]) -> list[int]:
  """Which attempts vote: all; of chains of revisions, the winner of each."""
  if not rows or 'chain' not in rows[0]:
    return [*range(len(rows))]
  chains: dict[int, list[int]] = {}
  for index, row in enumerate(rows):
    chains.setdefault(row['chain'], []).append(index)
  return [
    own[Evidence.of([rows[index] for index in own]).choice]
    for own in chains.values()
  ]


def answer(rows: Sequence[Mapping]) -> Mapping:
  """The attempt to answer with, of attempts as records hold them."""
  kept = [rows[index] for index in voters(rows)]
  return kept[Evidence.of(kept).choice]


def log_odds(probability: np.ndarray) -> np.ndarray:
  """log(p / (1 - p)), of probabilities held away from 0 and 1."""
  p = np.clip(probability, _LEAST, 1 - _LEAST)
  return np.log(p) - np.log1p(-p)
