"""A plan that asks a function between two steps, and feeds its text back.

Nothing in the engine knows of it: the plan adds tokens to its rows, and the
next request reads them.
"""

from collections.abc import Callable, Sequence
import dataclasses
from typing import ClassVar

import numpy as np
import pytest

from tests import testing
from tests.search import reference
from ttc.inference.requests import Extend, fork, Plan, Prefill, Question

RNG = np.random.default_rng(11)
TABLE = RNG.normal(size=(testing.WORDS, testing.WORDS))
TABLE[:, testing.PAD] = -30
TABLE[:, testing.END] -= 1.5
VALUES = RNG.normal(size=testing.WORDS)
PROMPTS = [[3, 4], [5]]
LETTERS = '_.;abcde'  # by token


def counted(text: str) -> str:
  """The tool: one of its letters stands for the length of what it reads."""
  return 'a' + LETTERS[3 + len(text) % 5]


@dataclasses.dataclass(frozen=True)
class Asking:
  """Attempts that hear what a tool says of their text after each step.

  Attributes:
    tool: from text to text; the same text for the same text.
    calls: of each attempt, at most.
  """

  verified: ClassVar[bool] = False
  tool: Callable[[str], str] = counted
  calls: int = 2

  def rows(self, budget: int) -> int:
    return budget

  def slots(self, budget: int) -> int:
    return budget  # rows wait for each other where the tool is asked

  def plan(self, question: Question, budget: int) -> Plan:
    root = question.root()
    yield Prefill([root])
    rows = fork([root], [0] * budget)
    for _ in range(self.calls):
      yield Extend(rows, steps=1)
      for row in rows:
        said = [*map(LETTERS.index, self.tool(spell(row.attempt)))]
        if not row.done and len(row.tokens) + len(said) < row.limit:
          row.tokens += said
    yield Extend(rows)
    return rows


def spell(tokens: Sequence[int]) -> str:
  return ''.join(LETTERS[token % len(LETTERS)] for token in tokens)


def said(tokens: Sequence[int], ends: np.ndarray, most: int, room: int):
  """Which tokens of an attempt are the tool's, found in the attempt alone."""
  own = np.zeros(len(tokens), bool)
  at = 0
  for _ in range(Asking.calls):
    step = 0
    while at < len(tokens):
      at, step = at + 1, step + 1
      if ends[tokens[at - 1]] or step == most:
        break
    text = [*map(LETTERS.index, counted(spell(tokens[:at])))]
    if at < len(tokens) and at + len(text) < room:
      assert tokens[at : at + len(text)] == text
      own[at : at + len(text)] = True
      at += len(text)
  return own


def test_what_is_sampled_follows_from_what_the_tool_said():
  for slots in (32, 4):
    models = testing.scripted_models(TABLE, VALUES)
    solutions = testing.solve(Asking(), 4, models, *PROMPTS, slots=slots)
    questions = testing.questions(models, *PROMPTS)
    for question, solution in zip(questions, solutions, strict=True):
      rows, _, _ = reference.interpret(
        Asking().plan(question, 4), TABLE, VALUES, most=4
      )
      assert testing.tokens(solution) == [row.attempt for row in rows]


def test_its_text_is_read_and_not_sampled():
  """Each token costs one reading of either model, and no more than that."""
  models = testing.scripted_models(TABLE, VALUES)
  ends, log = models.marks[0], TABLE - np.log(np.exp(TABLE).sum(1))[:, None]
  heard = 0
  for prompt, solution in zip(
    PROMPTS, testing.solve(Asking(), 4, models, *PROMPTS), strict=True
  ):
    length = told = 0
    for attempt in solution.attempts:
      own = said(attempt.tokens, ends, most=4, room=12)
      before = [prompt[-1], *attempt.tokens[:-1]]
      sampled = log[before, attempt.tokens][~own].sum()
      assert attempt.logprob == pytest.approx(sampled, abs=1e-4)
      length, told = length + len(own), told + own.sum()
    cost = solution.cost
    assert cost['proposer_decode'][0] == length - told
    assert cost['proposer_prefill'][0] == len(prompt) - 1 + told
    assert cost['verifier_prefill'][0] == len(prompt)
    assert cost['verifier_decode'][0] == length
    heard += told
  assert heard


def test_models_that_look_back_see_it():
  """Probability of the sampled tokens and values of all, in whole attempts."""
  models = testing.looking_back(max_step_tokens=4)
  heard = 0
  for solution in testing.solve(Asking(), 4, models, *PROMPTS):
    prompt = solution.question.prompt
    for attempt in solution.attempts:
      own = said(attempt.tokens, models.step_end, most=4, room=12)
      log, values = testing.read_whole(models, prompt, attempt.tokens)
      np.testing.assert_allclose(attempt.logprob, log[~own].sum(), rtol=1e-3)
      ended = models.step_end[attempt.tokens]
      ended[-1] = True
      np.testing.assert_allclose(attempt.values, values[ended], rtol=1e-3)
      heard += own.sum()
  assert heard
