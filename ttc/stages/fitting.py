"""From examples to a finished model in a stage's folder.

    data/          the examples, as an ArrayRecord data set; made once
    checkpoints/   of the training, to continue from
    model/         what later stages load
    metrics.json   evaluations on held-out questions, the chosen step
    metrics.jsonl  every measurement on the way

TensorFlow is imported only here, when there is something to train.
"""

from collections.abc import Iterable, Mapping
import contextlib
import dataclasses
import pathlib
import shutil
import tempfile

import jax
from jax.experimental import multihost_utils

from ttc.checkpoints import orbax
from ttc.models import partitioning
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Head
from ttc.pipeline import model_folders, records
from ttc.pipeline.stage import StageRun
from ttc.runtime import storage, termination
from ttc.runtime.throughput import TrainingPace
from ttc.training.loop import check_rows, fit, FitConfig, Stopped

MODEL = 'model'


@dataclasses.dataclass(frozen=True)
class Fit:
  """How a stage trains, beside what it trains on.

  Attributes:
    loop: steps, sizes, optimizer; its seed counts from the experiment's.
    held_out: share of the questions that validate and do not train.
    layout: of the devices; a run may go on with another one.
    dropout: rate while training; None keeps the model's.
    param_dtype: of the weights while training, 'float32' where a checkpoint in
      bfloat16 would lose small updates; None keeps the model's. What is
      written has the type that the model came with.
  """

  loop: FitConfig
  held_out: float = 0.05
  layout: partitioning.Layout = dataclasses.field(
    default=partitioning.Layout(), metadata={'recorded': False}
  )
  dropout: float | None = None
  param_dtype: str | None = None

  def __post_init__(self):
    if not 0 <= self.held_out < 1:
      raise ValueError(
        f'Fit.held_out={self.held_out} is a share of the questions, in [0, 1).'
      )

  def check(self, name: str, cfg: TransformerConfig | None = None) -> None:
    """Raises ValueError where devices, rows and the model do not fit.

    Args:
      name: of the stage.
      cfg: of its model, None where it is not known yet.
    """
    mesh = self.layout.mesh()
    check_rows(self.loop, mesh)
    if cfg is not None:
      partitioning.check(name, cfg, mesh.shape['model'], mesh.shape['fsdp'])

  def trained(self, cfg: TransformerConfig) -> TransformerConfig:
    """What a model is while it trains."""
    given = {'dropout': self.dropout, 'param_dtype': self.param_dtype}
    return dataclasses.replace(
      cfg, **{name: x for name, x in given.items() if x is not None}
    )


def train(
  run: StageRun,
  config: Fit,
  kind: str,
  examples: Iterable[Mapping],
  vocab_size: int,
  *,
  cfg: TransformerConfig | None = None,
  start: pathlib.Path | None = None,
) -> None:
  """Trains on examples, or continues to.

  Args:
    run: the stage; its folder receives everything.
    config: how.
    kind: 'lm' trains a language model, 'value' a verifier.
    examples: see data/features; read only where the data set is not there.
    vocab_size: of the task; the model's own may be larger.
    cfg: of a model made from scratch.
    start: folder of a finished stage whose model is finetuned instead.
  """
  from ttc.data import packing, tasks

  if start is not None:
    cfg, _ = orbax.load_config(str(model_folders.folder(start)))
  config.check(run.label, cfg)
  mesh = config.layout.mesh()
  init_params = None
  if start is not None:
    cfg, _, init_params = orbax.load_model(
      str(model_folders.folder(start)), mesh
    )
  trained = config.trained(cfg)
  if init_params is not None:
    init_params = _as(init_params, trained.param_dtype)
  if cfg.vocab_size < vocab_size:
    raise ValueError(
      f'The model knows {cfg.vocab_size} tokens and the task has {vocab_size}; '
      'raise TransformerConfig.vocab_size.'
    )
  loop = dataclasses.replace(config.loop, seed=config.loop.seed + run.seed)
  sizes = {
    'batch': loop.batch,
    'seq_len': loop.seq_len,
    'steps': loop.steps_per_call,
    'shard': partitioning.share(mesh),
  }
  with contextlib.ExitStack() as stack:
    folder = _data(run, config, kind, examples, stack)
    # Rows of the table beyond the task's tokens may have been sampled too.
    task = tasks.make_task(str(folder), cfg.vocab_size)
    held_out = (
      packing.once(tasks.documents(task, 'validation'), **sizes)
      if config.held_out
      else []
    )
    head = {'lm': 'logits', 'value': 'value'}[kind]
    batches = packing.Batches(
      tasks.documents(task, 'train'), seed=loop.seed, **sizes
    )
    try:
      with termination.held():
        fitted = fit(
          loop,
          trained,
          head,
          batches,
          held_out,
          str(run.folder / 'checkpoints'),
          init_params=init_params,
          mesh=mesh,
          report=_Report(run, loop, trained, head),
          asked=_asked,
        )
    except Stopped as stopped:
      run.say(str(stopped))
      termination.stop()
    params = _as(fitted.params, cfg.param_dtype)
    orbax.save_model(str(run.folder / MODEL), cfg, head, params)
    if jax.process_index() == 0:
      metrics = {
        'step': fitted.step,
        'evaluations': [
          {'step': step, **means} for step, means in fitted.evaluations
        ],
      }
      records.write_atomic(
        run.folder / 'metrics.json', records.canonical(metrics).encode('ascii')
      )


def _asked(step: int) -> bool:
  """Whether a signal came, or jax was told that its machine is taken away."""
  notice = multihost_utils.reached_preemption_sync_point(step)
  return notice or termination.asked()


def _as(params: Mapping, dtype: str) -> dict:
  """Parameters in another type, but for a value head, which is float32."""
  return {
    name: tree
    if name == 'value'
    else jax.tree.map(lambda x: x.astype(dtype), tree)
    for name, tree in params.items()
  }


def _data(
  run: StageRun,
  config: Fit,
  kind: str,
  examples: Iterable[Mapping],
  stack: contextlib.ExitStack,
) -> pathlib.Path:
  """The folder of the data set; process 0 makes it if it is not there.

  What reads it wants local files: where the stage is in an object store, each
  process makes one for itself, the same that it was before, until the stack is
  unwound.
  """
  from ttc.data import features

  folder, mine = run.folder / 'data', jax.process_index() == 0
  if storage.is_remote(folder):
    folder, mine = pathlib.Path(tempfile.mkdtemp()) / 'data', True
    stack.callback(shutil.rmtree, folder.parent, ignore_errors=True)
  if mine and not folder.exists():
    progress = run.progress(None, 'examples')
    splits = {'train': [], 'validation': []}
    for example in examples:
      out = features.held_out(example['problem'], config.held_out, run.seed)
      splits['validation' if out else 'train'].append(example)
      progress.advance()
    if not config.held_out:
      del splits['validation']
    features.write(str(folder), kind, splits)
  run.wait_for_others('data')
  return folder


class _Report:
  """Passes what `fit` tells on to the progress line and the metrics."""

  def __init__(
    self, run: StageRun, loop: FitConfig, cfg: TransformerConfig, head: Head
  ):
    self._run, self._loop = run, loop
    self._pace = TrainingPace(cfg, head, loop.batch, loop.seq_len)
    self._progress = None
    self._step = 0
    self._validation = ''

  def __call__(self, news: Mapping) -> None:
    step = news['step']
    if self._progress is None:
      self._step = max(0, step - self._loop.steps_per_call)
      self._progress = self._run.progress(
        self._loop.steps, 'steps', done=self._step
      )
    if 'validation' in news:
      self._validation = f', validation {news["validation"]["loss"]:.4f}'
      told = {f'validation/{k}': x for k, x in news['validation'].items()}
      self._run.metrics.add(step, told)
      self._pace.restart(step)
    else:
      told = {k: x for k, x in news.items() if k != 'step'}
      self._run.metrics.add(step, told | self._pace.at(step))
      self._run.metrics.tick(self._loop.steps_per_call)
      self._progress.advance(
        step - self._step, extra=f'loss {news["loss"]:.4f}{self._validation}'
      )
      self._step = step
