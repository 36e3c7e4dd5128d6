"""The task of questions with reference answers: MATH, GSM8K, or your own.

    finetune file ---- pretrain (a share by hash) | finetune
    test file -------- test

A question belongs to one split only; one that is in both files belongs to the
test. Questions that cannot be asked or graded are left out and counted.

Where questions have choices the answer is a letter, and graded as such.
"""

import collections
from collections.abc import Iterator, Sequence
import dataclasses
import functools
import hashlib
import re
import string

import numpy as np

from ttc.data.chat_template import ChatTemplate
from ttc.data.choices import ChoiceRows
from ttc.data.jsonl import is_missing, JsonRow, Rows
from ttc.data.problems import Grade, Problem
from ttc.data.sentencepiece import SentencePiece
from ttc.data.templates import foreign_marker, Template
from ttc.data.tokenizer import Tokenizer
from ttc.grading import extraction, letters
from ttc.grading.extraction import Extraction
from ttc.grading.grader import Grader, Verdict
from ttc.runtime import limits
from ttc.runtime.safe_text import quoted

SPLITS = ('test', 'finetune', 'pretrain')
HOW = ('boxed', 'marked', 'said', 'number')
# Printable ASCII, any of which may precede the delimiter in a text.
_BESIDE = [chr(code) for code in range(33, 127)]


@dataclasses.dataclass(frozen=True)
class Questions:
  """Questions from files, asked through a template, graded by their answers.

  Implements `problems.Task`.

  Attributes:
    vocabulary: vocabulary of the model.
    template: text around a question. Questions that are its shots are left out
      of all splits.
    finetune: file of the splits 'finetune' and 'pretrain'; None for none.
    test: file of the split 'test'.
    delimiter: text that ends a step; a token whose text contains it ends one.
    accepted: accepted ways to mark the answer in a response, from HOW.
      'number', the last number of the text, finds an answer in nearly every
      attempt.
    pretrain: share of the questions in `finetune` that form the split
      'pretrain' instead, in [0, 1).
    workers: processes that compare difficult answers; None means the number of
      cores, at most 8.
    choices: letters of the choices, such as 'ABCD', where answers are letters;
      '' where they are mathematics.

  Raises:
    ValueError: `accepted`, `pretrain` or `choices` is out of its range, or a
      shot of the template ends in an answer that is not accepted.
  """

  vocabulary: Tokenizer | SentencePiece
  template: Template | ChatTemplate
  finetune: Rows | ChoiceRows | None
  test: Rows | ChoiceRows
  delimiter: str = '\n'
  accepted: tuple[str, ...] = ('boxed', 'marked', 'said')
  pretrain: float = 0.0
  workers: int | None = None
  choices: str = dataclasses.field(default='', metadata={'recorded': 'changed'})

  def __post_init__(self):
    if not self.accepted or not set(self.accepted) <= set(HOW):
      raise ValueError(
        f'Questions.accepted={self.accepted}; list one or more of {HOW}.'
      )
    limits.real(self, 'pretrain', least=0, below=1)  # a share of `finetune`
    limits.whole(self, 'workers', least=0)  # 0 is this process
    self._check_choices()
    for number, (_, solution) in enumerate(self.template.shots, start=1):
      how = self._extract(solution).how
      if how not in self.accepted:
        raise ValueError(
          f'The solution of shot {number} ends in an answer that would not '
          f'be graded (found as {how or "none"!r}, '
          f'Questions.accepted={self.accepted}); write it as '
          r'`#### x` or \boxed{x}, or accept that form.'
        )

  def problems(self, split: str) -> list[Problem]:
    """Returns the problems of a split, in the order of their file.

    Raises:
      ValueError: the split is unknown, a file or line cannot be read, or the
        template or delimiter does not fit the tokenizer.
    """
    return self._splits[_known(split)][0]

  def left_out(self, split: str) -> dict[str, int]:
    return dict(self._splits[_known(split)][1])

  def check_asked(self, questions: Sequence[str]) -> None:
    """Checks that questions that are in no file can be asked.

    Raises:
      ValueError: template or delimiter do not fit the tokenizer, or a question
        spells a special token.
    """
    self._check()
    for question in questions:
      if special := self.vocabulary.spelt_special(question):
        raise ValueError(
          f'the question {quoted(question, 60)} spells the special token '
          f'{special}; take it out.'
        )

  def prompt(self, problem: Problem) -> str:
    return self.template(problem.question)

  def prompt_tokens(self, problem: Problem) -> list[int]:
    if not problem.answer:
      # In no file: nobody knows how many there will be, or whose id it has.
      return self.vocabulary.encode_template(self.prompt(problem))
    # Cached as int32, because lists of Python integers take far more memory.
    if problem.id not in self._prompts:
      tokens = self._encode(self.prompt(problem))
      self._prompts[problem.id] = np.array(tokens, np.int32)
    return self._prompts[problem.id].tolist()

  def grade(self, problem: Problem, text: str) -> Grade:
    return self.grade_all(problem, [text])[0]

  def grade_all(self, problem: Problem, texts: Sequence[str]) -> list[Grade]:
    """Grades attempts, with equal answers wherever a rule finds them equal.

    Equal answers form a class, which is called by the least canonical form of
    its members. The reference answer does not influence the classes; without
    one no attempt is correct.
    """
    answers = [self._answer(text) for text in texts]
    if self.choices:
      right = letters.reference(problem.answer, self.choices)
      return [
        Grade(answer, answer is not None and answer == right)
        for answer in answers
      ]
    parsed = [answer for answer in answers if answer is not None]
    verdicts = iter(
      self._grader.grade_many(
        (problem.answer, answer, 'answer') for answer in parsed
      )
      if problem.answer
      else [Verdict('no reference')] * len(parsed)
    )
    classes = iter(self._grader.classes(parsed))
    names: dict[int, str] = {}
    drafts = []
    for answer in answers:
      if answer is None:
        drafts.append((None, False, ''))
        continue
      number, name = next(classes), self._grader.canonical(answer)
      names[number] = min(name, names.get(number, name))
      verdict = next(verdicts)
      drafts.append((number, verdict.correct, verdict.undecided))
    return [
      Grade(None if number is None else names[number], correct, undecided)
      for number, correct, undecided in drafts
    ]

  def _answer(self, text: str) -> str | None:
    extracted = self._extract(text)
    return extracted.answer if extracted.how in self.accepted else None

  def _extract(self, text: str) -> Extraction:
    if self.choices:
      return letters.extract(text, self.choices)
    return self._grader.extract(text, 'response')

  def _encode(self, prompt: str) -> list[int]:
    return self.vocabulary.encode_template(prompt, self.template.begin)

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
      # Only of questions that are kept: a later copy may have an answer.
      seen[_key(row.question)] = split
      problems.append(
        Problem(
          id,
          row.question,
          row.answer,
          row.level,
          row.solution,
          row.shuffled,
        )
      )
    return splits

  def _rows(self) -> Iterator[tuple[str, JsonRow]]:
    """Yields (split, row), those of the test file first.

    Ids count the rows in this order, and the first of equal questions is kept.
    The test therefore keeps its ids and questions, whatever else changes.
    """
    for row in self.test.read():
      yield 'test', row
    for row in self.finetune.read() if self.finetune else ():
      # By hash, not by place in the file: rows may be added or reordered.
      digest = hashlib.sha256(_key(row.question).encode()).digest()
      share = int.from_bytes(digest[:8], 'big') / 2**64
      yield 'pretrain' if share < self.pretrain else 'finetune', row

  def _reason(
    self, split: str, row: JsonRow, shots: set[str], seen: dict[str, str]
  ) -> str:
    """Returns the reason to leave out a row, or '' if there is none."""
    key = _key(row.question)
    if extraction.unwrap(row.answer).answer is None:
      return 'no reference answer'
    if is_missing(row.answer):
      return f'no reference answer but {row.answer!r}'
    if self.choices and not letters.reference(row.answer, self.choices):
      return f'a reference answer that is none of {self.choices}'
    if key in shots:
      return 'a shot of the prompt'
    if key in seen:
      return 'asked twice' if seen[key] == split else 'asked in the test'
    special = self.vocabulary.spelt_special(row.question)
    return f'spells the special token {special}' if special else ''

  def _check_choices(self) -> None:
    """Raises ValueError if `choices` are no letters, or lack one of a file."""
    wanted = set(self.choices)
    if wanted - set(string.ascii_uppercase) or len(wanted) < len(self.choices):
      raise ValueError(
        f'Questions.choices={self.choices!r}; write each letter once, in upper '
        "case, such as 'ABCD'."
      )
    for rows in (self.finetune, self.test):
      if isinstance(rows, ChoiceRows) and set(rows.letters) - wanted:
        raise ValueError(
          f'Questions.choices={self.choices!r}, and ChoiceRows has '
          f'{len(rows.letters)} choices; write {rows.letters!r}.'
        )

  def _check(self) -> None:
    """Raises ValueError if template, tokenizer and delimiter do not fit."""
    vocabulary, whole = self.vocabulary, self.template('')
    # A chat template beside the tokenizer spells what the model was trained on,
    # such as Tulu's <|user|>, which is no token.
    own = getattr(self.template, 'folder', None) == vocabulary.path
    foreign = not own and foreign_marker(
      whole,
      lambda marker: vocabulary.spelt_special(marker) == marker,
      ''.join(map(vocabulary.piece, vocabulary.begin_ids)),
    )
    if foreign:
      raise ValueError(
        f'The template spells {foreign}, which is no special token of '
        f'{vocabulary.path} and would be read as text; take the template of '
        'its family.'
      )
    if self._encode(whole)[-1:] == [vocabulary.eos_id]:
      raise ValueError(
        f'The template ends in {vocabulary.piece(vocabulary.eos_id)}, the '
        'end of a solution; let it stop where the solution begins.'
      )
    # A tokenizer may merge the delimiter with the character before it and still
    # split it elsewhere; then some steps would not end where they should.
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
  """Returns the identity of a question: its text without space and case."""
  return re.sub(r'\s+', '', question).lower()


def _known(split: str) -> str:
  if split not in SPLITS:
    raise ValueError(f'{split!r} is no split; choose one of {SPLITS}.')
  return split
