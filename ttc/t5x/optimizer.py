"""Our optimizer for T5X's Trainer."""

from t5x import optimizers

from ttc.training import optimizer


def adamw(config: optimizer.AdamW, steps: int) -> optimizers.OptaxWrapper:
  """AdamW as `ttc train` has it, schedule included.

  T5X's Trainer asks for a learning rate as well and only writes it down; bind
  `ttc.training.optimizer.rate` of the same config there.
  """
  return optimizers.OptaxWrapper(optimizer.build(config, steps))
