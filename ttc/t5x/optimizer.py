"""The optimizer of `ttc train`, for T5X's Trainer."""

from t5x import optimizers

from ttc.training import optimizer


def adamw(config: optimizer.AdamW, steps: int) -> optimizers.OptaxWrapper:
  """Returns the AdamW of `ttc train`, including its schedule.

  T5X's Trainer also requires a learning rate, which it only logs: bind
  `ttc.training.optimizer.rate` with the same arguments there.

  Args:
    config: settings of AdamW.
    steps: number of training steps, the length of the schedule.
  """
  return optimizers.OptaxWrapper(optimizer.build(config, steps))
