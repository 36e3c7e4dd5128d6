"""Checkpoints as T5X writes them, read and written with orbax alone.

    <run>/checkpoint_<step>/state    {'target': parameters, 'state': …}

Parameters have the same names and shapes on both sides, so a model moves by
being read and written again. The optimizers differ; their states stay behind.
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
  """Writes parameters as a checkpoint that T5X starts from.

  Args:
    folder: of the checkpoints.
    params: of a Transformer, stacked.
    step: its number, from which T5X goes on counting.

  Returns:
    The checkpoint's folder; one that is there already is replaced.
  """
  folder = pathlib.Path(folder).absolute()
  tree = {'target': params, 'state': {'step': jnp.asarray(step, jnp.int32)}}
  with ocp.CheckpointManager(
    folder,
    options=ocp.CheckpointManagerOptions(step_prefix=_PREFIX),
    item_names=('state',),
    item_handlers={'state': ocp.PyTreeCheckpointHandler()},
  ) as manager:
    if step in manager.all_steps():
      manager.delete(step)
    manager.save(
      step, args=ocp.args.Composite(state=ocp.args.PyTreeSave(tree)), force=True
    )
  return folder / f'{_PREFIX}_{step}'


def newest(folder: str) -> pathlib.Path:
  """The last complete checkpoint of a run.

  Raises:
    ValueError: there is none.
  """
  folder = pathlib.Path(folder).absolute()
  if not folder.is_dir():
    raise ValueError(f'{folder} is not there; give the MODEL_DIR of a T5X run.')
  names = ocp.path.step.standard_name_format(step_prefix=_PREFIX)
  steps = [found.step for found in names.find_all(folder)]
  if not steps:
    raise ValueError(
      f'{folder} holds no {_PREFIX}_<step> that is complete; '
      'let T5X train until it has saved one.'
    )
  return folder / f'{_PREFIX}_{max(steps)}'


def load(
  checkpoint: str, cfg: TransformerConfig, head: Head, mesh: Mesh | None = None
) -> Any:
  """Reads the parameters of one checkpoint onto a mesh, or onto one device.

  Raises:
    ValueError: there is no such checkpoint, or it is of another model; the
      message names the first parameter that differs.
  """
  if mesh is None:
    mesh = partitioning.make_mesh(devices=jax.devices()[:1])
  target = abstract.params(cfg, head, mesh)
  _check(_found(checkpoint), target, checkpoint)
  with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
    restored = checkpointer.restore(
      _state(checkpoint),
      args=ocp.args.PyTreeRestore(
        item={'target': target},
        restore_args={
          'target': ocp.checkpoint_utils.construct_restore_args(target)
        },
        partial_restore=True,
      ),
    )
  return restored['target']


def export_model(
  model: str, folder: str, step: int = 0, mesh: Mesh | None = None
) -> pathlib.Path:
  """Writes a finished model of ours as a checkpoint; see `save`."""
  return save(folder, orbax.load_model(model, mesh)[2], step)


def import_model(
  checkpoint: str, cfg: TransformerConfig, folder: str, mesh: Mesh | None = None
) -> Head:
  """Writes a checkpoint as a finished model, which stages load; see `load`.

  Returns:
    Its head, by the parameters that it has.
  """
  head = 'value' if 'value' in _found(checkpoint) else 'logits'
  orbax.save_model(folder, cfg, head, load(checkpoint, cfg, head, mesh))
  return head


def _found(checkpoint) -> Any:
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


def _check(found, target, checkpoint):
  """Refuses parameters that are missing, left over or of another shape."""
  if differs := abstract.difference(found, target):
    path, there, here = differs
    raise ValueError(
      f'{checkpoint} is of another model: {path} is {there} there and {here} '
      'by the config; give the config and the head that it was trained with.'
    )
