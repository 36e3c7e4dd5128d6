"""Real sets of questions with reference answers: MATH, GSM8K, your own.

    finetune file ---- pretrain (a share by hash) | finetune
    test file -------- test

A question is asked in one split only: of those in both files the test keeps
its own. What cannot be asked or graded is left out and counted.
"""

import collections
from collections.abc import Iterator, Sequence
import dataclasses
import functools
import hashlib
import re

import numpy as np

from ttc.data.jsonl import JsonRow, Rows
from ttc.data.problems import Grade, Problem
from ttc.data.sentencepiece import SentencePiece
from ttc.data.templates import Template
from ttc.data.tokenizer import Tokenizer
from ttc.grading import extraction
from ttc.grading.grader import Grader

SPLITS = ('test', 'finetune', 'pretrain')
HOW = ('boxed', 'marked', 'said', 'number')
_SPECIAL = re.compile(r'<\|[^<>|\s]+\|>|<(?:start|end)_of_turn>|</?s>|<[be]os>')
_BESIDE = [chr(code) for code in range(33, 127)]


@dataclasses.dataclass(frozen=True)
class Questions:
  """Questions from files, asked through a template, graded by their answers.

  Attributes:
    vocabulary: of the model.
    template: text around a question. Questions that it has as shots are left
      out of all splits.
    finetune: to learn from.
    test: to be measured on.
    delimiter: a token holding it ends a step.
    accepted: where an answer may stand in a response, of HOW; 'number', the
      last number of the text, makes nearly every attempt count as answered.
    pretrain: share of the finetuning questions that form the split 'pretrain'
      instead; 0 leaves it empty.
    workers: processes for answers that are hard to compare; None takes the
      cores, at most 8.
  """

  vocabulary: Tokenizer | SentencePiece
  template: Template
  finetune: Rows
  test: Rows
  delimiter: str = '\n'
  accepted: tuple[str, ...] = ('boxed', 'marked', 'said')
  pretrain: float = 0.0
  workers: int | None = None

  def __post_init__(self):
    if not self.accepted or not set(self.accepted) <= set(HOW):
      raise ValueError(
        f'Questions.accepted={self.accepted}; list one or more of {HOW}.'
      )
    if not 0 <= self.pretrain < 1:
      raise ValueError(
        f'Questions.pretrain={self.pretrain} is a share of the finetuning '
        'questions, in [0, 1).'
      )
    for number, (_, solution) in enumerate(self.template.shots, start=1):
      how = extraction.extract(solution).how
      if how not in self.accepted:
        raise ValueError(
          f'The solution of shot {number} ends in an answer that would not '
          f'be graded (found as {how or "none"!r}, '
          f'Questions.accepted={self.accepted}); write it as '
          r'`#### x` or \boxed{x}, or accept that form.'
        )

  def problems(self, split: str) -> list[Problem]:
    """Problems of one split, in the order of their file.

    Raises:
      ValueError: for an unknown split, a file or line that cannot be read, or
        a template or delimiter that does not fit the tokenizer.
    """
    return self._splits[_known(split)][0]

  def left_out(self, split: str) -> dict[str, int]:
    return dict(self._splits[_known(split)][1])

  def prompt(self, problem: Problem) -> str:
    return self.template(problem.question)

  def prompt_tokens(self, problem: Problem) -> list[int]:
    if problem.id not in self._prompts:
      tokens = self.vocabulary.encode_template(self.prompt(problem))
      self._prompts[problem.id] = np.array(tokens, np.int32)
    return self._prompts[problem.id].tolist()

  def grade(self, problem: Problem, text: str) -> Grade:
    return self.grade_all(problem, [text])[0]

  def grade_all(self, problem: Problem, texts: Sequence[str]) -> list[Grade]:
    """Grades whose answers are equal where any rule finds them equal.

    The name of an answer is that of its class: the least among its members'.
    The reference has no say in who votes with whom.
    """
    found = [self._answer(text) for text in texts]
    given = [answer for answer in found if answer is not None]
    verdicts = iter(
      self._grader.grade_many(
        (problem.answer, answer, 'answer') for answer in given
      )
    )
    classes = iter(self._grader.classes(given))
    names: dict[int, str] = {}
    drafts = []
    for answer in found:
      if answer is None:
        drafts.append((None, False))
        continue
      number, name = next(classes), self._grader.canonical(answer)
      names[number] = min(name, names.get(number, name))
      drafts.append((number, next(verdicts).correct))
    return [
      Grade(None if number is None else names[number], correct)
      for number, correct in drafts
    ]

  def _answer(self, text: str) -> str | None:
    found = extraction.extract(text)
    return found.answer if found.how in self.accepted else None

  @functools.cached_property
  def _grader(self) -> Grader:
    return Grader(self.workers)

  @functools.cached_property
  def _prompts(self) -> dict[int, np.ndarray]:
    return {}

  @functools.cached_property
  def _splits(self) -> dict[str, tuple[list[Problem], collections.Counter]]:
    self._check()
    splits = {name: ([], collections.Counter()) for name in SPLITS}
    shots = {_key(question) for question, _ in self.template.shots}
    seen: dict[str, str] = {}
    for id, (split, row) in enumerate(self._rows()):
      problems, left_out = splits[split]
      reason = self._reason(split, row, shots, seen)
      if reason:
        left_out[reason] += 1
        continue
      seen[_key(row.question)] = split
      problems.append(
        Problem(id, row.question, row.answer, row.level, row.solution)
      )
    return splits

  def _rows(self) -> Iterator[tuple[str, JsonRow]]:
    """The test first, so that ids and who keeps a question never change."""
    for row in self.test.read():
      yield 'test', row
    for row in self.finetune.read():
      digest = hashlib.sha256(_key(row.question).encode()).digest()
      share = int.from_bytes(digest[:8], 'big') / 2**64
      yield 'pretrain' if share < self.pretrain else 'finetune', row

  def _reason(
    self, split: str, row: JsonRow, shots: set[str], seen: dict[str, str]
  ) -> str:
    """Why a row is left out; '' where it is not."""
    key = _key(row.question)
    if extraction.unwrap(row.answer).answer is None:
      return 'no reference answer'
    if key in shots:
      return 'a shot of the prompt'
    if key in seen:
      return 'asked twice' if seen[key] == split else 'asked in the test'
    special = self.vocabulary.spelt_special(row.question)
    return f'spells the special token {special}' if special else ''

  def _check(self) -> None:
    """Raises ValueError where template, tokens and delimiter do not fit."""
    vocabulary, whole = self.vocabulary, self.template('')
    for spelt in sorted(set(_SPECIAL.findall(whole))):
      if vocabulary.spelt_special(spelt) != spelt:
        raise ValueError(
          f'The template spells {spelt}, which is no special token of '
          f'{vocabulary.path}; take the template of its family.'
        )
    if vocabulary.encode_template(whole)[-1:] == [vocabulary.eos_id]:
      raise ValueError(
        f'The template ends in {vocabulary.piece(vocabulary.eos_id)}, the '
        'end of a solution; let it stop where the solution begins.'
      )
    split = [
      text
      for text in _BESIDE
      if not any(
        self.delimiter in vocabulary.piece(token)
        for token in vocabulary.encode(f'{text}{self.delimiter}a')
      )
    ]
    if split:
      raise ValueError(
        f'The tokenizer of {vocabulary.path} splits the delimiter '
        f'{self.delimiter!r} over tokens, after {" ".join(split[:10])} for '
        "example; end steps with a text that one token holds, such as '\\n'."
      )


def _key(question: str) -> str:
  """What makes two questions one: all but space and case."""
  return re.sub(r'\s+', '', question).lower()


def _known(split: str) -> str:
  if split not in SPLITS:
    raise ValueError(f'{split!r} is no split; choose one of {SPLITS}.')
  return split
