"""The training loop: `fit` takes batches and gives parameters.

One call of the device program does `steps_per_call` steps under a scan, so
that tiny models are not bound by dispatch, and the host reads the sums of call
n-1 while call n runs. A restart continues from the newest checkpoint, place of
the iterator included, and ends bit-equal to an uninterrupted run.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import math
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ttc.checkpoints import orbax
from ttc.models import partitioning
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Head, Remat, REMATS, Transformer
from ttc.training import losses, optimizer, stopping
from ttc.training import state as states
from ttc.training.agreement import Agreement
from ttc.training.programs import Batch, build, TrainPrograms
from ttc.training.state import TrainState

Report = Callable[[Mapping[str, Any]], None]


class Stopped(BaseException):
  """Training was asked to stop and did, with a checkpoint of its step."""

  def __init__(self, step: int):
    super().__init__(f'stopped at step {step}, which is kept')
    self.step = step


class BatchSource(Protocol):
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


def fit(
  config: FitConfig,
  cfg: TransformerConfig,
  head: Head,
  batches: BatchSource,
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
    trainer = _Trainer(
      config,
      build(model, tx, config.microbatches, mesh),
      batches,
      eval_batches,
      checkpoints,
      mesh,
      report,
      asked,
    )
    state = trainer.advance(state, newest or 0, evaluations)
    step = int(state.step)
    if config.stop.rule == 'best':
      best = stopping.lowest(_losses(evaluations))
      if best != step:
        step, (state, _) = best, _restore(checkpoints, best, abstract)
  return Fitted(state.params, step, tuple(evaluations))


@dataclasses.dataclass(frozen=True)
class _Trainer:
  """A training at work; see `fit` for what the fields are."""

  config: FitConfig
  programs: TrainPrograms
  batches: BatchSource
  eval_batches: Sequence[Batch]
  checkpoints: orbax.Checkpoints
  mesh: Mesh
  report: Report
  asked: Callable[[int], bool]

  def advance(
    self, state: TrainState, step: int, evaluations: list[tuple]
  ) -> TrainState:
    """Runs calls until the rule says that training ends.

    Args:
      state: at `step`; consumed.
      step: number of updates so far.
      evaluations: so far; added to.
    """
    config, stop = self.config, self.config.stop
    unread, agreed = None, Agreement(self.mesh)
    while step < config.steps and not stop.ended(_losses(evaluations)):
      batch = _put(next(self.batches), self.mesh)
      place = self.batches.get_state()
      state, sums = self.programs.run(state, batch)
      if unread:
        _read(*unread, self.report)
      step += config.steps_per_call
      unread = step, sums
      last, lowest = step == config.steps, None
      if self.eval_batches and (last or step % config.eval_every == 0):
        _read(*unread, self.report)
        unread = None
        lowest = self._evaluate(state.params, step, evaluations)
        last |= stop.ended(_losses(evaluations))
      stops = agreed(self.asked(step)) and not last
      due = step % config.checkpoint_every == 0 or lowest is not None
      if last or stops or due:
        if unread:
          _read(*unread, self.report)  # before it is kept: it may not be finite
          unread = None
        progress = {'batches': place, 'evaluations': evaluations}
        self.checkpoints.save(step, state.to_tree(), progress, lowest)
      if stops:
        raise Stopped(step)
    return state

  def _evaluate(
    self, params, step: int, evaluations: list[tuple]
  ) -> float | None:
    """Adds an evaluation; its loss where the rule is to keep the best one."""
    total = None
    for batch in self.eval_batches:
      sums = self.programs.evaluate(params, _put(batch, self.mesh))
      total = sums if total is None else jax.tree.map(jnp.add, total, sums)
    means = losses.average(jax.device_get(total))
    _check_finite(means['loss'], step, 'validation')
    evaluations.append((step, means))
    self.report({'step': step, 'validation': means})
    best = stopping.lowest(_losses(evaluations)) == step
    return means['loss'] if best and self.config.stop.rule == 'best' else None


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
