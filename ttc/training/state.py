"""The training state: parameters, optimizer state, step and random key.

`abstract` gives its shapes and shardings without allocating anything; `create`
initializes every array in its shards. Checkpoints store the tree of T5X:
{'target': parameters, 'state': the rest}.
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
  """Everything that a restart needs, but the state of the data iterator."""

  step: jax.Array  # number of updates, int32 scalar
  params: Any
  opt_state: Any
  key: jax.Array  # the dropout key of a step is fold_in(key, step)

  def to_tree(self) -> dict:
    """The state as the tree that checkpoints store."""
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
    """The inverse of `to_tree`."""
    return cls(params=tree['target'], **tree['state'])


@functools.lru_cache(maxsize=8)  # a fit asks up to four times
def abstract(
  model: Transformer, tx: optax.GradientTransformation, mesh: Mesh
) -> TrainState:
  """Shapes, dtypes and shardings of the state of a model and optimizer.

  Raises:
    ValueError: a parameter axis does not divide over its mesh axis.
  """
  return laid_out(lambda: _init(model, tx, jax.random.key(0), {}), mesh)


def create(
  model: Transformer,
  tx: optax.GradientTransformation,
  mesh: Mesh,
  key: jax.Array,
  source: Mapping | None = None,
) -> TrainState:
  """Initializes a state at step 0.

  Args:
    model: the model that is trained.
    tx: its optimizer.
    mesh: where the arrays are placed; call inside `partitioning.use(mesh)`.
    key: random key for initialization and dropout, consumed.
    source: parameters to start from, or None. Subtrees that the model has too
      are copied: all of a language model to train a revision model, the
      backbone alone to train a value model, whose head is new.

  Returns:
    The state, sharded as `abstract` says; its values do not depend on the mesh.

  Raises:
    ValueError: `source` has no backbone, or parameters of another shape or
      dtype.
  """
  start = (
    {} if source is None else _shared(source, abstract(model, tx, mesh).params)
  )
  return _initializer(model, tx, mesh)(key, start)


@functools.lru_cache(maxsize=8)
def _initializer(model, tx, mesh):
  """A function (key, start) -> state, compiled once per process."""
  shardings = jax.tree.map(lambda x: x.sharding, abstract(model, tx, mesh))

  def make(key, start):
    # Placement comes from `out_shardings` alone: the rules would also shard
    # key/value heads that do not divide, see `partitioning.shardings`.
    with nn.logical_axis_rules(()):
      return nn.unbox(_init(model, tx, key, start))

  return jax.jit(make, out_shardings=shardings)


def _init(model, tx, key, start) -> TrainState:
  init_key, step_key = jax.random.split(key)
  # Parameters do not depend on the shape of the tokens.
  params = model.init(init_key, jnp.zeros((1, 2), jnp.int32))['params']
  params = {
    name: _fill(tree, start[name]) if name in start else tree
    for name, tree in params.items()
  }
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    params=params,
    opt_state=tx.init(params),  # moments have the boxes of their parameters
    key=step_key,
  )


def _fill(boxed, values):
  """Replaces parameters by values, keeping the boxes of logical axis names."""

  def fill(box, value):
    if isinstance(box, nn.LogicallyPartitioned):
      return box.replace_boxed(value)
    return value

  return jax.tree.map(
    fill,
    boxed,
    values,
    is_leaf=lambda x: isinstance(x, nn.LogicallyPartitioned),
  )


def _shared(source, target):
  """The subtrees of `source` that `target` has too, checked against it."""
  if 'backbone' not in source:
    raise ValueError(
      f'The parameters to start from have {sorted(source)} and no backbone; '
      'give those of a Transformer.'
    )
  shared = {name: source[name] for name in target if name in source}
  wanted = {name: target[name] for name in shared}
  if differs := difference(shared, wanted, lambda x: (*x.shape, str(x.dtype))):
    path, source_leaf, model_leaf = differs
    raise ValueError(
      f'The parameters to start from do not fit the model: {path} is '
      f'{source_leaf} there and {model_leaf} here; use the same model config.'
    )
  return shared
