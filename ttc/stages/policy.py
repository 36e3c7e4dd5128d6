"""`ttc policy`: which strategy to spend a budget on, for each difficulty.

The policies written here are fitted on all questions, to be used. How good
such a policy is on questions that did not choose it is the report's business.
"""

from collections.abc import Mapping
import dataclasses
import json
from typing import ClassVar

from ttc.analysis import difficulty, study
from ttc.analysis.policy import Policy
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun

_FILE = 'policy.json'


@dataclasses.dataclass(frozen=True)
class FitPolicy:
  """Fits policies over strategies of search and ratios of revision.

  The file `policy.json` is {"search": {"oracle": policy, "predicted":
  policy}, "revise": the same}, as far as these were run.

  Attributes:
    difficulty: the stage whose samples make the bins.
    search: the stage with strategies by budget.
    revise: the stage with chains of revisions; '' for none.
    subsets: random subsets behind every point made from a larger pool.
    name: of the stage.
  """

  kind: ClassVar[str] = 'policy'
  alone: ClassVar[bool] = True
  difficulty: str = 'difficulty'
  search: str = 'search'
  revise: str = 'revise'
  subsets: int = 100
  name: str = 'policy'

  def check(self, experiment: Experiment) -> None:
    """Needs difficulty and arms before it."""
    for source in self._sources().values():
      experiment.source(self, source)

  def __call__(self, run: StageRun) -> None:
    """Writes the policies."""
    folders = {use: run.input(name) for use, name in self._sources().items()}
    measured = study.load(
      run.folder.parent,
      run.seed,
      subsets=self.subsets,
      **{use: str(folder) for use, folder in folders.items()},
    )
    thresholds = _thresholds(measured)
    fitted = {
      'search': measured.search_optimal,
      'revise': measured.revision_optimal.get('verifier'),
    }
    tree = {
      side: {
        kind: json.loads(
          dataclasses.replace(p, thresholds=thresholds[kind]).to_json()
        )
        for kind, p in optimal.policies.items()
      }
      for side, optimal in fitted.items()
      if optimal is not None
    }
    text = records.canonical(tree)
    records.write_atomic(run.folder / _FILE, f'{text}\n'.encode('ascii'))

  def show(self, run: StageRun) -> str:
    """A line for each bin: the arm at each budget, by predicted difficulty."""
    tree = json.loads((run.folder / _FILE).read_text(encoding='utf-8'))
    lines = []
    for side, kinds in tree.items():
      kind = 'predicted' if 'predicted' in kinds else min(kinds)
      policy = Policy.from_json(json.dumps(kinds[kind]))
      lines.append(f'{run.label}: {side}, bins by {kind} difficulty')
      lines += [
        f'  bin {bin}: '
        + ', '.join(f'{n}: {policy.arms[bin, n]}' for n in policy.budgets)
        for bin in policy.bins
      ]
    return '\n'.join(lines)

  def _sources(self) -> dict[str, str]:
    stages = {
      'difficulty': self.difficulty,
      'search': self.search,
      'revise': self.revise,
    }
    return {use: name for use, name in stages.items() if name}


def _thresholds(measured: study.Study) -> Mapping[str, tuple[float, ...]]:
  """Easiness at which bins begin, by kind of bins."""
  pool = measured.difficulty
  found = {'oracle': difficulty.oracle(pool.correct).thresholds}
  if pool.values is not None:
    found['predicted'] = difficulty.predicted(pool.score()).thresholds
  return found
