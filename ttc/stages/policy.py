"""`ttc policy`: the best strategy per budget and difficulty (paper §3.1).

The policies written here are fitted on all questions, to be used on others. The
report measures by cross-validation how accurate such a policy is on questions
that it was not fitted on.
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
from ttc.runtime import limits
from ttc.stages import model_checks

FILE = 'policy.json'


@dataclasses.dataclass(frozen=True)
class FitPolicy:
  """Fits policies over search strategies and over ratios of revision.

  Writes `policy.json`: {"search": {"oracle": policy, "predicted": policy},
  "revise": {...}}, where a policy is `Policy.to_json` with the thresholds
  between its bins. Entries of stages that were not run, and of predicted bins
  without a verifier, are missing.

  Attributes:
    difficulty: name of the stage whose samples make the bins.
    search: name of the stage with strategies at budgets.
    revise: name of the stage with chains of revisions; '' for none.
    subsets: number of random subsets to average where a point uses a part of
      a larger pool.
    name: name of the stage.
  """

  kind: ClassVar[str] = 'policy'
  alone: ClassVar[bool] = True
  difficulty: str = 'difficulty'
  search: str = 'search'
  revise: str = 'revise'
  subsets: int = 100
  name: str = 'policy'

  def __post_init__(self):
    limits.whole(self, 'subsets')

  def check(self, experiment: Experiment) -> None:
    """Raises ValueError for a stage that is not earlier, or of another kind."""
    for use, name in self._sources().items():
      model_checks.check_kind(experiment, self, name, use)

  def __call__(self, run: StageRun) -> None:
    """Fits the policies and writes policy.json."""
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
    # Policies of a study have no thresholds. With them a reader of the file can
    # assign a new question to its bin.
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
    records.write_atomic(run.folder / FILE, f'{text}\n'.encode('ascii'))

  def show(self, run: StageRun) -> str:
    """Text: the arm at each budget, one line per bin.

    Bins are those of predicted difficulty, or of oracle difficulty where there
    are no others.
    """
    tree = json.loads((run.folder / FILE).read_text(encoding='utf-8'))
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
    return '\n'.join(lines) or f'{run.label}: no budget leaves a choice'

  def _sources(self) -> dict[str, str]:
    stages = {
      'difficulty': self.difficulty,
      'search': self.search,
      'revise': self.revise,
    }
    return {use: name for use, name in stages.items() if name}


def _thresholds(measured: study.Study) -> Mapping[str, tuple[float, ...]]:
  """Least easiness of each bin but the last, by kind of bins."""
  pool = measured.difficulty
  if pool is None:
    return {}
  thresholds = {'oracle': difficulty.oracle(pool.correct).thresholds}
  if pool.values is not None:
    thresholds['predicted'] = difficulty.predicted(pool.score()).thresholds
  return thresholds
