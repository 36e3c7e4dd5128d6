"""`ttc fit_allocation`: learns from fitting questions how to spend a budget."""

import dataclasses
from typing import ClassVar

from ttc.allocation import fit
from ttc.allocation.allocation import Allocation
from ttc.allocation.recorded import action_name, Recordings
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits
from ttc.search.strategies import Strategy
from ttc.stages import loading
from ttc.stages.arms import Arm

FILE = 'allocation.json'
_SHOWN = 12  # numbers of FLOPs


@dataclasses.dataclass(frozen=True)
class Ladder:
  """Actions that a question may climb, the first one always.

  Attributes:
    arms: strategies with their budgets, from the cheapest action to the
      dearest.
  """

  arms: tuple[Arm, ...]

  def __post_init__(self):
    limits.several(self, 'arms')
    names = list(self.actions)
    if sum(len(arm.budgets) for arm in self.arms) > len(names):
      raise ValueError(
        f'Ladder.arms has an action twice ({", ".join(names)}); its second '
        'attempts would be those of the first. Give other budgets.'
      )

  @property
  def actions(self) -> dict[str, tuple[Strategy, int]]:
    """Strategy and budget by name, in their order."""
    return {
      action_name(repr(arm.strategy), budget): (arm.strategy, budget)
      for arm in self.arms
      for budget in arm.budgets
    }


@dataclasses.dataclass(frozen=True)
class FitAllocation:
  """Fits belief, prices and ladders; writes allocation.json.

  Attributes:
    pilot: name of the search stage that ran every action of the ladders on
      questions that trained no verifier, and that are no test questions.
    ladders: candidates. Every ladder that leaves out rungs of one of them, but
      not the first, is tried too.
    name: name of the stage.
  """

  kind: ClassVar[str] = 'fit_allocation'
  alone: ClassVar[bool] = True
  ladders: tuple[Ladder, ...]
  pilot: str = 'pilot'
  name: str = 'fit_allocation'

  def __post_init__(self):
    limits.several(self, 'ladders')

  @property
  def actions(self) -> dict[str, tuple[Strategy, int]]:
    """Strategy and budget of all actions, by name."""
    return {n: a for ladder in self.ladders for n, a in ladder.actions.items()}

  def check(self, experiment: Experiment) -> None:
    """Raises ValueError where the pilot is missing or lacks an action."""
    pilot = experiment.source(self, self.pilot)
    if pilot is None:
      return
    loading.check_here(pilot.solver, f'{self.name}, which counts FLOPs,')
    asked = len(getattr(pilot.solver, 'problems', ()))
    if asked < fit.FEWEST:
      raise ValueError(
        f'{self.pilot} asks {asked} questions, too few to fit an allocation '
        f'on; give it {fit.FEWEST} or more.'
      )
    ran = {
      action_name(repr(arm.strategy), budget)
      for arm in pilot.arms
      for budget in arm.budgets
    }
    missing = [name for name in self.actions if name not in ran]
    if missing:
      raise ValueError(
        f'the action {missing[0]} is in no arm of {self.pilot}; add it there.'
      )

  def __call__(self, run: StageRun) -> None:
    """Reads the records of the pilot and writes allocation.json."""
    recordings = Recordings.read(run.input(self.pilot))
    ladders = [tuple(ladder.actions) for ladder in self.ladders]
    fitted = fit.fit(recordings, ladders, run.seed)
    text = fitted.to_json().encode('utf-8')
    records.write_atomic(run.folder / FILE, text)

  def show(self, run: StageRun) -> str:
    """Text: what can be had for how many FLOPs, on held-out questions."""
    text = (run.folder / FILE).read_text(encoding='utf-8')
    allocation = Allocation.from_json(text)
    lines = [
      f'{run.label}: on {allocation.questions} questions, held out in turn'
    ]
    for flops in allocation.reach(_SHOWN):
      cascade = allocation.choose(flops)
      lines.append(
        f'  {cascade.flops:.2e} FLOPs: {100 * cascade.accuracy:.1f}%, '
        f'{" -> ".join(cascade.ladder)}'
      )
    return '\n'.join(dict.fromkeys(lines))
