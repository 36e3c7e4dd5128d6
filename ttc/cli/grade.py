"""`ttc grade`: grades the answers in a JSONL file.

    ttc grade --input=answers.jsonl --output=graded.jsonl

Each row has a reference answer (`gold`) and the answer to grade (`pred`), which
is bare or within a whole response (`kind`). The output has the same rows with
`correct` and `reason` added. It appears when all rows are graded, and an
existing file is never overwritten.
"""

import argparse
import collections
from collections.abc import Iterator
import contextlib
import itertools
import json
import os
import pathlib
import signal
import sys
from typing import TextIO
import uuid

from ttc.data import answer_rows
from ttc.data.answer_rows import AnswerFields, AnswerRow
from ttc.runtime import storage, termination
from ttc.runtime.safe_text import printable
from ttc.runtime.termination import Terminated

_CHUNK = 512  # rows graded together
_SHOWN_ERRORS = 5
_STOPPED = 'ttc: stopped; nothing was written.'
_WORK_FAILED, _CANNOT_START = 1, 2


_EXAMPLE = """\
for example, from answers.jsonl with rows such as

  {"gold": "1/2", "pred": "So it is \\\\boxed{0.5}", "kind": "response"}
  {"gold": "12", "pred": "13"}

  ttc grade --input=answers.jsonl --output=graded.jsonl

writes them with "correct" and "reason", and prints the accuracy. Where fields
have other names: --gold_field=answer --pred_field=output --kind=response
"""


class InputError(ValueError):
  """The command line or the input is wrong; nothing has been written."""


def add_parser(stages) -> None:
  """Adds `grade` to the subparsers of `ttc`."""
  parser = stages.add_parser(
    'grade',
    help='grade the answers in a JSONL file',
    description='Grade the answers in a JSONL file: add `correct` and\n'
    '`reason` to each row, and print accuracy, timeouts and truncated answers.',
    epilog=_EXAMPLE,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )
  parser.add_argument(
    '--input', required=True, metavar='PATH', help='JSON lines, maybe .gz'
  )
  parser.add_argument(
    '--output', required=True, metavar='PATH', help='a new file'
  )
  for name, text in {
    'gold': 'the reference answer',
    'pred': 'the answer or response',
    'kind': f'what pred is, {" or ".join(answer_rows.KINDS)}, row by row',
    'truncated': 'true where the text hit the token limit',
    'correct': 'where the verdict is written',
    'reason': 'where the reason for it is written',
  }.items():
    parser.add_argument(
      f'--{name}_field',
      default=name,
      metavar='NAME',
      help=f'field of {text} ({name})',
    )
  parser.add_argument(
    '--kind',
    choices=answer_rows.KINDS,
    default='answer',
    help='what pred is in rows without a kind (default: answer)',
  )
  parser.add_argument(
    '--workers',
    type=int,
    metavar='N',
    help='processes for hard pairs (default: number of cores, at most 8)',
  )
  parser.add_argument(
    '--seconds',
    type=float,
    metavar='S',
    help='processor time limit for a hard pair (default: 0.5)',
  )


def run(options: argparse.Namespace) -> int:
  """Grades a file; prints errors and returns the exit code as `ttc run`."""
  try:
    with termination.handling():
      print(_run(options), flush=True)
  except InputError as error:
    return _fail(f'ttc: {error}', _CANNOT_START)
  except KeyboardInterrupt:
    return _fail(_STOPPED, 128 + signal.SIGINT)
  except Terminated:
    return _fail(_STOPPED, 128 + signal.SIGTERM)
  except (OSError, RuntimeError) as error:
    return _fail(f'ttc: {error}', _WORK_FAILED)
  return 0


def _run(options: argparse.Namespace) -> str:
  try:
    source, target = map(storage.local, (options.input, options.output))
    fields = _fields(options)
  except ValueError as error:
    raise InputError(str(error)) from error
  version = storage.version(source) if source.is_file() else None
  count = _check(source, target, fields)
  from ttc.grading.grader import Grader, Limits
  from ttc.runtime.progress import Progress

  limits = {} if options.seconds is None else {'seconds': options.seconds}
  try:
    grader = Grader(options.workers, Limits(**limits))
  except ValueError as error:
    raise InputError(str(error)) from error
  tally = _Tally()
  progress = Progress(f'grade {printable(source.name)}', count, 'rows')
  with grader, _new_file(target) as file:
    rows = _rows(source, fields)
    while chunk := list(itertools.islice(rows, _CHUNK)):
      gradable = [row for row in chunk if row.gold]
      verdicts = grader.grade_many((r.gold, r.pred, r.kind) for r in gradable)
      for verdict in verdicts:
        progress.judge({'accuracy': (verdict.correct, 1)})
      following = iter(verdicts)
      for row in chunk:
        verdict = next(following) if row.gold else None
        tally.add(row, verdict)
        file.write(_line(row, verdict, options))
      progress.advance(len(chunk))
    progress.close()
    if storage.version(source) != version:
      raise InputError(
        f'{source} was changed while its rows were graded; nothing was '
        'written. Run the command again.'
      )
  return tally.text(target)


def _line(row: AnswerRow, verdict, options: argparse.Namespace) -> str:
  added = {
    options.correct_field: verdict.correct if verdict else None,
    options.reason_field: verdict.reason if verdict else 'no reference',
  }
  return f'{row.text}, {json.dumps(added)[1:]}\n'


class _Tally:
  """Counts verdicts, separately for truncated texts."""

  def __init__(self):
    self._graded = collections.Counter()  # (truncated, correct)
    self._reasons = collections.Counter()
    self._left_out = 0

  def add(self, row: AnswerRow, verdict) -> None:
    if verdict is None:
      self._left_out += 1
      return
    truncated = row.truncated or verdict.reason == 'cut short'
    self._graded[truncated, verdict.correct] += 1
    self._reasons[verdict.reason] += 1

  def text(self, target: pathlib.Path) -> str:
    from ttc.grading.grader import UNDECIDED

    right, cut_right = self._graded[False, True], self._graded[True, True]
    whole = right + self._graded[False, False]
    cut = cut_right + self._graded[True, False]
    lines = [
      ('accuracy', _share(right + cut_right, whole + cut)),
      ('  of whole answers', _share(right, whole)),
      ('  of truncated answers', _share(cut_right, cut)),
      ('timeouts', str(self._reasons['timeout'])),
    ]
    for reason in ('no answer', *UNDECIDED):
      if self._reasons[reason] and reason != 'timeout':
        lines.append((reason, str(self._reasons[reason])))
    if self._left_out:
      lines.append(('no reference, left out', str(self._left_out)))
    lines.append(('written to', printable(str(target))))
    return '\n'.join(f'{name:<24}{value}' for name, value in lines)


def _share(right: int, total: int) -> str:
  return f'{right / total:.4f}  ({right} of {total})' if total else 'none'


def _fields(options: argparse.Namespace) -> AnswerFields:
  return AnswerFields(
    gold=options.gold_field,
    pred=options.pred_field,
    kind=options.kind_field,
    truncated=options.truncated_field,
    added=(options.correct_field, options.reason_field),
    default=options.kind,
  )


def _check(
  source: pathlib.Path, target: pathlib.Path, fields: AnswerFields
) -> int:
  """Validates the arguments and all rows; returns the number of rows.

  Raises:
    InputError: names the first wrong rows, each with its line number.
  """
  if not source.is_file():
    raise InputError(f'--input: there is no file {source}.')
  if not target.parent.is_dir():
    raise InputError(f'--output: there is no folder {target.parent}.')
  if target.exists():
    raise InputError(
      f'--output: {target} exists; delete it or name another file, it is not '
      'written over.'
    )
  count, errors = 0, []
  for _ in _rows(source, fields, errors):
    count += 1
  if errors:
    shown = '\n'.join(errors[:_SHOWN_ERRORS])
    more = len(errors) - _SHOWN_ERRORS
    raise InputError(f'{shown}\nand {more} more' if more > 0 else shown)
  if not count:
    raise InputError(f'--input: {source} has no rows.')
  return count


def _rows(
  source: pathlib.Path,
  fields: AnswerFields,
  errors: list[str] | None = None,
) -> Iterator[AnswerRow]:
  try:
    yield from fields.rows(source, errors)
  except ValueError as error:
    raise InputError(f'--input: {error}') from error


@contextlib.contextmanager
def _new_file(path: pathlib.Path) -> Iterator[TextIO]:
  """A file that appears at `path` on success and leaves nothing on error."""
  # A name of its own, for another process may grade to the same path.
  temporary = path.with_name(f'.{path.name}.{uuid.uuid4().hex[:8]}.tmp')
  try:
    with open(temporary, 'x', encoding='ascii') as file:
      yield file
      file.flush()
      os.fsync(file.fileno())
    try:
      os.link(temporary, path)  # which fails, unlike a rename, if path exists
    except OSError as error:
      if path.exists():
        raise InputError(f'{path} was written by another process.') from error
      os.replace(temporary, path)  # a disk without hard links
  finally:
    temporary.unlink(missing_ok=True)


def _fail(text: str, code: int) -> int:
  print(printable(text), file=sys.stderr, flush=True)
  return code
