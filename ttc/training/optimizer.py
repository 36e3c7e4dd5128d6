"""AdamW (Loshchilov and Hutter 2019) with warm-up and gradient clipping.

The paper finetunes all its models with AdamW (paper §5.1, §6.1).
"""

import dataclasses
import functools
from typing import Literal

import jax
import optax

from ttc.runtime import limits


@dataclasses.dataclass(frozen=True)
class AdamW:
  """Settings; the paper states b1 = 0.9 and b2 = 0.95, and not the others.

  Attributes:
    learning_rate: peak of the schedule.
    warmup: share of all steps in which the rate increases linearly from zero.
    schedule: after warm-up, 'cosine' decay to zero at the last step, or
      'constant'.
    b1: decay rate of the first moment.
    b2: decay rate of the second moment.
    weight_decay: applied to matrices only, see `build`.
    clip: largest global norm of the gradient.

  Raises:
    ValueError: a setting is out of range or unknown.
  """

  learning_rate: float
  warmup: float = 0.05
  schedule: Literal['cosine', 'constant'] = 'cosine'
  b1: float = 0.9
  b2: float = 0.95
  weight_decay: float = 0.0
  clip: float = 1.0

  def __post_init__(self):
    limits.real(self, 'learning_rate', 'clip', above=0)
    # A share of the steps, and not their number.
    limits.real(self, 'warmup', 'b1', 'b2', least=0, below=1)
    limits.real(self, 'weight_decay', least=0)
    if self.schedule not in ('cosine', 'constant'):
      raise ValueError(
        f'AdamW.schedule={self.schedule!r} is unknown; choose '
        'cosine or constant.'
      )


def check_steps(config: AdamW, steps: int) -> None:
  """Raises ValueError where warm-up leaves no step after it."""
  if _warmup(config, steps) >= steps:
    raise ValueError(
      f'AdamW.warmup={config.warmup} takes all of the {steps} steps; lower it, '
      'or raise FitConfig.steps.'
    )


def rate(config: AdamW, steps: int) -> optax.Schedule:
  """The learning rate as a function of the step.

  Args:
    config: its settings.
    steps: number of steps of the whole run.
  """
  warmup = _warmup(config, steps)
  peak = config.learning_rate
  after = (
    optax.cosine_decay_schedule(peak, steps - warmup)
    if config.schedule == 'cosine'
    else optax.constant_schedule(peak)
  )
  if not warmup:
    return after
  # Step 0 has a rate of peak / warmup: at zero it would change nothing.
  rising = optax.linear_schedule(peak / warmup, peak, warmup - 1)
  return optax.join_schedules([rising, after], [warmup])


def _warmup(config: AdamW, steps: int) -> int:
  return round(config.warmup * steps)


@functools.lru_cache
def build(config: AdamW, steps: int) -> optax.GradientTransformation:
  """The optimizer of a run of `steps` steps.

  Weight decay applies to matrices, but not to biases, norm scales and the
  output vector of the value head.

  Returns:
    The same object for equal arguments, because programs are cached by their
    optimizer's identity.
  """
  return optax.chain(
    optax.clip_by_global_norm(config.clip),
    optax.adamw(
      rate(config, steps),
      b1=config.b1,
      b2=config.b2,
      weight_decay=config.weight_decay,
      mask=_matrices,
    ),
  )


def _matrices(params):
  """A mask for weight decay: True for matrices.

  By name, because scanned layers give every parameter one more axis.
  """

  def is_matrix(path, _):
    name = [key.key for key in path if isinstance(key, jax.tree_util.DictKey)][
      -1
    ]
    return not (name.endswith(('scale', 'bias')) or name == 'value')

  return jax.tree_util.tree_map_with_path(is_matrix, params)
