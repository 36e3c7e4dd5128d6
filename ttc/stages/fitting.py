"""Training in a stage's folder: from examples to a finished model.

    data/          the examples, as an ArrayRecord data set; written once
    checkpoints/   checkpoints of the training, to resume from
    model/         the model, for later stages
    metrics.json   evaluations on held-out questions, the chosen step
    metrics.jsonl  all measurements during training

A stage that trains has no parts: it resumes from its newest checkpoint. With
the same device layout its model is bit-equal to that of an uninterrupted run.

Of the stages only these need TensorFlow, to read the data set. It is imported
inside functions, when there is something to train.
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
from ttc.models.config import DTYPES, TransformerConfig
from ttc.models.transformer import Head
from ttc.pipeline import model_folders, records
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits, storage, termination
from ttc.runtime.throughput import TrainingPace
from ttc.training.loop import check_rows, fit, FitConfig, Stopped

MODEL = 'model'


@dataclasses.dataclass(frozen=True)
class Fit:
  """How a stage trains, without the data.

  Attributes:
    loop: steps, sizes and optimizer. The experiment's seed is added to its
      seed.
    held_out: share of the questions used for validation instead of training,
      in [0, 1).
    layout: mesh of the devices; training may be resumed with another one.
    dropout: dropout rate during training; None is the model's.
    param_dtype: dtype of the parameters during training, e.g. 'float32' for a
      bfloat16 checkpoint, which would lose small updates; None is the model's.
      The finished model is written in the model's own dtype.
    window: examples that are neighbours, such as the rollouts of a solution,
      and are shuffled together, so that batches have siblings; 1 for none.

  Raises:
    ValueError: a share is not in [0, 1), or nothing is held out for a stopping
      rule that needs it.
  """

  loop: FitConfig
  held_out: float = 0.05
  layout: partitioning.Layout = dataclasses.field(
    default=partitioning.Layout(), metadata={'recorded': False}
  )
  dropout: float | None = None
  param_dtype: str | None = None
  window: int = dataclasses.field(default=1, metadata={'recorded': 'changed'})

  def __post_init__(self):
    limits.real(self, 'held_out', 'dropout', least=0, below=1)
    limits.choice(self, 'param_dtype', (None, *DTYPES))
    limits.whole(self, 'window')
    if not self.held_out and self.loop.stop.rule != 'last':
      raise ValueError(
        f'Stop.rule={self.loop.stop.rule!r} needs held-out questions and '
        f'Fit.held_out={self.held_out} leaves none; raise it, or use the rule '
        'last.'
      )

  def check(self, name: str, cfg: TransformerConfig | None = None) -> None:
    """Checks that rows and model can be divided over the devices.

    Args:
      name: name of the stage, for the message.
      cfg: shape of its model; None if not known yet.

    Raises:
      ValueError: they cannot.
    """
    mesh = self.layout.mesh()
    check_rows(self.loop, mesh)
    if cfg is not None:
      partitioning.check(name, cfg, mesh.shape['model'], mesh.shape['fsdp'])

  def trained(self, cfg: TransformerConfig) -> TransformerConfig:
    """The config of a model during training."""
    overrides = {'dropout': self.dropout, 'param_dtype': self.param_dtype}
    return dataclasses.replace(
      cfg, **{name: x for name, x in overrides.items() if x is not None}
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
  """Trains a model on examples, or resumes training it, and writes it.

  Args:
    run: the run of the stage; all files are written to its folder.
    config: how to train.
    kind: 'lm' for a language model, 'value' for a verifier.
    examples: features of each example (see examples/features). Iterated
      over only if the data set is not written yet.
    vocab_size: size of the task's vocabulary; the model's may be larger.
    cfg: config of a model to train from scratch.
    start: instead of `cfg`, folder of a finished stage, or of a model, to
      finetune.

  Raises:
    ValueError: model, rows, devices and vocabulary do not fit together.
    FloatingPointError: a loss is not finite.
    Terminated, KeyboardInterrupt: a signal asked the process to stop; there is
      a checkpoint of the last step.
  """
  from ttc.examples import packing, tasks

  if start is not None:
    cfg, _ = orbax.load_config(str(model_folders.folder(start)))
  config.check(run.label, cfg)
  mesh = config.layout.mesh()
  init_params = None
  if start is not None:
    cfg, _, init_params = orbax.load_model(
      str(model_folders.folder(start)), mesh
    )
  # `cfg` is what is written in the end, `trained` what is trained until then.
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
    # The model's vocabulary and not the task's: samples of earlier stages may
    # contain ids of the padding of the embedding table.
    task = tasks.make_task(str(folder), cfg.vocab_size)
    held_out = (
      packing.once(tasks.documents(task, 'validation'), **sizes)
      if config.held_out
      else []
    )
    head = {'lm': 'logits', 'value': 'value'}[kind]
    batches = packing.Batches(
      tasks.documents(task, 'train'),
      seed=loop.seed,
      window=config.window,
      **sizes,
    )
    try:
      # A first signal does not interrupt a step: `fit` polls for it after each
      # call, writes a checkpoint and raises Stopped.
      with termination.deferred():
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
          asked=_stop_requested,
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


def _stop_requested(step: int) -> bool:
  """Whether this process has to stop, by a signal or a preemption notice."""
  # Not short-circuited by a signal of this process: JAX requires that every
  # process calls its sync point at every step.
  notice = multihost_utils.reached_preemption_sync_point(step)
  return notice or termination.requested()


def _as(params: Mapping, dtype: str) -> dict:
  """Casts parameters, except those of a value head, which stay float32."""
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
  """Writes the data set if it is not there, and returns its folder.

  Process 0 writes it, atomically, so that a folder that exists is whole.

  The readers need local files. For a stage in an object store each process
  writes a temporary copy on every run. Examples and split are functions of the
  configuration, the inputs and the seed, so all copies are equal, and a
  checkpoint's place in the data stays valid.

  Args:
    run: the run of the stage.
    config: how to train; gives the share that is held out.
    kind: kind of the examples.
    examples: the examples.
    stack: deletes temporary copies when it is closed.
  """
  from ttc.examples import features, split

  folder, mine = run.folder / 'data', jax.process_index() == 0
  if storage.is_remote(folder):
    folder, mine = pathlib.Path(tempfile.mkdtemp()) / 'data', True
    stack.callback(shutil.rmtree, folder.parent, ignore_errors=True)
  if mine and not folder.exists():
    progress = run.progress(None, 'examples')
    splits = {'train': [], 'validation': []}
    for example in examples:
      out = split.held_out(example['problem'], config.held_out, run.seed)
      splits['validation' if out else 'train'].append(example)
      progress.advance()
    if not config.held_out:  # an empty split cannot be written
      del splits['validation']
    features.write(str(folder), kind, splits)
    progress.close()  # or its seconds would be those of compiling, too
  run.wait_for_others('data')  # until process 0 has written it
  return folder


class _Report:
  """Forwards the measurements of `fit` to the progress line and the metrics.

  Args:
    run: the run of the stage.
    loop: how the model is trained.
    cfg: config of the model during training.
    head: head of the model.
  """

  def __init__(
    self, run: StageRun, loop: FitConfig, cfg: TransformerConfig, head: Head
  ):
    self._run, self._loop = run, loop
    self._pace = TrainingPace(cfg, head, loop.batch, loop.seq_len)
    self._progress = None
    self._step = 0
    self._validation = ''

  def __call__(self, report: Mapping) -> None:
    step = report['step']
    if self._progress is None:
      # The step that training resumed from is known only now: the first report
      # is of the first call of the program.
      self._step = max(0, step - self._loop.steps_per_call)
      self._progress = self._run.progress(
        self._loop.steps, 'steps', done=self._step
      )
    if 'validation' in report:
      self._validation = f', validation {report["validation"]["loss"]:.4f}'
      means = {f'validation/{k}': x for k, x in report['validation'].items()}
      self._run.metrics.add(step, means)
      self._pace.restart(step)  # the time of an evaluation is not training
    else:
      means = {k: x for k, x in report.items() if k != 'step'}
      self._run.metrics.add(step, means | self._pace.at(step))
      self._run.metrics.tick(self._loop.steps_per_call)
      self._progress.advance(
        step - self._step, extra=f'loss {report["loss"]:.4f}{self._validation}'
      )
      self._step = step
