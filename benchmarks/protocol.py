"""What every side is asked to do: token ids, forced step lengths, one model.

Random weights emit no separators, so the length of each step comes from a seed
by (question, round, row), and nothing else ends a row. All rows of every round
are grown, so the number of new tokens does not depend on which rows a verifier
prefers. Numpy only: the opponents' environment reads this too.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Protocol:
  """A workload.

  Attributes:
    questions: how many.
    prompt: tokens of each.
    shortest: tokens of a step, at least.
    longest: tokens of a step, at most.
    rounds: steps of a solution (D).
    budget: rows per question (N).
    width: children of a kept prefix (M).
    seed: of prompts and lengths.
  """

  questions: int = 64
  prompt: int = 128
  shortest: int = 16
  longest: int = 48
  rounds: int = 8
  budget: int = 16
  width: int = 4
  seed: int = 0

  def prompts(self, vocab: int) -> np.ndarray:
    """Token ids [questions, prompt]."""
    rng = np.random.default_rng(self.seed)
    return rng.integers(1, vocab, (self.questions, self.prompt))

  def lengths(self, question: int) -> np.ndarray:
    """Tokens of each step [rounds, budget]."""
    rng = np.random.default_rng((self.seed, 1, question))
    return rng.integers(
      self.shortest, self.longest + 1, (self.rounds, self.budget)
    )

  def narrow_start(self, lengths: np.ndarray) -> list[list[int]]:
    """The lengths for a search whose first round has N / M rows only.

    Args:
      lengths: [rounds, budget] of a question.

    Returns:
      Of each round, with as many tokens in all: those of the rows that are
      not there are dealt out to the rows of the last round.
    """
    rows = [step.tolist() for step in lengths]
    first = self.budget // self.width
    each, left = divmod(sum(rows[0][first:]), self.budget)
    rows[0] = rows[0][:first]
    rows[-1] = [n + each + (i < left) for i, n in enumerate(rows[-1])]
    return rows

  @property
  def most(self) -> int:
    """Tokens of the longest possible row, prompt included."""
    return self.prompt + self.rounds * self.longest

  def new_tokens(self, questions: int) -> int:
    """Tokens that the first so many questions gain in all."""
    return int(sum(self.lengths(q).sum() for q in range(questions)))

  def floor(self, questions: int) -> int:
    """Token-forwards that cannot be avoided, proposer and verifier together.

    Each model reads a prompt once and each new token once.
    """
    return 2 * (questions * self.prompt + self.new_tokens(questions))


# 60 million parameters, shaped like today's small Llamas.
MODEL = dict(
  vocab_size=8192,
  hidden_size=640,
  intermediate_size=1728,
  num_hidden_layers=12,
  num_attention_heads=10,
  num_key_value_heads=5,
  head_dim=64,
  rms_norm_eps=1e-6,
  max_position_embeddings=2048,
  tie_word_embeddings=False,
  hidden_act='silu',
  attention_bias=False,
  mlp_bias=False,
)
ROPE_THETA = 10_000.0
