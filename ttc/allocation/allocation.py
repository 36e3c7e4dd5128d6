"""An allocation: what was learnt on fitting questions, as one JSON file.

It holds the cascades that are worth using, each with the accuracy and FLOPs
that it had on questions that did not fit it, and for every action its mean
FLOPs and its rate of executed FLOPs per useful one.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import json

import numpy as np

from ttc.allocation.cascade import Cascade


@dataclasses.dataclass(frozen=True)
class ActionSummary:
  """An action on the fitting questions.

  Attributes:
    accuracy: of the answer chosen from this action alone.
    flops: mean FLOPs per question.
    rate: executed FLOPs per useful one.
  """

  accuracy: float
  flops: float
  rate: float


@dataclasses.dataclass(frozen=True)
class Allocation:
  """See the module.

  Attributes:
    cascades: on every ladder that is the best for some number of FLOPs, at all
      prices, the highest price first.
    actions: what was measured of each action, by name.
    questions: number of questions that it was fitted on.
    spent: FLOPs executed on them, all actions together.
    generation: mean FLOPs of one of the attempts of the largest best-of-N;
      None if there was none.
  """

  cascades: tuple[Cascade, ...]
  actions: Mapping[str, ActionSummary]
  questions: int
  spent: float
  generation: float | None = None

  def choose(self, flops: float) -> Cascade:
    """The cascade to use for a mean number of FLOPs per question.

    Of the ladders whose cheapest cascade fits, the one that is the most
    accurate around that number; and on it the lowest price that fits.

    Raises:
      ValueError: even the cheapest takes more.
    """
    ladders = {c.ladder: self.siblings(c) for c in self.cascades}
    fitting = {
      ladder: [c for c in own if c.flops <= flops]
      for ladder, own in ladders.items()
    }
    if not any(fitting.values()):
      least = min(c.flops for c in self.cascades)
      raise ValueError(
        f'A budget of {flops:.3g} FLOPs per question is below {least:.3g}, '
        'what the cheapest cascade takes; raise it.'
      )
    ladder = max(
      (ladder for ladder, own in fitting.items() if own),
      key=lambda ladder: _accuracy(ladders[ladder], flops),
    )
    return max(fitting[ladder], key=lambda c: c.flops)

  def reach(self, count: int) -> list[float]:
    """FLOPs per question from the cheapest cascade to the dearest."""
    spent = [c.flops for c in self.cascades]
    between = np.geomspace(min(spent), max(spent), count).tolist()
    # Of one cascade the numbers between are equal, but for rounding.
    return [max(min(spent), flops) for flops in between]

  def siblings(self, cascade: Cascade) -> list[Cascade]:
    """The cascades on the same ladder, the highest price first."""
    return [c for c in self.cascades if c.ladder == cascade.ladder]

  def to_json(self) -> str:
    """As the text of a JSON file."""
    tree = {
      'cascades': [c.to_json() for c in self.cascades],
      'actions': {n: dataclasses.asdict(m) for n, m in self.actions.items()},
      'questions': self.questions,
      'spent': self.spent,
      'generation': self.generation,
    }
    return json.dumps(tree, indent=1) + '\n'

  @classmethod
  def from_json(cls, text: str) -> 'Allocation':
    """Inverse of `to_json`.

    Raises:
      ValueError: the text is none of this revision's.
    """
    try:
      tree = json.loads(text)
      return cls(
        tuple(map(Cascade.from_json, tree['cascades'])),
        {name: ActionSummary(**m) for name, m in tree['actions'].items()},
        tree['questions'],
        tree['spent'],
        tree['generation'],
      )
    except (KeyError, TypeError, ValueError) as error:
      raise ValueError(
        f'the allocation is none that this revision reads ({error!r}); fit it '
        'again, in a new folder.'
      ) from error


def _accuracy(cascades: Sequence[Cascade], flops: float) -> float:
  """Accuracy of a ladder around a number of FLOPs.

  The mean over half to twice as many: single points are noise, and the largest
  of many noisy ones would be chosen for its noise.
  """
  order = sorted(cascades, key=lambda c: c.flops)
  around = np.geomspace(flops / 2, flops * 2, 9)
  return float(
    np.interp(
      np.log(around),
      np.log([c.flops for c in order]),
      np.maximum.accumulate([c.accuracy for c in order]),
    ).mean()
  )
