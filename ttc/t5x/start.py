"""Where T5X starts from: a finished model of ours, config and parameters."""

import pathlib

from jax.experimental import multihost_utils
import numpy as np

from ttc.checkpoints import orbax, t5x
from ttc.models.config import TransformerConfig


def config(model: str) -> TransformerConfig:
  """Of a finished model, such as runs/<experiment>/seed-0/pretrain/model."""
  return orbax.load_config(model)[0]


def checkpoint(model: str, model_dir: str) -> str:
  """A finished model as a checkpoint of T5X, written if it is not there.

  Args:
    model: see `config`.
    model_dir: of the run, which gets `start/checkpoint_0`.

  Returns:
    The checkpoint's path, for RestoreCheckpointConfig.
  """
  folder = pathlib.Path(model_dir).absolute() / 'start'
  found = folder / 'checkpoint_0'
  # Process 0 alone says: the others must not see what it is about to write.
  there = multihost_utils.broadcast_one_to_all(np.asarray(found.is_dir()))
  return str(found if there else t5x.export_model(model, folder))
