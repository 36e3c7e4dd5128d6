"""The explorer: every question, and what was tried on it, beside the page.

    explorer/seed-0/index.js        the table of questions
    explorer/seed-0/chunk-0007.js   some questions with their attempts

The files are scripts, because a page that was opened from a disk may load those
and nothing else. Each calls a function of the page with plain JSON in ASCII;
model text is among it, as strings, in which every character that could harm a
reader is escaped.
"""

from collections.abc import Iterator, Sequence
import pathlib

from ttc.analysis.study import Study
from ttc.data.problems import Problem
from ttc.pages import attempts, question_index
from ttc.runtime import storage
from ttc.runtime.canonical_json import canonical

FOLDER = 'explorer'
_CHUNK = 1 << 17  # characters, after which a chunk ends


def write(
  folder: pathlib.Path,
  root: pathlib.Path,
  study: Study,
  problems: Sequence[Problem],
  delimiter: str,
  limit: int | None,
) -> None:
  """Writes the files of a seed below the folder of a report.

  Args:
    folder: of the report.
    root: of the seed.
    study: of the same seed.
    problems: texts of questions; those of others are not shown.
    delimiter: text that ends a step.
    limit: number of questions whose attempts are written, the first ones; None
      for all. The table has all questions.
  """
  own = folder / FOLDER / f'seed-{study.seed}'
  storage.make_folder(own)
  chosen = study.problem[:limit].tolist()
  starts, first = [], 0
  for texts in _chunks(root, chosen, problems):
    told = f'"seed":{study.seed},"first":{first}'
    body = f'{{{told},"questions":[{",".join(texts)}]}}'
    _write(own, f'chunk-{len(starts):04d}.js', 'Chunk', body)
    starts.append(first)
    first += len(texts)
  index = question_index.columns(study, problems)
  index |= {'chunks': starts, 'explored': first, 'delimiter': delimiter}
  _write(own, 'index.js', 'Index', canonical(index))


def html(seeds: Sequence[int]) -> str:
  """Where the script of the page shows the explorer of these seeds."""
  names = ' '.join(map(str, seeds))
  return (
    '<p class="note">Every question, and what each strategy made of it. Its '
    'files are in the folder explorer beside this page.</p>'
    '<noscript><p>The explorer needs JavaScript.</p></noscript>'
    f'<div id="explorer" data-seeds="{names}" aria-live="polite"></div>'
  )


def _chunks(
  root: pathlib.Path, chosen: Sequence[int], problems: Sequence[Problem]
) -> Iterator[list[str]]:
  """Yields JSON of questions in their order, as much as fits a chunk."""
  by_id = {problem.id: problem for problem in problems}
  arms = attempts.read(root, chosen)
  ledgers = attempts.ledgers(root, chosen)
  held, size = [], 0
  for id in chosen:
    question = {
      'id': id,
      **attempts.asked(by_id.get(id)),
      'arms': arms.pop(id),
      'ledger': ledgers[id],
    }
    text = canonical(question)
    if held and size + len(text) > _CHUNK:
      yield held
      held, size = [], 0
    held.append(text)
    size += len(text)
  if held:
    yield held


def _write(folder: pathlib.Path, name: str, what: str, body: str) -> None:
  script = f'ttc{what}({body});\n'
  storage.write_atomic(folder / name, script.encode('ascii'))
