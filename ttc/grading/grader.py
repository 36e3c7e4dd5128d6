"""Grades answers against references, and groups equal answers for voting.

    with Grader() as grader:
      grader.grade(r'\\frac{1}{2}', 'So it is \\boxed{0.5}.', kind='response')

Nearly all pairs are decided in this process, in tens of microseconds. Size and
not time limits that work: patterns and loops over model text are linear, an
answer of more than `Limits.characters` is not read, and nesting
(`expressions.expression`), numbers and the work for one expression
(`expressions.exact`) have limits. The pairs left open go to worker processes
(`ttc.grading.pool`), which have limits of time and memory. They start with the
first such pair.

Any thread may call. Model text never raises: an exception while one answer is
graded is a defect of this package, which costs that answer alone.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent import futures
import dataclasses
import functools
import logging
import math
import os
from typing import Any

from ttc.expressions import parser
from ttc.expressions.answer import Answer
from ttc.grading import choice, classes, extraction
from ttc.grading.comparison import same
from ttc.grading.extraction import Extraction
from ttc.grading.pool import WorkerError, WorkerPool

KINDS = ('answer', 'response')
UNDECIDED = ('unsure', 'too long', 'timeout', 'memory', 'too deep', 'crash')
_REASONS = {True: 'equal', False: 'different', None: 'unsure'}
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Verdict:
  """The grade of one answer.

  Attributes:
    reason: 'equal' or, for wrong answers, 'different', 'no answer', 'cut short'
      (the text ends within its answer), 'too long', 'unsure' (no digits or
      rules that we have tell it from the reference), 'timeout', 'memory' and
      'too deep' (a worker reached that limit), 'crash' (a worker died, or
      grading raised an exception), or 'no reference' where there was none.
    answer: the answer that was graded, or None.
  """

  reason: str
  answer: str | None = None

  @property
  def correct(self) -> bool:
    return self.reason == 'equal'

  @property
  def undecided(self) -> str:
    """The reason, if the answer may be right for all that the grader knows."""
    return self.reason if self.reason in UNDECIDED else ''


@dataclasses.dataclass(frozen=True)
class Limits:
  """Limits on the cost of grading one answer.

  Attributes:
    seconds: processor time for one pair in a worker.
    megabytes: memory of the child process of a worker.
    characters: length above which an answer is not read, and equals only the
      same text. Responses may have any length; this is for what is extracted.
  """

  seconds: float = 0.5
  megabytes: int = 1024
  characters: int = 2000


class _UsageError(ValueError):
  """The caller passed arguments that cannot be graded."""


class Grader:
  """Compares answers with references and with each other.

  Args:
    workers: number of processes for hard pairs. None is the number of cores, at
      most 8. With 0 such pairs are unsure.
    limits: limits on the cost of one answer.
    remembered: number of pairs whose outcome is cached.
  """

  def __init__(
    self,
    workers: int | None = None,
    limits: Limits = Limits(),
    remembered: int = 100_000,
  ):
    count = min(os.cpu_count() or 1, 8) if workers is None else workers
    timed = 0 < limits.seconds < math.inf  # and no NaN
    if count < 0 or not timed or limits.characters < 1:
      raise ValueError(
        f'{count} workers with {limits}: workers must be at least 0, seconds '
        'positive and finite, and characters at least 1.'
      )
    self._limits = limits
    self._workers = count
    self._pool = WorkerPool(count, limits.seconds, limits.megabytes)
    self._decided = functools.lru_cache(remembered)(self._compared)
    self._remembered = remembered
    self._replies: dict[tuple[str, str, bool], dict] = {}  # to hard pairs

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
    r"""Compares the answer in `pred` with the reference.

    Args:
      gold: the reference answer, bare, boxed, or marked (`#### 5`).
      pred: a bare answer or a whole response; None is no answer.
      kind: 'answer' or 'response'. From a response the answer is extracted by
        the rules of `ttc.grading.extraction`.

    Raises:
      ValueError: the reference is empty, or the kind is unknown.
      WorkerError: workers cannot be started.
    """
    return self.grade_many([(gold, pred, kind)])[0]

  def grade_many(
    self, rows: Iterable[tuple[str, str | None, str]]
  ) -> list[Verdict]:
    """Verdicts of rows (gold, pred, kind), in order; see `grade`."""
    drafts = [
      _guarded(functools.partial(self._draft, *row), Verdict('crash'))
      for row in rows
    ]
    hard = [draft for draft in drafts if not isinstance(draft, Verdict)]
    replies = iter(self._ask([(*pair, True) for pair in hard]) if hard else ())
    return [
      draft
      if isinstance(draft, Verdict)
      else Verdict(_reason(next(replies)), draft[1])
      for draft in drafts
    ]

  def _draft(
    self, gold: str, pred: str | None, kind: str
  ) -> Verdict | tuple[str, str]:
    """The verdict, or the reference and answer if a worker has to decide."""
    reference = extraction.unwrap(gold).answer
    if reference is None:
      raise _UsageError('the reference answer is empty; leave the row out.')
    extracted = _extracted(pred, kind)
    answer = extracted.answer
    if answer is None:
      return Verdict('cut short' if extracted.cut else 'no answer')
    if reference == answer:
      return Verdict('equal', answer)
    if max(len(reference), len(answer)) > self._limits.characters:
      return Verdict('too long', answer)  # and keeps it out of the caches
    reason = self._decided(reference, answer)
    if reason is None and self._workers:
      return reference, answer
    return Verdict(reason or 'unsure', answer)

  def extract(self, pred: str | None, kind: str = 'answer') -> Extraction:
    """Extracts the answer from a text of this kind; see `grade`."""
    return _guarded(lambda: _extracted(pred, kind), Extraction(None))

  def canonical(self, answer: str) -> str:
    """A name for an answer, equal for answers with the same exact form."""
    structure = self._read(answer)
    return f'long {answer}' if structure is None else classes.key(structure)[0]

  def classes(self, answers: Sequence[str | None]) -> list[int]:
    """Groups equal answers.

    Args:
      answers: all answers that vote with each other; None or blank is none.

    Returns:
      The class of each answer, numbered by first appearance; -1 for no answer.
      Which answers share a class does not depend on their order. The reference
      plays no part, so here 80% equals 80 and not 0.8.
    """
    texts = [text if text and text.strip() else None for text in answers]
    read = [None if answer is None else self._read(answer) for answer in texts]
    slow: set[int] = set()

    def equal(pairs: Sequence[tuple[int, int]]) -> list[bool]:
      truths = [
        _guarded(functools.partial(same, read[i], read[j]), False)
        for i, j in pairs
      ]
      hard = [
        pair
        for pair, truth in zip(pairs, truths, strict=True)
        if truth is None and not slow.intersection(pair)
      ]
      if not hard:
        return list(map(bool, truths))
      questions = [(*sorted((texts[i], texts[j])), False) for i, j in hard]
      replies = dict(zip(hard, self._ask(questions), strict=True))
      for pair, reply in replies.items():
        if 'failed' in reply:  # either may fail in every pair: once is enough
          slow.update(pair)
      return [
        bool(truth or replies.get(pair, {}).get('same'))
        for pair, truth in zip(pairs, truths, strict=True)
      ]

    names: dict[Hashable, int] = {}  # of classes, or texts that were not read
    return [
      -1
      if text is None
      else names.setdefault(text if answer is None else number, len(names))
      for text, answer, number in zip(
        texts, read, classes.classes(read, equal), strict=True
      )
    ]

  def _read(self, answer: str) -> Answer | None:
    """The structure of an answer; None if it is too long or crashes."""
    if len(answer) > self._limits.characters:
      return None
    # With its key, which voting takes: if that crashes, then here.
    return _guarded(
      lambda: classes.key(parser.read(answer)) and parser.read(answer), None
    )

  def _compared(self, gold: str, pred: str) -> str | None:
    unknown = False
    for reference in parser.alternatives(gold):
      for one, other in choice.pairs(reference, pred):
        truth = same(parser.read(one), parser.read(other), lenient=True)
        if truth:
          return 'equal'
        unknown |= truth is None
    return None if unknown else 'different'

  def _ask(self, questions: list[tuple[str, str, bool]]) -> list[dict]:
    """Replies of the workers to (gold, pred, lenient), in parallel.

    Threads only wait for workers, which can be killed. The rest is done by the
    calling thread, which a signal interrupts.
    """
    if not self._workers:
      return [{'same': None}] * len(questions)
    new = [q for q in dict.fromkeys(questions) if q not in self._replies]
    if len(new) < 2:
      return list(map(self._reply, questions))
    with futures.ThreadPoolExecutor(self._workers) as executor:
      try:
        found = dict(zip(new, executor.map(self._reply, new), strict=True))
      except BaseException:  # a signal: do not wait for pairs under way
        executor.shutdown(wait=False, cancel_futures=True)
        self.close()
        raise
    return [found.get(q) or self._reply(q) for q in questions]

  def _reply(self, question: tuple[str, str, bool]) -> dict:
    if question in self._replies:
      return self._replies[question]
    fields = dict(zip(('gold', 'pred', 'lenient'), question, strict=True))
    reply = _guarded(lambda: self._pool.ask(fields), {'failed': 'crash'})
    # A crash is not remembered: the pair may have had no part in it.
    if reply.get('failed') != 'crash' and (
      len(self._replies) < self._remembered
    ):
      self._replies[question] = reply
    return reply


def _reason(reply: dict) -> str:
  return reply.get('failed') or _REASONS[reply['same']]


def _guarded(work: Callable[[], Any], crashed: Any) -> Any:
  """The result of `work`, or `crashed` if it raises what only defects raise."""
  try:
    return work()
  except (_UsageError, WorkerError):
    raise
  except Exception as error:
    _log.warning(
      'ttc.grading crashed on an answer, which counts as wrong: %.200r', error
    )
    return crashed


def _extracted(pred: str | None, kind: str) -> Extraction:
  if kind not in KINDS:
    raise _UsageError(f'kind is {kind!r}; it is one of {", ".join(KINDS)}.')
  extract = extraction.extract if kind == 'response' else extraction.unwrap
  return extract(pred) if pred else Extraction(None)
