"""How attempts are sampled."""

import dataclasses
from typing import Any

from ttc.runtime import limits

# Below, logits that are divided by the temperature can overflow float32.
_COLDEST = 1e-6


@dataclasses.dataclass(frozen=True)
class Generation:
  """Settings that every strategy shares.

  Attributes:
    temperature: of the proposer; 0 is greedy, and else at least 1e-6.
    top_p: nucleus mass kept.
    max_tokens: an attempt that reaches this many tokens stops unfinished.
    max_step_tokens: a step that reaches this many tokens counts as ended.
    certainty: whether it is recorded how certain the proposer was of the tokens
      of an attempt, see `sampling.certainty`. Samples are the same.
  """

  temperature: float = 0.7
  top_p: float = 1.0
  max_tokens: int = 1024
  max_step_tokens: int = 128
  certainty: bool = dataclasses.field(
    default=False, metadata={'recorded': 'changed'}
  )

  def __post_init__(self):
    limits.whole(self, 'max_tokens', 'max_step_tokens')
    check_temperature(self)
    limits.real(self, 'top_p', above=0, most=1)


def check_temperature(owner: Any) -> None:
  """Raises ValueError unless `owner.temperature` can be sampled at."""
  if owner.temperature != 0:
    limits.real(owner, 'temperature', least=_COLDEST)
