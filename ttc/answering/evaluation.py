"""`ttc evaluate` at work: strategies judged on questions with references.

    OUTPUT/seed-0/search/...    records, as the stages of the run write them
    OUTPUT/evaluation.json      the standings, for programs
    OUTPUT/table.txt            the same, as they are printed

Nothing is trained. What is computed is kept as that of any run: a finished
stage is skipped, an unfinished one continued.
"""

import argparse
import collections
from collections.abc import Mapping, Sequence
import contextlib
import pathlib
import sys
from typing import Any

import numpy as np

from ttc.answering import judged, offers, opening, standings
from ttc.answering.asked import Asked
from ttc.answering.exits import guarded
from ttc.answering.judged import ByBudget
from ttc.answering.opening import Opened
from ttc.answering.references import References
from ttc.answering.settings import joined, Setting, several
from ttc.answering.standings import Standing
from ttc.data import jsonl
from ttc.pipeline import contents, fingerprint, records
from ttc.pipeline.experiment import Experiment, Load
from ttc.pipeline.origin import Origin
from ttc.pipeline.place import Place
from ttc.pipeline.run_log import RunLog
from ttc.pipeline.stage import StageRun
from ttc.runtime import storage
from ttc.runtime.progress import duration
from ttc.stages.arms import Armed

FILE, _TABLE = 'evaluation.json', 'table.txt'
_KEPT = 'Finished parts are kept; the same command continues after them.'
_SHOWN = 3  # differences of a folder that is refused


def run(
  options: argparse.Namespace, rest: Sequence[str], load: Load, command: str
) -> int:
  """Prints the standings of strategies on questions, and stores them.

  Args:
    options: of the command line.
    rest: arguments that its parser does not know: gin bindings.
    load: `configuration.load`.
    command: the command line, for the records.

  Returns:
    The exit code, as of `exits.guarded`.
  """
  work = lambda: _evaluate(options, rest, load, command)
  return guarded(work, options.debug, _KEPT)


def _evaluate(
  options: argparse.Namespace, rest: Sequence[str], load: Load, command: str
) -> None:
  opened = opening.opened(options, rest, load)
  seeds = options.seed or opened.experiment.seeds[:1]
  opened.check_seeds(seeds)
  output = storage.absolute(options.output)
  storage.check_folder(output)
  if output in (opened.root, *opened.root.parents):
    raise ValueError(
      f'--output={options.output} is the folder of the run itself, or one '
      'that it is in; give another one.'
    )
  offered = offers.of(opened.experiment, options.only)
  settings = several(offered, options.strategy, options.budget)
  own = settings[0].offer.stage.solver
  path = jsonl.located(options.questions)
  references = References(path, options.field, options.answer)
  references = references.read(own.task, own.split)
  tasks = [setting.offer.stage.solver.task for setting in settings]
  unlike = {id(task): task for task in tasks}  # one for most experiments
  asked = {key: references.asked_by(task) for key, task in unlike.items()}
  stages = {seed: _stages(settings, asked, opened, seed) for seed in seeds}
  place = Place(
    output,
    tuple(seeds),
    tuple(stage.name for stage in stages[seeds[0]]),
    command=command,
    config=opened.config,
    mixed=options.allow_mixed,
  )
  runs = [
    (stage, StageRun(stage, place, seed))
    for seed in seeds
    for stage in stages[seed]
  ]
  for _, one in runs:
    _check_begun(one)
  # First what may find, when it begins, that its budget is too small.
  runs.sort(key=lambda own: own[0].kind != 'allocate')
  _work(runs, output, command)
  print(_conclude(settings, references, runs, opened.root, output), flush=True)


def _stages(
  settings: Sequence[Setting],
  asked: Mapping[int, Asked],
  opened: Opened,
  seed: int,
) -> list[Armed]:
  """The stages that answer, with the models of a seed.

  Args:
    settings: what is to be judged.
    asked: the questions, by the id of the task that poses them.
    opened: the experiment.
    seed: of the models.

  Raises:
    ValueError: budgets do not fit, all of which are told, a model is missing,
      or does not fit.
  """
  folder = offers.finished(opened.root, seed)
  made, faults = [], {}
  for _, offer, budget in settings:
    posed = asked[id(offer.stage.solver.task)]
    try:
      made.append(offer.stage_asking(posed, budget, folder))
    except ValueError as error:
      faults[str(error)] = None
  if faults:
    raise ValueError(' '.join(faults))
  stages = joined(made)
  Experiment('evaluate', tuple(stages), seeds=(seed,)).check()
  return stages


def _check_begun(run: StageRun) -> None:
  """Raises ValueError for a folder that was begun with something else."""
  before = Origin.read(run.folder)
  if before is None:
    return
  changed = [
    *contents.differences(before.files or {}, run.origin.files),
    *fingerprint.differences(before.bindings, run.origin.bindings),
  ]
  if changed:
    more = f'; and {len(changed) - _SHOWN} more' * (len(changed) > _SHOWN)
    raise ValueError(
      f'{run.folder} was begun with other questions or settings '
      f'({"; ".join(changed[:_SHOWN])}{more}); repeat those, or give another '
      '--output.'
    )


def _work(
  runs: Sequence[tuple[Armed, StageRun]], output: pathlib.Path, command: str
) -> None:
  """Does what is left of the stages."""
  log = RunLog()
  labels = [run.label for _, run in runs]
  log.begin(output, process=(0, 1), command=command, stages=labels)
  try:
    for _, run in runs:
      if run.is_complete():
        told = 'skipped'
      else:
        log.stage(run.label)
        told = duration(run.work())
      print(f'{run.label}: complete, {told}', file=sys.stderr, flush=True)
  except Exception as error:
    log.end(1, str(error))
    raise
  log.end(0)


def _conclude(
  settings: Sequence[Setting],
  references: References,
  runs: Sequence[tuple[Armed, StageRun]],
  root: pathlib.Path,
  output: pathlib.Path,
) -> str:
  """Writes the standings; returns them as text."""
  found: dict[tuple[int, str], ByBudget] = {}
  skipped: dict[int, str] = {}
  for stage, run in runs:
    own, without = judged.read(stage, run.folder, references.problems)
    found[run.seed, stage.name] = own
    skipped |= without
  kept = np.array(
    [p.id for p in references.problems if p.id not in skipped], int
  )
  seeds = list(dict.fromkeys(run.seed for _, run in runs))
  entries = []
  for name, offer, budget in settings:
    key = repr(offer.strategy) if offer.strategy else '', budget
    own = [found[seed, offer.stage.name][key].at(kept) for seed in seeds]
    entries.append(Standing(name, budget, own))
  rows, claims = standings.table(entries), standings.differences(entries)
  without = collections.Counter(references.without) + collections.Counter(
    skipped.values()
  )
  facts: dict[str, Any] = {
    'run': str(root),
    'questions': str(references.path),
    'asked': len(kept),
    'left_out': dict(without),
    'seeds': seeds,
    'table': rows,
    'differences': [claim.to_json() for claim in claims],
  }
  title = f'{root} on {len(kept)} questions of {references.path}'
  if shared := _fitted_on(settings, kept):
    facts['fitted_on'] = shared
    title += f'; {shared} of them fitted the policy, which is too good on those'
  if n := references.unread:
    title += f'; {references.answer!r} of {n} lines is not read, since these '
    title += 'questions tell what answers them'
  text = standings.text(f'{title}{_told(without)}', rows, claims)
  for name, data in ((FILE, records.canonical(facts)), (_TABLE, text)):
    records.write_atomic(output / name, f'{data}\n'.encode())
  return text


def _fitted_on(settings: Sequence[Setting], asked: np.ndarray) -> int:
  """How many of the questions, by id, a policy was fitted on."""
  for setting in settings:
    if setting.name in (offers.POLICY, offers.REVISIONS):
      # Without the file of those questions no id is one of theirs.
      with contextlib.suppress(ValueError, OSError):
        own = [p.id for p in setting.offer.stage.solver.problems]
        return int(np.isin(asked, own).sum())
  return 0


def _told(without: Mapping[str, int]) -> str:
  return ''.join(f'; {n} left out: {why}' for why, n in without.items())
