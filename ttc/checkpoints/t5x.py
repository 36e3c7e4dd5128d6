"""Import and export of T5X checkpoints, with orbax alone.

    <run>/checkpoint_<step>/state    {'target': parameters, 'state': …}

Parameters have the same names and shapes on both sides, so nothing has to be
converted. The optimizers differ, so their state is not moved.
"""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import orbax.checkpoint as ocp

from ttc.checkpoints import orbax
from ttc.models import abstract, partitioning
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Head

_PREFIX = 'checkpoint'


def save(folder: str, params: Any, step: int = 0) -> pathlib.Path:
  """Writes parameters as a checkpoint that T5X can start from.

  Args:
    folder: folder of the run; a checkpoint of this step in it is replaced.
    params: parameters of a Transformer, stacked.
    step: number of the checkpoint, from which T5X continues to count.

  Returns:
    The checkpoint's folder.
  """
  folder = pathlib.Path(folder).absolute()
  tree = {'target': params, 'state': {'step': jnp.asarray(step, jnp.int32)}}
  with ocp.CheckpointManager(
    folder,
    options=ocp.CheckpointManagerOptions(step_prefix=_PREFIX),
    item_names=('state',),
    item_handlers={'state': ocp.PyTreeCheckpointHandler()},
  ) as manager:
    if step in manager.all_steps():  # orbax does not overwrite a step
      manager.delete(step)
    manager.save(
      step, args=ocp.args.Composite(state=ocp.args.PyTreeSave(tree)), force=True
    )
  return folder / f'{_PREFIX}_{step}'


def newest(folder: str) -> pathlib.Path:
  """The folder of the last complete checkpoint of a run.

  Args:
    folder: MODEL_DIR of the run.

  Raises:
    ValueError: there is no complete checkpoint.
  """
  folder = pathlib.Path(folder).absolute()
  if not folder.is_dir():
    raise ValueError(f'{folder} is not there; give the MODEL_DIR of a T5X run.')
  names = ocp.path.step.standard_name_format(step_prefix=_PREFIX)
  steps = [checkpoint.step for checkpoint in names.find_all(folder)]
  if not steps:
    raise ValueError(
      f'{folder} holds no {_PREFIX}_<step> that is complete; '
      'let T5X train until it has saved one.'
    )
  return folder / f'{_PREFIX}_{max(steps)}'


def load(
  checkpoint: str, cfg: TransformerConfig, head: Head, mesh: Mesh | None = None
) -> Any:
  """Reads the parameters of one checkpoint.

  Args:
    checkpoint: folder checkpoint_<step>.
    cfg: config of the model.
    head: its head.
    mesh: where the parameters are placed; None is one device.

  Returns:
    The parameters, stacked, sharded over the mesh.

  Raises:
    ValueError: there is no such checkpoint, or it is of another model; the
      message names the first parameter that differs.
  """
  if mesh is None:
    mesh = partitioning.make_mesh(devices=jax.devices()[:1])
  target = abstract.params(cfg, head, mesh)
  _check(_metadata(checkpoint), target, checkpoint)
  with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
    restored = checkpointer.restore(
      _state(checkpoint),
      args=ocp.args.PyTreeRestore(
        item={'target': target},
        restore_args={
          'target': ocp.checkpoint_utils.construct_restore_args(target)
        },
        partial_restore=True,  # T5X's optimizer state is not read
      ),
    )
  return restored['target']


def export_model(
  model: str, folder: str, step: int = 0, mesh: Mesh | None = None
) -> pathlib.Path:
  """Writes a finished model as a T5X checkpoint.

  Args:
    model: folder of the finished model, see `orbax.save_model`.
    folder: see `save`.
    step: see `save`.
    mesh: devices to load the model onto; None is one device.

  Returns:
    The checkpoint's folder.

  Raises:
    ValueError: `model` holds no complete model.
  """
  return save(folder, orbax.load_model(model, mesh)[2], step)


def import_model(
  checkpoint: str, cfg: TransformerConfig, folder: str, mesh: Mesh | None = None
) -> Head:
  """Writes a T5X checkpoint as a finished model, which stages can load.

  Args:
    checkpoint: see `load`.
    cfg: see `load`.
    folder: folder of the finished model, see `orbax.save_model`.
    mesh: devices to load the checkpoint onto; None is one device.

  Returns:
    The model's head, 'value' if the parameters have a value head.

  Raises:
    ValueError: see `load`.
  """
  head = 'value' if 'value' in _metadata(checkpoint) else 'logits'
  orbax.save_model(folder, cfg, head, load(checkpoint, cfg, head, mesh))
  return head


def _metadata(checkpoint) -> Any:
  """Names, shapes and dtypes of the parameters in a checkpoint."""
  state = _state(checkpoint)
  if not state.is_dir():
    raise ValueError(
      f'{state} is not there; give a checkpoint_<step> that T5X has written '
      'with use_orbax=True.'
    )
  return ocp.PyTreeCheckpointHandler().metadata(state).tree['target']


def _state(checkpoint) -> pathlib.Path:
  return pathlib.Path(checkpoint).absolute() / 'state'


def _check(metadata, target, checkpoint):
  """Raises ValueError for parameters missing, left over or of another shape."""
  if differs := abstract.difference(metadata, target):
    path, stored, configured = differs
    raise ValueError(
      f'{checkpoint} is of another model: {path} is {stored} there and '
      f'{configured} by the config; give the config and the head that it was '
      'trained with.'
    )
