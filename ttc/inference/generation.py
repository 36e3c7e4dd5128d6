"""How attempts are sampled."""

import dataclasses

from ttc.inference import sampling


@dataclasses.dataclass(frozen=True)
class Generation:
  """Settings that every strategy shares.

  Attributes:
    temperature: of the proposer; 0 is greedy.
    top_p: nucleus mass kept.
    max_tokens: an attempt that reaches this many tokens stops unfinished.
    max_step_tokens: a step that reaches this many tokens counts as ended.
  """

  temperature: float = 0.7
  top_p: float = 1.0
  max_tokens: int = 1024
  max_step_tokens: int = 128

  def __post_init__(self):
    if not 1 <= self.max_step_tokens <= self.max_tokens:
      raise ValueError(
        f'Generation.max_step_tokens={self.max_step_tokens} must be between '
        f'1 and max_tokens={self.max_tokens}.'
      )
    sampling.check(self.temperature, self.top_p)
