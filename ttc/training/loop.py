"""The training loop: `fit` turns batches into parameters.

One call of the device program runs `steps_per_call` steps under a scan, so that
tiny models are not bound by dispatch. The host reads the metrics of call n - 1
while call n runs. A restart continues from the newest checkpoint, which holds
the position of the data iterator too, and ends bit-equal to an uninterrupted
run.
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
from ttc.runtime import limits
from ttc.training import losses, optimizer, stopping
from ttc.training import state as states
from ttc.training.agreement import Agreement
from ttc.training.programs import Batch, build, TrainPrograms
from ttc.training.state import TrainState

Report = Callable[[Mapping[str, Any]], None]


class Stopped(BaseException):
  """Training was asked to stop, and has a checkpoint of its last step.

  A BaseException, so that handlers of errors do not take it for one.

  Attributes:
    step: number of updates in the checkpoint.
  """

  def __init__(self, step: int):
    super().__init__(f'stopped at step {step}, which is kept')
    self.step = step


class BatchSource(Protocol):
  """An endless iterator whose state is plain JSON, as `packing.Batches`."""

  def __next__(self) -> Batch: ...
  def get_state(self) -> dict: ...
  def set_state(self, state: Mapping) -> None: ...


@dataclasses.dataclass(frozen=True)
class FitConfig:
  """How a model is trained.

  Attributes:
    steps: number of optimizer updates.
    batch: rows per step, over all processes (B).
    seq_len: tokens per row (T).
    optimizer: its settings.
    eval_every: steps between evaluations on held-out questions.
    checkpoint_every: steps between checkpoints.
    steps_per_call: updates per device call; divides `steps`, `eval_every` and
      `checkpoint_every`.
    microbatches: number of parts of a step's rows whose gradients are computed
      one after the other, to save memory.
    remat: what the backward pass recomputes to save memory: 'none', 'dots' or
      'full', see `Transformer`. Results do not change, so a run may continue
      with another value.
    stop: when training ends and which step it returns.
    seed: of initialization, dropout and data order.

  Raises:
    ValueError: sizes are not positive or do not divide, warm-up takes all
      steps, or `remat` is unknown.
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
    calls = ('steps', 'eval_every', 'checkpoint_every')
    sizes = ('batch', 'seq_len', 'steps_per_call', 'microbatches')
    limits.whole(self, *sizes, *calls)
    limits.whole(self, 'seed', least=0, most=limits.LARGEST_SEED)
    for name in calls:
      value = getattr(self, name)
      if value % self.steps_per_call:
        raise ValueError(
          f'FitConfig.{name}={value} is not a positive multiple of '
          f'steps_per_call={self.steps_per_call}; change one of them.'
        )
    if self.batch % self.microbatches:
      raise ValueError(
        f'FitConfig.batch={self.batch} does not divide into microbatches='
        f'{self.microbatches}; choose a divisor.'
      )
    optimizer.check_steps(self.optimizer, self.steps)
    if self.remat not in REMATS:
      raise ValueError(
        f'FitConfig.remat={self.remat!r} is unknown; choose one of '
        f'{", ".join(REMATS)}.'
      )


@dataclasses.dataclass(frozen=True)
class Fitted:
  """The result of training.

  Attributes:
    params: parameters of the step that `FitConfig.stop` chose, on the mesh.
    step: number of updates at that step.
    evaluations: (step, {'loss': …, 'accuracy': …, …}) of every evaluation, the
      metrics being those of `losses.average`.
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
  """Trains a model, or continues from the checkpoints in `folder`.

  All processes call it with the same arguments, but for their rows.

  Args:
    config: steps, sizes, optimizer and stopping rule.
    cfg: the model.
    head: 'logits' trains on next tokens, 'value' on labels of positions.
    batches: endless training data; arrays [steps_per_call, rows, T] with this
      process's rows.
    eval_batches: batches of held-out questions, which are all used in every
      evaluation; may be empty for the rule 'last'.
    folder: of the checkpoints.
    init_params: parameters to start from, see `state.create`; None starts from
      scratch. Ignored if there is a checkpoint.
    mesh: where the model is placed; None is all devices on the data axis.
    report: called on the host with {'step', 'loss', …} for each call and
      {'step', 'validation': {…}} for each evaluation.
    asked: called with the step after each call; returns whether to stop. If it
      is true in one of several processes, all stop at the same step, one call
      later.

  Returns:
    The chosen parameters and all evaluations.

  Raises:
    ValueError: sizes or configs do not fit together, or `folder` holds
      checkpoints of another config.
    OSError: a checkpoint cannot be written or read.
    Stopped: `asked` was true; the newest checkpoint is of that step.
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
  del fixed['remat']  # it does not change results
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
      # Its checkpoint still exists: it was saved with its loss as the metric,
      # and the best one is never deleted.
      if best != step:
        step, (state, _) = best, _restore(checkpoints, best, abstract)
  return Fitted(state.params, step, tuple(evaluations))


@dataclasses.dataclass(frozen=True)
class _Trainer:
  """The loop of one `fit`, whose arguments are its fields."""

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
    """Runs device calls until the stopping rule ends training.

    Args:
      state: at `step`; its arrays are donated.
      step: number of updates so far.
      evaluations: those so far; new ones are appended.

    Returns:
      The state after the last step.

    Raises:
      Stopped, FloatingPointError, OSError: see `fit`.
    """
    config, stop = self.config, self.config.stop
    unread, agreed = None, Agreement(self.mesh)
    while step < config.steps and not stop.ended(_losses(evaluations)):
      batch = _put(next(self.batches), self.mesh)
      # The state after this batch, so that a restart from this call's
      # checkpoint begins with the next one.
      place = self.batches.get_state()
      state, sums = self.programs.run(state, batch)
      # Downloading the last call's sums waits for that call only: this one is
      # dispatched already, so the device stays busy.
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
      # A collective: every process has to get here in every call. After the
      # last call there is nothing to stop.
      stops = agreed(self.asked(step)) and not last
      due = step % config.checkpoint_every == 0 or lowest is not None
      if last or stops or due:
        if unread:
          # Before saving: this raises if the loss is not finite, and such a
          # state must not become the newest checkpoint.
          _read(*unread, self.report)
          unread = None
        progress = {'batches': place, 'evaluations': evaluations}
        self.checkpoints.save(step, state.to_tree(), progress, lowest)
      if stops:
        raise Stopped(step)
    return state

  def _evaluate(
    self, params, step: int, evaluations: list[tuple]
  ) -> float | None:
    """Evaluates on all held-out batches, appends and reports the means.

    Args:
      params: of the step.
      step: number of updates.
      evaluations: those so far; the new one is appended.

    Returns:
      The loss if the rule is 'best' and this is the lowest so far, None
      otherwise: only the checkpoint of such a step gets a metric.
    """
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
  """Downloads, checks and reports the metrics of one call.

  Args:
    step: number of updates after the call.
    sums: metrics of its steps, arrays [steps_per_call, ...] on devices.
    report: see `fit`.

  Raises:
    FloatingPointError: see `fit`.
  """
  sums = jax.device_get(sums)
  gradients = sums.pop('gradient')
  first = step - len(gradients) + 1
  for offset, (loss, norm) in enumerate(
    zip(sums['loss'], gradients, strict=True)
  ):
    # The sum is not finite if either is not.
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
  """A batch as global arrays on the mesh.

  Args:
    batch: arrays [steps_per_call, rows, T], with the rows that
      `partitioning.share` assigns to this process.
    mesh: of all processes.

  Returns:
    The batch with arrays [steps_per_call, B, T].
  """
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
  """Checks that the rows of a microbatch divide over the devices of a mesh.

  Raises:
    ValueError: they do not.
  """
  size = partitioning.num_rows(mesh)
  rows = config.batch // config.microbatches
  if rows % size:
    raise ValueError(
      f'{rows} rows of a microbatch (FitConfig.batch={config.batch} / '
      f'microbatches={config.microbatches}) do not divide over {size} '
      f'devices (data={mesh.shape["data"]} x fsdp={mesh.shape["fsdp"]}); '
      'choose a multiple, or a smaller mesh.'
    )
