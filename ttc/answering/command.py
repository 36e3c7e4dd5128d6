"""`ttc solve` at work, and the questions that it reads."""

import argparse
from collections.abc import Sequence
import sys

from ttc.answering import asked, offers, opening, printing
from ttc.answering.exits import guarded
from ttc.answering.replies import replies
from ttc.data import jsonl
from ttc.pipeline.experiment import Load


def run(options: argparse.Namespace, rest: Sequence[str], load: Load) -> int:
  """Prints answers, in the order of the questions.

  Args:
    options: of the command line.
    rest: arguments that its parser does not know: gin bindings.
    load: `configuration.load`.

  Returns:
    The exit code, as of `guarded`.
  """
  return guarded(lambda: _solve(options, rest, load), options.debug)


def _solve(
  options: argparse.Namespace, rest: Sequence[str], load: Load
) -> None:
  run = opening.opened(options, rest, load)
  seed = run.experiment.seeds[0] if options.seed is None else options.seed
  run.check_seeds([seed])
  offered = offers.of(run.experiment, options.only)
  offer = offers.chosen(offered, options.strategy)
  budget = max(offer.budgets) if options.budget is None else options.budget
  questions = _questions(options)
  own = offer.stage.solver
  problems = asked.posed(own.task, own.split, questions)
  folder = offers.finished(run.root, seed)
  stage = offer.stage_for(problems, budget, folder)
  found = {r.question: r for r in replies(stage, problems, seed)}
  for index, question in enumerate(questions):
    if options.json:
      print(printing.as_json(found[question], options.show))
    else:
      print('\n' * (index > 0) + printing.text(found[question], options.show))
  sys.stdout.flush()


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
  path = jsonl.located(options.questions)
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
