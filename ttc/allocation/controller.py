"""Decides, round by round, what is bought for which question.

    round 0   every question takes the first rung of the ladder
    round r   every question that has not stopped stops, or takes the next rung;
              what gains most per FLOP comes first, and all that is taken fits
              the budget that is left, as expected with what follows it and at
              its largest without; where that leaves nothing, at its largest

The price of a round is the highest at which the budget is expected to be used
up. A question that goes on but finds no room waits for the next round, when the
others have given back what they did not use. Decisions depend on the results of
earlier rounds and on nothing else, so they are the same however many processes
work and however often they are killed; and the budget is never exceeded.

Costs are the useful FLOPs of a question times the rate of executed per useful
FLOPs that its action had on fitting questions. What was executed itself depends
on which questions share a call, and no decision may.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import math
from typing import Any, NamedTuple

from ttc.allocation.allocation import Allocation
from ttc.allocation.cascade import Cascade
from ttc.allocation.evidence import Evidence

# Why a question stops.
ACCEPTED = 'accepted'  # its answer is likely right
GIVEN_UP = 'given up'  # it is not, and nothing is worth its price
EXHAUSTED = 'ladder ended'
UNAFFORDABLE = 'budget spent'


class Decision(NamedTuple):
  """What happens to a question in a round.

  Attributes:
    question: its id.
    action: name of the action to take; '' for none.
    stop: why it stops in this round; '' if it does not.
    belief: probability that its answer is right, before; None in round 0.
    gain: expected gain of going on; None in round 0 and on the last rung.
    flops: expected FLOPs of going on; None as `gain`.
    price: accuracy per FLOP at which the round decides.
  """

  question: int
  action: str
  stop: str
  belief: float | None
  gain: float | None
  flops: float | None
  price: float

  def to_json(self) -> dict[str, Any]:
    """As records hold it, without the question."""
    return {k: v for k, v in self._asdict().items() if k != 'question'}


class Result(NamedTuple):
  """What an action gave.

  Attributes:
    rows: attempts as records hold them.
    flops: useful FLOPs.
  """

  rows: Sequence[Mapping]
  flops: float


@dataclasses.dataclass
class _State:
  rung: int = -1  # the last one that was taken
  rows: list[Mapping] = dataclasses.field(default_factory=list)
  evidence: Evidence | None = None
  stopped: bool = False


class Controller:
  """Spends a budget on questions, in rounds; see the module.

  Attributes:
    spent: FLOPs so far, at the rates of the actions.
    cascade: the rules that the last round decided by.
  """

  def __init__(
    self,
    allocation: Allocation,
    budget: float,
    questions: Sequence[int],
    rounds: int,
    largest: Callable[[int, str], float],
  ):
    """Chooses the cascade.

    Args:
      allocation: what was fitted.
      budget: FLOPs for all questions together.
      questions: ids, in the order in which they are decided.
      rounds: number of rounds; in the last one everything stops.
      largest: the most useful FLOPs that an action can take on a question.

    Raises:
      ValueError: the budget is below what the first rung may take.
    """
    self._allocation, self._budget = allocation, budget
    self._states = {question: _State() for question in questions}
    self.cascade = allocation.choose(budget / max(len(questions), 1))
    self.spent, self.round, self._rounds = 0.0, 0, rounds
    self._largest = lambda question, action: (
      largest(question, action) * allocation.actions[action].rate
    )
    first = sum(self._largest(q, self.cascade.ladder[0]) for q in questions)
    if first > budget:
      raise ValueError(
        f'A budget of {budget:.3g} FLOPs for {len(questions)} questions: '
        f'{self.cascade.ladder[0]} alone may take {first:.3g}; raise it, or '
        'ask fewer questions.'
      )

  def decide(self) -> list[Decision]:
    """Decisions of the next round on questions that have not stopped."""
    live = {q: s for q, s in self._states.items() if not s.stopped}
    if self.round == 0:
      first = self.cascade.ladder[0]
      return [
        Decision(q, first, '', None, None, None, self.cascade.price)
        for q in live
      ]
    self.cascade = self._priced(live.values())
    wishes = {q: self._wish(q, state) for q, state in live.items()}
    # What gains most per FLOP first; of equals the earlier question.
    eager = sorted(
      (d for d in wishes.values() if d.action),
      key=lambda d: -d.gain / max(d.flops, 1.0),
    )
    if self.round == self._rounds - 1:
      taken = set()
    else:
      # What is left over would not be spent at all.
      taken = self._fit(eager, self._left) or self._fit(eager, math.inf)
    decisions = {
      q: d if q in taken else d._replace(action='') for q, d in wishes.items()
    }
    if not taken:
      # Nobody gives anything back any more: to wait is to stop.
      decisions = {
        q: d if d.stop else d._replace(stop=UNAFFORDABLE)
        for q, d in decisions.items()
      }
    return list(decisions.values())

  def learn(
    self, decisions: Sequence[Decision], results: Mapping[int, Result]
  ) -> None:
    """Takes in a round: its decisions, and what the actions gave."""
    for decision in decisions:
      state = self._states[decision.question]
      state.stopped = bool(decision.stop)
      if not decision.action:
        continue
      result = results[decision.question]
      state.rung += 1
      state.rows += result.rows
      state.evidence = Evidence.of(state.rows)
      rate = self._allocation.actions[decision.action].rate
      self.spent += result.flops * rate
    self.round += 1

  def answer(self, question: int) -> Mapping:
    """The attempt to answer with now."""
    state = self._states[question]
    return state.rows[state.evidence.choice]

  def attempts(self, question: int) -> Sequence[Mapping]:
    """All attempts at a question so far."""
    return self._states[question].rows

  def _wish(self, question: int, state: _State) -> Decision:
    """What a question would do with room for everybody."""
    [features] = self.cascade.features(state.rung, [state.evidence])
    rules = self.cascade.rules
    price, belief = self.cascade.price, float(features[0])
    if state.rung == len(rules):
      return Decision(question, '', EXHAUSTED, belief, None, None, price)
    rule = rules[state.rung]
    gain, flops = map(float, rule.expect(features))
    if rule.continues(features, price):
      action = self.cascade.ladder[state.rung + 1]
      return Decision(question, action, '', belief, gain, flops, price)
    stop = ACCEPTED if belief >= 0.5 else GIVEN_UP
    return Decision(question, '', stop, belief, gain, flops, price)

  @property
  def _left(self) -> float:
    """FLOPs that are not spent."""
    return self._budget - self.spent

  def _fit(self, eager: Sequence[Decision], expected: float) -> set[int]:
    """Questions that go on.

    Args:
      eager: those that would, first the one that shall have room first.
      expected: FLOPs that they may take as expected, with what follows.
    """
    taken, reserved = set(), self._left
    for decision in eager:
      largest = self._largest(decision.question, decision.action)
      if decision.flops <= expected and largest <= reserved:
        expected -= decision.flops
        reserved -= largest
        taken.add(decision.question)
    return taken

  def _priced(self, live) -> Cascade:
    """The highest price on the ladder that uses what is left, or the lowest."""
    by_rung: dict[int, list[Evidence]] = {}
    for state in live:
      by_rung.setdefault(state.rung, []).append(state.evidence)
    siblings = self._allocation.siblings(self.cascade)
    for cascade in siblings:
      needed = sum(
        cascade.remaining(rung, cascade.features(rung, evidence)).sum()
        for rung, evidence in sorted(by_rung.items())
      )
      if needed >= self._left:
        return cascade
    return siblings[-1]
