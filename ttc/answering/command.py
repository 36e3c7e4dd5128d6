"""`ttc solve` at work: the questions that it reads, and its errors."""

import argparse
from collections.abc import Callable, Sequence
import pathlib
import signal
import sys
import traceback
from typing import Any

from ttc.answering import asked, offers, printing
from ttc.answering.replies import replies
from ttc.data import jsonl
from ttc.runtime import storage, termination
from ttc.runtime.safe_text import printable
from ttc.runtime.termination import Terminated

_WORK_FAILED, _CANNOT_START = 1, 2
_CONFIG = 'config.gin'

# Of gin files and bindings, and whether to check inputs: the experiment first.
Load = Callable[[Sequence[str], Sequence[str], bool], Sequence[Any]]


def run(options: argparse.Namespace, rest: Sequence[str], load: Load) -> int:
  """Prints answers, in the order of the questions.

  Args:
    options: of the command line.
    rest: arguments that its parser does not know: gin bindings.
    load: `configuration.load`.

  Returns:
    The exit code: 0; 1 if work failed; 2 if nothing can be answered, with one
    line that says why; 128 + signal number if stopped.
  """
  try:
    with termination.handling():
      _solve(options, rest, load)
  except BrokenPipeError:
    raise  # of no importance, and the command's to tell from others
  except (ValueError, OSError) as error:
    if storage.unreachable(error):
      raise
    if options.debug:
      traceback.print_exc()
    told = ' '.join(str(error).split())
    bad = isinstance(error, ValueError)
    return _fail(f'ttc: {told}', _CANNOT_START if bad else _WORK_FAILED)
  except KeyboardInterrupt:
    return _fail('ttc: stopped.', 128 + signal.SIGINT)
  except Terminated:
    return _fail('ttc: stopped.', 128 + signal.SIGTERM)
  return 0


def _solve(
  options: argparse.Namespace, rest: Sequence[str], load: Load
) -> None:
  strange = [x for x in rest if not x.startswith('--gin.') or '=' not in x]
  if strange:
    raise ValueError(f'unknown argument {strange[0]!r}; see ttc solve --help')
  if not options.run and not options.gin_file:
    raise ValueError(
      'name a finished run with --run=FOLDER, such as runs/quickstart, or an '
      'experiment with --gin_file=PATH.'
    )
  root = storage.absolute(options.run) if options.run else None
  files = options.gin_file or [str(_recorded(root))]
  bindings = [x.removeprefix('--gin.') for x in rest]
  experiment = load(files, bindings, False)[0]
  seed = experiment.seeds[0] if options.seed is None else options.seed
  if seed not in experiment.seeds:
    raise ValueError(
      f'--seed={seed} is none of the seeds {experiment.seeds} of '
      f'{experiment.name}, whose models answer; name one of them.'
    )
  offered = offers.of(experiment, options.only)
  offer = offers.chosen(offered, options.strategy)
  budget = max(offer.budgets) if options.budget is None else options.budget
  questions = _questions(options)
  own = offer.stage.solver
  problems = asked.posed(own.task, own.split, questions)
  stage = offer.stage_for(
    problems, budget, offers.finished(root or experiment.root, seed)
  )
  found = {r.question: r for r in replies(stage, problems, seed)}
  for index, question in enumerate(questions):
    if options.json:
      print(printing.as_json(found[question], options.show))
    else:
      print('\n' * (index > 0) + printing.text(found[question], options.show))
  sys.stdout.flush()


def _recorded(root: pathlib.Path) -> pathlib.Path:
  """The configuration of a run, as its latest command recorded it.

  Raises:
    ValueError: the folder is none of a run.
  """
  found = list(root.glob(f'seed-*/*/{_CONFIG}')) if root.is_dir() else []
  if not found:
    raise ValueError(
      f'--run={root} holds no run ({_CONFIG} of a stage in seed-*/); give the '
      'folder of an experiment, such as runs/quickstart.'
    )
  return max(found, key=storage.modified)


def _questions(options: argparse.Namespace) -> list[str]:
  """The questions of the command line, of a file, or of standard input.

  Raises:
    ValueError: there is none, or a line of the file holds none.
  """
  if options.question is not None:
    return [options.question]
  if options.questions is None:
    # One more than is allowed, so that what is too long is seen to be.
    return [sys.stdin.read(asked.LONGEST + 1).strip()]
  path = storage.local(options.questions)
  questions = []
  for line, fields in jsonl.read_objects(str(path)):
    try:
      questions.append(jsonl.text(fields, options.field) or '')
    except jsonl.MissingFieldError as error:
      raise ValueError(
        f'{path}: line {line}: {error} Name another with --field.'
      ) from error
  if not questions:
    raise ValueError(f'--questions={path} has no lines; write one a question.')
  return questions


def _fail(text: str, code: int) -> int:
  print(printable(text), file=sys.stderr, flush=True)
  return code
