"""Grades answers and finds which of them say the same.

    with Grader() as grader:
      grader.grade(r'\\frac{1}{2}', 'So it is \\boxed{0.5}.', kind='response')

The cheap part runs here and settles nearly all pairs in tens of microseconds;
the rest go to worker processes (`ttc.grading.pool`), which start when the
first such pair comes. Any thread may call; nothing that a model writes raises.
"""

from collections.abc import Hashable, Iterable, Sequence
from concurrent import futures
import dataclasses
import functools
import os

from ttc.grading import classes, extraction, parser
from ttc.grading.answer import Answer
from ttc.grading.comparison import same
from ttc.grading.extraction import Extraction
from ttc.grading.pool import WorkerPool

KINDS = ('answer', 'response')


@dataclasses.dataclass(frozen=True)
class Verdict:
  """What a grader says of one answer.

  Attributes:
    correct: whether it is the reference answer.
    reason: 'equal' or, of wrong ones, 'different', 'no answer', 'cut short'
      (the text ends within its answer), 'too long', and what stopped a worker:
      'timeout', 'memory', 'too deep', 'crash'.
    answer: the answer that was graded, or None.
  """

  correct: bool
  reason: str
  answer: str | None


@dataclasses.dataclass(frozen=True)
class Limits:
  """What an answer may cost.

  Attributes:
    seconds: processor time of a pair in a worker.
    megabytes: memory of a worker's child.
    characters: longer answers equal only what is written the same.
  """

  seconds: float = 0.5
  megabytes: int = 1024
  characters: int = 2000


class _CrashError(RuntimeError):
  """A worker ended for no reason of the answer's, as far as one can tell."""


class Grader:
  """Compares answers with references and with each other.

  Args:
    workers: processes for hard pairs; None takes the cores, at most 8; 0 is
      none, so that such pairs count as different.
    limits: what an answer may cost.
    remembered: pairs whose verdict is kept.
  """

  def __init__(
    self,
    workers: int | None = None,
    limits: Limits = Limits(),
    remembered: int = 100_000,
  ):
    count = min(os.cpu_count() or 1, 8) if workers is None else workers
    if count < 0 or limits.seconds <= 0 or limits.characters < 1:
      raise ValueError(
        f'{count} workers with {limits}: workers must be at least 0, seconds '
        'positive and characters at least 1.'
      )
    self._limits = limits
    self._workers = count
    self._pool = WorkerPool(count, limits.seconds, limits.megabytes)
    self._outcome = functools.lru_cache(remembered)(self._compared)

  def __enter__(self) -> 'Grader':
    return self

  def __exit__(self, *exception) -> None:
    self.close()

  def __reduce__(self):
    return Grader, (self._workers, self._limits)

  def close(self) -> None:
    """Ends the worker processes; the next hard pair starts new ones."""
    self._pool.close()

  def grade(self, gold: str, pred: str | None, kind: str = 'answer') -> Verdict:
    r"""Whether `pred` gives the reference answer.

    Args:
      gold: the reference; where it is boxed or marked (`#### 5`), what is.
      pred: a bare answer or a whole response; None is no answer.
      kind: 'answer' or 'response', that is, whether it is to be extracted by
        the rules of `ttc.grading.extraction`.

    Raises:
      ValueError: the reference is empty, or the kind another.
    """
    reference = extraction.unwrap(gold).answer
    if reference is None:
      raise ValueError('the reference answer is empty; leave the row out.')
    found = self.extract(pred, kind)
    if found.answer is None:
      return Verdict(False, 'cut short' if found.cut else 'no answer', None)
    try:
      outcome = self._outcome(reference, found.answer)
    except _CrashError:
      outcome = 'crash'
    return Verdict(outcome == 'equal', outcome, found.answer)

  def grade_many(
    self, rows: Iterable[tuple[str, str | None, str]]
  ) -> list[Verdict]:
    """Verdicts of (gold, pred, kind) in order; hard pairs run side by side."""
    rows = list(rows)
    with futures.ThreadPoolExecutor(max(self._workers, 1)) as executor:
      try:
        return list(executor.map(lambda row: self.grade(*row), rows))
      except BaseException:  # stopped: do not wait for what is under way
        executor.shutdown(wait=False, cancel_futures=True)
        self.close()
        raise

  def extract(self, pred: str | None, kind: str = 'answer') -> Extraction:
    """The answer within a text of this kind."""
    if kind not in KINDS:
      raise ValueError(f'kind is {kind!r}; it is one of {", ".join(KINDS)}.')
    if not pred:
      return Extraction(None)
    if kind == 'response':
      return extraction.extract(pred)
    return extraction.unwrap(pred)

  def canonical(self, answer: str) -> str:
    """A name for an answer, equal for answers that cheap means find equal."""
    read = self._read(answer)
    return f'long {answer}' if read is None else classes.key(read)[0]

  def classes(self, answers: Sequence[str | None]) -> list[int]:
    """Which answers say the same: a class each, -1 where there is none.

    Classes are numbered by first appearance; which answers share one does not
    depend on the order. The reference plays no part, so here 80% is 80.
    """
    given = [
      answer if answer and answer.strip() else None for answer in answers
    ]
    read = [None if answer is None else self._read(answer) for answer in given]
    slow: set[int] = set()

    def equal(i: int, j: int) -> bool:
      found = same(read[i], read[j])
      if found is None and not slow & {i, j}:
        reply = self._asked(given[i], given[j], lenient=False)
        found = reply.get('same')
        if 'failed' in reply:
          slow.update((i, j))
      return bool(found)

    numbers = classes.classes(read, equal)
    return _with_long(given, read, numbers)

  def _read(self, answer: str) -> Answer | None:
    """The structure of an answer; None where it is too long for one."""
    if len(answer) > self._limits.characters:
      return None
    return parser.read(answer)

  def _compared(self, gold: str, pred: str) -> str:
    if gold == pred:
      return 'equal'
    if max(len(gold), len(pred)) > self._limits.characters:
      return 'too long'
    unknown = False
    for reference in parser.alternatives(gold):
      found = same(parser.read(reference), parser.read(pred), lenient=True)
      if found:
        return 'equal'
      unknown |= found is None
    if not unknown:
      return 'different'
    reply = self._asked(gold, pred, lenient=True)
    if reply.get('failed') == 'crash':
      raise _CrashError(pred)  # not to be remembered
    return reply.get('failed') or ('equal' if reply['same'] else 'different')

  def _asked(self, gold: str, pred: str, lenient: bool) -> dict:
    if not self._workers:
      return {'same': None}
    return self._pool.ask({'gold': gold, 'pred': pred, 'lenient': lenient})


def _with_long(
  given: list[str | None], read: list[Answer | None], numbers: list[int]
) -> list[int]:
  """Adds classes for answers too long to read: one for each text."""
  names: dict[Hashable, int] = {}
  return [
    -1
    if text is None
    else names.setdefault(text if answer is None else number, len(names))
    for text, answer, number in zip(given, read, numbers, strict=True)
  ]
