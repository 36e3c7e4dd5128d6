"""Initial models of T5X runs: config and parameters of a model of `ttc`."""

import pathlib

from jax.experimental import multihost_utils
import numpy as np

from ttc.checkpoints import orbax, t5x
from ttc.models.config import TransformerConfig


def config(model: str) -> TransformerConfig:
  """Returns the configuration of a finished model.

  Args:
    model: its folder, such as runs/<experiment>/seed-0/pretrain/model.
  """
  return orbax.load_config(model)[0]


def checkpoint(model: str, model_dir: str) -> str:
  """Exports a finished model as a T5X checkpoint, unless that exists already.

  Args:
    model: its folder, as for `config`.
    model_dir: folder of the T5X run; the checkpoint is `start/checkpoint_0` in
      it.

  Returns:
    The checkpoint's path, for RestoreCheckpointConfig.
  """
  folder = pathlib.Path(model_dir).absolute() / 'start'
  path = folder / 'checkpoint_0'
  # Exporting takes all processes. They must decide alike, and one that looks
  # late could see the folder that process 0 is already writing.
  exists = multihost_utils.broadcast_one_to_all(np.asarray(path.is_dir()))
  return str(path if exists else t5x.export_model(model, folder))
