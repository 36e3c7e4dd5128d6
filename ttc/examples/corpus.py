"""Synthetic pretraining corpus for the worksheet task.

A document is one question with one or more attempts, like drafts followed by
their revisions in a real corpus:

    prompt  attempt <revise> attempt <revise> attempt <eos>

All arithmetic is true. A share of the lines misses its target, so that a model
learns to compute results rather than to write the target. The next attempt
copies most lines that hit: a tiny model does not learn to copy unless
pretraining requires it, and revising is mostly copying.
"""

import dataclasses
import functools

import numpy as np

from ttc.data.worksheet import Worksheet
from ttc.examples.documents import Document
from ttc.runtime import limits


@dataclasses.dataclass(frozen=True)
class Corpus:
  """Distribution of the documents.

  Attributes:
    attempts: relative frequencies of documents with 1, 2, ... attempts.
    miss: probability that a line misses its target, by the level of its goal.
    draft: factor on `miss` in the first of several attempts.
    redo: factor on `miss` where the previous attempt's line missed.
    keep: probability that a line that hit is copied by the next attempt;
      otherwise another line that hits is drawn.
    end_right: whether all lines hit in the last of several attempts.
    seed: seed of all random draws.

  Raises:
    ValueError: a weight, probability or factor is out of its range.
  """

  attempts: tuple[float, ...] = (6.0, 1.0, 1.0, 0.0, 1.0)
  miss: tuple[float, ...] = (0.02, 0.15, 0.28, 0.38, 0.48)
  draft: float = 1.0
  redo: float = 1.0
  keep: float = 0.97
  end_right: bool = False
  seed: int = 0

  def __post_init__(self):
    if not sum(self.attempts) > 0 or min(self.attempts) < 0:
      raise ValueError(
        f'Corpus.attempts={self.attempts}; give weights of which none is '
        'negative and at least one is positive.'
      )
    if not all(0 <= share <= 1 for share in (*self.miss, self.keep)):
      raise ValueError(
        f'Corpus.miss={self.miss} and keep={self.keep}; every share must be '
        'in [0, 1].'
      )
    limits.real(self, 'draft', 'redo', least=0)
    limits.whole(self, 'seed', least=0, most=limits.LARGEST_SEED)

  def longest(self, task: Worksheet) -> int:
    """Returns the largest number of tokens in a document."""
    attempts = max(i for i, weight in enumerate(self.attempts, 1) if weight)
    goals = max(task.goals)
    # As `_prompt_tokens` and `_attempt_tokens` write them.
    return 4 * goals + 1 + 12 * goals * attempts

  def documents(self, task: Worksheet, begin: int, end: int) -> list[Document]:
    """Returns the documents numbered begin..end-1 of an endless corpus.

    A document depends on the seed and its own number alone, so that workers may
    divide the numbers in any way. Questions come from the split 'pretrain'.

    Args:
      task: the questions, and the true lines over their numbers.
      begin: first number, from 0.
      end: one more than the last number.

    Raises:
      ValueError: the task has no question in 'pretrain', or `miss` does not
        have one probability per level of the task.
    """
    questions = task.questions('pretrain')
    if not len(questions):
      raise ValueError(
        f'A corpus asks questions of the split pretrain, but num_pretrain='
        f'{task.num_pretrain}; give 1 or more.'
      )
    if len(self.miss) != len(task.levels) - 1:
      raise ValueError(
        f'Corpus.miss={self.miss} has {len(self.miss)} shares for the '
        f'{len(task.levels) - 1} levels of the task; give one per level.'
      )
    A, K = len(self.attempts), questions.shape[1]
    # Two draws per document and three per line. Philox makes four numbers per
    # tick of its counter, and only whole ticks can be skipped.
    ticks = -(-(2 + A * K * 3) // 4)
    # Counter-based, so that a worker jumps to its first document at no cost.
    stream = np.random.Philox(self.seed).advance(begin * ticks)
    uniform = np.random.Generator(stream).random((end - begin, 4 * ticks))

    question = (uniform[:, 0] * len(questions)).astype(int)
    goals, first_id = questions[question], task.first_id('pretrain')
    edge = np.cumsum(self.attempts)
    count = 1 + np.searchsorted(edge, uniform[:, 1] * edge[-1], side='right')
    lines = self._write(
      task, goals, count, uniform[:, 2 : 2 + A * K * 3].reshape(-1, A, K, 3)
    )

    # Documents of equal shape are encoded together.
    documents = [None] * (end - begin)
    size = (goals >= 0).sum(axis=1)
    for k, a in np.unique(np.stack([size, count], axis=1), axis=0):
      rows = np.flatnonzero((size == k) & (count == a))
      prompt = _prompt_tokens(task, goals[rows, :k])
      attempts = _attempt_tokens(task, goals[rows, :k], lines[rows, :a, :k])
      block = np.concatenate([prompt, attempts], axis=1)
      for row, tokens in zip(rows, block, strict=True):
        documents[row] = Document(
          tokens, prompt.shape[1], first_id + int(question[row])
        )
    return documents

  def _write(self, task, goals, count, uniform):
    """Draws the lines of all attempts.

    Args:
      task: source of the lines.
      goals: int [n, K], -1 beyond the goals of a question.
      count: int [n], attempts per document.
      uniform: float [n, A, K, 3] in [0, 1).

    Returns:
      int [n, A, K], lines of `task.table`. Entries beyond a question's goals or
      a document's attempts hold arbitrary lines.
    """
    miss = np.array(self.miss)[task.goal_levels(goals) - 1]
    line, hits = np.zeros_like(goals), np.zeros(goals.shape, bool)
    lines = []
    for a in range(uniform.shape[1]):
      copy, lose, pick = np.moveaxis(uniform[:, a], -1, 0)
      if a == 0:
        share = np.where(count[:, None] == 1, miss, miss * self.draft)
      else:
        last = (count == a + 1)[:, None]
        share = np.where(self.end_right & last, 0.0, miss * self.redo)
      copied = hits & (copy < self.keep)
      missed = ~hits & (lose < share)
      anew = np.where(
        missed,
        task.table.draw_miss(goals, pick),
        task.table.draw_hit(goals, pick),
      )
      line = np.where(copied, line, anew)
      hits = ~missed  # a copied line is one that hit
      lines.append(line)
    return np.stack(lines, axis=1)


def _prompt_tokens(task: Worksheet, goals: np.ndarray) -> np.ndarray:
  """Encodes questions of k goals [n, k] as prompts, int32 [n, 4 k + 1]."""
  tokens = _token_tables(task)[0][goals].reshape(len(goals), -1)
  end = np.full((len(goals), 1), task.vocabulary.encode('?')[0], np.int32)
  return np.concatenate([tokens, end], axis=1)


def _attempt_tokens(
  task: Worksheet, goals: np.ndarray, lines: np.ndarray
) -> np.ndarray:
  """Encodes attempts one after another.

  Args:
    task: source of the texts.
    goals: int [n, k].
    lines: int [n, a, k].

  Returns:
    int32 [n, 12 a k]. A line has 12 tokens, of which the last is a newline, or
    `<revise>` or `<eos>` at the end of an attempt.
  """
  questions, answers = _token_tables(task)
  label = questions[goals, :1]
  label = np.broadcast_to(label[:, None], (*lines.shape, 1))
  tokens = np.concatenate([label, answers[lines]], axis=-1)
  tokens[:, :, -1, -1] = task.vocabulary.revise_id
  tokens[:, -1, -1, -1] = task.vocabulary.eos_id
  return tokens.reshape(len(lines), -1)


@functools.lru_cache(maxsize=4)
def _token_tables(task: Worksheet) -> tuple[np.ndarray, np.ndarray]:
  """Returns tokens of goals [G, 4], and of lines without their label [D, 11].

  A line's last token is a newline.
  """
  encode = task.vocabulary.encode
  goals = [encode(goal) for goal in task.goal_texts]
  lines = [encode(f'{line}\n') for line in task.table.lines]
  return np.array(goals, np.int32), np.array(lines, np.int32)
