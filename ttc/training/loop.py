"""The training loop: `fit` takes batches and gives parameters.

One call of the device program does `steps_per_call` steps under a scan, so
that tiny models are not bound by dispatch, and the host reads the sums of call
n-1 while call n runs. A restart continues from the newest checkpoint, place of
the iterator included, and ends bit-equal to an uninterrupted run.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
import math
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import numpy as np
import optax

from ttc import partitioning
from ttc.checkpoints import orbax
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Head, Remat, REMATS, Transformer
from ttc.training import losses, optimizer, stopping
from ttc.training import state as states
from ttc.training.agreement import Agreement
from ttc.training.state import TrainState

Batch = Mapping[str, np.ndarray]  # each [steps_per_call, B of its share, T]
Report = Callable[[Mapping[str, Any]], None]


class Stopped(BaseException):
  """Training was asked to stop and did, with a checkpoint of its step."""

  def __init__(self, step: int):
    super().__init__(f'stopped at step {step}, which is kept')
    self.step = step


class Batches(Protocol):
  """An endless iterator whose place is plain JSON, as packing.Batches."""

  def __next__(self) -> Batch: ...
  def get_state(self) -> dict: ...
  def set_state(self, state: Mapping) -> None: ...


@dataclasses.dataclass(frozen=True)
class FitConfig:
  """How a model is trained.

  Attributes:
    steps: optimizer updates.
    batch: rows of one step, over all processes.
    seq_len: tokens of a row.
    optimizer: its settings.
    eval_every: steps between evaluations on held-out questions.
    checkpoint_every: steps between checkpoints.
    steps_per_call: updates of one device call; divides the three above.
    microbatches: parts into which a step's rows are cut to save memory.
    remat: what the backward pass computes again to save memory, 'none',
      'dots' or 'full' (see Transformer); results stay the same, so that a run
      may go on with another one.
    stop: when training ends and which step it returns.
    seed: of the initialization, of dropout and of the data order.
  """

  steps: int
  batch: int
  seq_len: int
  optimizer: optimizer.AdamW
  eval_every: int
  checkpoint_every: int
  steps_per_call: int = 20
  microbatches: int = 1
  remat: Remat = dataclasses.field(default='none', metadata={'recorded': False})
  stop: stopping.Stop = stopping.Stop()
  seed: int = 0

  def __post_init__(self):
    for name in ('steps', 'eval_every', 'checkpoint_every'):
      value = getattr(self, name)
      if value < 1 or value % self.steps_per_call:
        raise ValueError(
          f'FitConfig.{name}={value} is not a positive multiple of '
          f'steps_per_call={self.steps_per_call}; change one of them.'
        )
    if self.batch % self.microbatches:
      raise ValueError(
        f'FitConfig.batch={self.batch} does not divide into microbatches='
        f'{self.microbatches}.'
      )
    if self.remat not in REMATS:
      raise ValueError(
        f'FitConfig.remat={self.remat!r} is unknown; choose one of '
        f'{", ".join(REMATS)}.'
      )


@dataclasses.dataclass(frozen=True)
class Fitted:
  """What training gives.

  Attributes:
    params: of the chosen step.
    step: which one that is.
    evaluations: (step, {'loss': …, 'accuracy': …, …}) of every evaluation.
  """

  params: Any
  step: int
  evaluations: tuple[tuple[int, Mapping[str, float]], ...]


class _Programs(NamedTuple):
  run: Callable[[TrainState, Batch], tuple[TrainState, Mapping]]
  evaluate: Callable[[Any, Batch], Mapping]


def fit(
  config: FitConfig,
  cfg: TransformerConfig,
  head: Head,
  batches: Batches,
  eval_batches: Sequence[Batch],
  folder: str,
  *,
  init_params: Mapping | None = None,
  mesh: Mesh | None = None,
  report: Report = lambda _: None,
  asked: Callable[[int], bool] = lambda _: False,
) -> Fitted:
  """Trains, or continues to train.

  Args:
    config: how.
    cfg: of the model.
    head: 'logits' trains on next tokens, 'value' on labels of positions.
    batches: training data; only `next`, `get_state`, `set_state` are used.
    eval_batches: of held-out questions; may be empty for the rule 'last'.
    folder: of the checkpoints; one with another config is refused.
    init_params: where the shared part of the parameters starts, or None.
    mesh: where the model lies; None is all devices on the data axis.
    report: called on the host with {'step', 'loss', …} of each call and
      {'step', 'validation': {…}} of each evaluation.
    asked: called with the step after each call: whether to stop. Where one
      process says so all do, at the same step, one call later.

  Raises:
    ValueError: sizes or configs do not fit together.
    Stopped: it was asked to; the newest checkpoint is of that step.
    FloatingPointError: a loss is not finite; the message names the step.
  """
  if not eval_batches and config.stop.rule != 'last':
    raise ValueError(
      f'Stop.rule={config.stop.rule!r} needs held-out questions, and there '
      'are no evaluation batches; hold some out, or use the rule last.'
    )
  mesh = partitioning.make_mesh() if mesh is None else mesh
  check_rows(config, mesh)
  model = Transformer(cfg, head=head, remat=config.remat)
  tx = optimizer.build(config.optimizer, config.steps)
  fixed = dataclasses.asdict(config)
  del fixed['remat']
  described = {'fit': fixed, 'head': head, 'model': dataclasses.asdict(cfg)}
  with (
    partitioning.use(mesh),
    orbax.Checkpoints(folder, described) as checkpoints,
  ):
    abstract = states.abstract(model, tx, mesh)
    newest = checkpoints.newest()
    if newest is None:
      evaluations = []
      state = states.create(
        model, tx, mesh, jax.random.key(config.seed), init_params
      )
    else:
      state, progress = _restore(checkpoints, newest, abstract)
      evaluations = [tuple(e) for e in progress['evaluations']]
      batches.set_state(progress['batches'])
    programs = _programs(model, tx, config.microbatches, mesh)
    state = _advance(
      config,
      programs,
      state,
      newest or 0,
      batches,
      eval_batches,
      evaluations,
      checkpoints,
      mesh,
      report,
      asked,
    )
    step = int(state.step)
    if config.stop.rule == 'best':
      best = stopping.lowest(_losses(evaluations))
      if best != step:
        step, (state, _) = best, _restore(checkpoints, best, abstract)
  return Fitted(state.params, step, tuple(evaluations))


def _advance(
  config,
  programs,
  state,
  step,
  batches,
  eval_batches,
  evaluations,
  checkpoints,
  mesh,
  report,
  asked,
) -> TrainState:
  """Runs calls until the rule says that training ends."""
  unread, agreed = None, Agreement(mesh)
  while step < config.steps and not config.stop.ended(_losses(evaluations)):
    batch, place = _put(next(batches), mesh), batches.get_state()
    state, sums = programs.run(state, batch)
    if unread:
      _read(*unread, report)
    step += config.steps_per_call
    unread = step, sums
    last, lowest = step == config.steps, None
    if eval_batches and (last or step % config.eval_every == 0):
      _read(*unread, report)
      unread = None
      means = _evaluate(programs, state.params, eval_batches, mesh)
      _check_finite(means['loss'], step, 'validation')
      evaluations.append((step, means))
      report({'step': step, 'validation': means})
      if (
        config.stop.rule == 'best'
        and stopping.lowest(_losses(evaluations)) == step
      ):
        lowest = means['loss']
      last |= config.stop.ended(_losses(evaluations))
    stops = agreed(asked(step)) and not last
    if (
      last or stops or lowest is not None or step % config.checkpoint_every == 0
    ):
      if unread:
        _read(*unread, report)  # before it is kept: it may not be finite
        unread = None
      checkpoints.save(
        step,
        state.to_tree(),
        {'batches': place, 'evaluations': evaluations},
        lowest,
      )
    if stops:
      raise Stopped(step)
  return state


@functools.lru_cache(maxsize=8)
def _programs(model, tx, microbatches, mesh) -> _Programs:
  """The two device programs; the state of `run` is donated.

  Seeds of an experiment differ only in data, so they share what is compiled.
  """
  lie = jax.tree.map(lambda x: x.sharding, states.abstract(model, tx, mesh))

  def sums_of(params, batch, key):
    outputs = model.apply(
      {'params': params},
      batch['decoder_input_tokens'],
      positions=batch['decoder_positions'],
      segment_ids=batch['decoder_segment_ids'],
      deterministic=key is None or not model.cfg.dropout,
      rngs=None if key is None else {'dropout': key},
    )
    sums = losses.measure(model.head, outputs, batch)
    return sums['loss'], sums

  def gradient(params, batch, key):
    gradients, sums = jax.grad(sums_of, has_aux=True)(params, batch, key)
    # Added up over devices at once: whole ones would not fit beside `fsdp`.
    return jax.lax.with_sharding_constraint(gradients, lie.params), sums

  @jax.named_scope('train_step')
  def one_step(state, batch):
    key = jax.random.fold_in(state.key, state.step)
    gradients, sums = _accumulate(
      gradient, state.params, batch, key, microbatches
    )
    weight = jnp.maximum(sums['weight'], 1e-9)
    gradients = jax.tree.map(lambda g: (g / weight).astype(g.dtype), gradients)
    updates, opt_state = tx.update(gradients, state.opt_state, state.params)
    state = state.replace(
      step=state.step + 1,
      opt_state=opt_state,
      params=optax.apply_updates(state.params, updates),
    )
    return state, sums | {'gradient': optax.tree.norm(gradients)}

  @jax.named_scope('evaluate')
  def evaluate(params, batch):
    sums = jax.lax.map(lambda one: sums_of(params, one, None)[1], batch)
    return jax.tree.map(lambda x: x.sum(0), sums)

  return _Programs(
    run=jax.jit(
      lambda state, batch: jax.lax.scan(one_step, state, batch),
      donate_argnums=0,
      out_shardings=(lie, None),
    ),
    evaluate=jax.jit(evaluate),
  )


def _accumulate(gradient, params, batch, key, parts):
  """Sums of gradients and measurements over the parts of a batch.

  Every `parts`-th row forms a part, so that rows stay on their devices.
  """

  def part(carry, inputs):
    batch, index = inputs
    added = gradient(params, batch, jax.random.fold_in(key, index))
    return jax.tree.map(jnp.add, carry, added), None

  if parts == 1:
    return gradient(params, batch, jax.random.fold_in(key, 0))
  batch = jax.tree.map(
    lambda x: x.reshape(-1, parts, *x.shape[1:]).swapaxes(0, 1), batch
  )
  shapes = jax.eval_shape(
    gradient, params, jax.tree.map(lambda x: x[0], batch), key
  )
  zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
  return jax.lax.scan(part, zeros, (batch, jnp.arange(parts)))[0]


def _evaluate(programs, params, eval_batches, mesh) -> dict[str, float]:
  total = None
  for batch in eval_batches:
    sums = programs.evaluate(params, _put(batch, mesh))
    total = sums if total is None else jax.tree.map(jnp.add, total, sums)
  return losses.average(jax.device_get(total))


def _read(step, sums, report):
  """Downloads the sums [steps_per_call] of the call that ended at `step`."""
  sums = jax.device_get(sums)
  gradients = sums.pop('gradient')
  first = step - len(gradients) + 1
  for offset, (loss, norm) in enumerate(
    zip(sums['loss'], gradients, strict=True)
  ):
    _check_finite(loss + norm, first + offset, 'training')
  means = losses.average({k: x.sum(0) for k, x in sums.items()})
  report({'step': step, 'gradient': float(gradients.mean())} | means)


def _check_finite(loss, step, name):
  if not math.isfinite(loss):
    raise FloatingPointError(
      f'The {name} loss or its gradient is not finite at step {step}; lower '
      'the learning rate, or look at the examples of that step.'
    )


def _restore(checkpoints, step, abstract):
  tree, progress = checkpoints.restore(step, abstract.to_tree())
  return TrainState.from_tree(tree), progress


def _put(batch, mesh):
  """Rows that `partitioning.share` gives this process, as global arrays."""
  _, parts = partitioning.share(mesh)
  rows = NamedSharding(mesh, PartitionSpec(None, partitioning.ROWS))
  return jax.tree.map(
    lambda x: jax.make_array_from_process_local_data(
      rows, x, (x.shape[0], parts * x.shape[1], *x.shape[2:])
    ),
    dict(batch),
  )


def _losses(evaluations):
  return [(step, means['loss']) for step, means in evaluations]


def check_rows(config: FitConfig, mesh: Mesh) -> None:
  """Raises ValueError where rows cannot be shared out among devices."""
  size = partitioning.num_rows(mesh)
  rows = config.batch // config.microbatches
  if rows % size:
    raise ValueError(
      f'{rows} rows of a microbatch (FitConfig.batch={config.batch} / '
      f'microbatches={config.microbatches}) do not divide over {size} '
      f'devices (data={mesh.shape["data"]} x fsdp={mesh.shape["fsdp"]}); '
      'choose a multiple, or a smaller mesh.'
    )
