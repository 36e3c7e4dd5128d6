"""What a training step carries, made abstract first.

`abstract` gives shapes and shardings without allocating anything; `create`
then materializes each array where it lies. The tree that checkpoints store is
T5X's: {'target': parameters, 'state': the rest}.
"""

from collections.abc import Mapping
import functools
from typing import Any

from flax import linen as nn
from flax import struct
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import optax

from ttc.models.abstract import difference, laid_out
from ttc.models.transformer import Transformer


@struct.dataclass
class TrainState:
  """Everything that a restart needs except the place of the iterator."""

  step: jax.Array  # steps done, scalar
  params: Any
  opt_state: Any
  key: jax.Array  # a step's dropout key is fold_in(key, step)

  def to_tree(self) -> dict:
    """As checkpoints store it."""
    return {
      'target': self.params,
      'state': {
        'step': self.step,
        'opt_state': self.opt_state,
        'key': self.key,
      },
    }

  @classmethod
  def from_tree(cls, tree) -> 'TrainState':
    return cls(params=tree['target'], **tree['state'])


def abstract(
  model: Transformer, tx: optax.GradientTransformation, mesh: Mesh
) -> TrainState:
  """Shapes, dtypes and shardings of a state."""
  return laid_out(lambda: _init(model, tx, jax.random.key(0), {}), mesh)


def create(
  model: Transformer,
  tx: optax.GradientTransformation,
  mesh: Mesh,
  key: jax.Array,
  source: Mapping | None = None,
) -> TrainState:
  """A state at step 0.

  Args:
    model: what is trained.
    tx: its optimizer.
    mesh: where the arrays lie; call inside `partitioning.use(mesh)`.
    key: of the initialization and of dropout, consumed.
    source: parameters to start from, or None. Subtrees that the model has too
      are copied: all of a language model for a revision model, the backbone
      (with a fresh head) for a value model.

  Raises:
    ValueError: `source` has no backbone, or one of another shape.
  """
  start = (
    {} if source is None else _shared(source, abstract(model, tx, mesh).params)
  )
  return _initializer(model, tx, mesh)(key, start)


@functools.lru_cache(maxsize=8)
def _initializer(model, tx, mesh):
  """Compiled once for all the seeds of a process."""
  lie = jax.tree.map(lambda x: x.sharding, abstract(model, tx, mesh))

  def make(key, start):
    # Results say where all lies; the table alone does not, see `shardings`.
    with nn.logical_axis_rules(()):
      return nn.unbox(_init(model, tx, key, start))

  return jax.jit(make, out_shardings=lie)


def _init(model, tx, key, start) -> TrainState:
  init_key, step_key = jax.random.split(key)
  params = model.init(init_key, jnp.zeros((1, 2), jnp.int32))['params']
  params = {
    name: _fill(tree, start[name]) if name in start else tree
    for name, tree in params.items()
  }
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    params=params,
    opt_state=tx.init(params),
    key=step_key,
  )


def _fill(boxed, values):
  def one(box, value):
    if isinstance(box, nn.LogicallyPartitioned):
      return box.replace_boxed(value)
    return value

  return jax.tree.map(
    one, boxed, values, is_leaf=lambda x: isinstance(x, nn.LogicallyPartitioned)
  )


def _shared(source, target):
  if 'backbone' not in source:
    raise ValueError(
      f'The parameters to start from have {sorted(source)} and no backbone; '
      'give those of a Transformer.'
    )
  shared = {name: source[name] for name in target if name in source}
  wanted = {name: target[name] for name in shared}
  if differs := difference(shared, wanted, lambda x: (*x.shape, str(x.dtype))):
    path, here, there = differs
    raise ValueError(
      f'The parameters to start from do not fit the model: {path} is {here} '
      f'there and {there} here; use the same model config.'
    )
  return shared
