"""The workload of a stage, for `ttc plan`: its programs and their token counts.

No parameters are loaded. The shape of a model that does not exist yet comes
from `Solver.shape` or `ttc plan --shape`. Where the task cannot be loaded, the
number of questions and the length of prompts come from bindings and options.
"""

from collections.abc import Mapping
import dataclasses

from ttc.checkpoints import finished
from ttc.external.endpoint import Endpoint
from ttc.inference.capacity import Capacity
from ttc.models import partitioning
from ttc.models.config import TransformerConfig
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import Stage
from ttc.planning.sampling import Sampling
from ttc.planning.topology import Topology
from ttc.planning.training import Training
from ttc.runtime import storage
from ttc.search import strategies
from ttc.search.revisions import Chains
from ttc.stages.label import Label
from ttc.stages.pretrain import Pretrain
from ttc.stages.revise import Revise
from ttc.stages.solver import Solver
from ttc.stages.train import Train
from ttc.training.loop import check_rows

_HEADS = {'lm': 'logits', 'value': 'value'}
_READERS = ('probe', 'evaluate_prm')  # kinds of stages that sample nothing


@dataclasses.dataclass(frozen=True)
class Assumed:
  """Assumptions where the task is missing, or only sampling would show.

  Attributes:
    questions: number of questions in a split, if neither the task nor
      `Solver.questions` gives it.
    prompt: tokens in the longest prompt, if neither the task nor
      `Solver.prompt_tokens` gives it.
    tokens: mean number of tokens per attempt; None is the limit.
    steps: mean number of steps per attempt.
  """

  questions: int = 500
  prompt: int = 256
  tokens: int | None = None
  steps: int = 10


@dataclasses.dataclass(frozen=True)
class Amount:
  """Number of tokens that a stage processes, over all questions.

  Attributes:
    grown: tokens sampled.
    by_step: whether rows pause at step ends, so that they are sampled in short
      chunks.
    proposer: tokens that the proposer prefills.
    verifier: tokens that the verifier prefills.
  """

  grown: int
  by_step: bool
  proposer: int
  verifier: int


@dataclasses.dataclass(frozen=True)
class Sampler:
  """The workload of a sampling stage.

  Attributes:
    work: models, mesh and sizes of its programs.
    amount: number of tokens that they process.
  """

  work: Sampling
  amount: Amount


class Shapes:
  """Shapes of models, by the name of a stage or the path of a model."""

  def __init__(
    self, experiment: Experiment, shapes: Mapping[str, TransformerConfig]
  ):
    """Collects the shapes that are configured.

    Args:
      experiment: the experiment; its solvers may have shapes.
      shapes: further shapes by path; they replace those of solvers.
    """
    self._stages = {stage.name: stage for stage in experiment.everything}
    self._shapes = {}
    for stage in experiment.everything:
      solver = getattr(stage, 'solver', None)
      if solver is not None and solver.shape is not None:
        self._shapes.setdefault(solver.proposer, solver.shape)
    self._shapes |= shapes

  def of(self, name: str) -> TransformerConfig:
    """The shape of a model.

    Args:
      name: name of a stage, or absolute path of a model.

    Raises:
      ValueError: no shape is configured for the path, and nothing is there.
    """
    if storage.is_absolute(name):
      if name in self._shapes:
        return _stored(self._shapes[name])
      if storage.path(name).exists():
        return finished.described(name)[0]
      raise ValueError(
        f'nothing is at {name} and no Solver.shape says what model it is; '
        f'bind one, or give --shape={name}=SCOPE, a gin scope that binds a '
        'TransformerConfig, as `small` in gin/models/.'
      )
    stage = self._stages[name]
    return stage.model if isinstance(stage, Pretrain) else self.of(stage.start)


def _stored(cfg: TransformerConfig) -> TransformerConfig:
  """A configured shape with the dtype that its checkpoint is assumed to have.

  Shapes are float32 by default, and published checkpoints are bfloat16.
  """
  if cfg.param_dtype != 'float32':
    return cfg
  return dataclasses.replace(cfg, dtype='bfloat16', param_dtype='bfloat16')


def of(
  stage: Stage, models: Shapes, topology: Topology, assumed: Assumed
) -> Training | Sampler | None:
  """The workload of a stage.

  Args:
    stage: the stage.
    models: shapes of the models.
    topology: the slice that it runs on.
    assumed: see `Assumed`.

  Returns:
    None for a stage that does not use the devices, or only reads, or is
    sampled elsewhere.

  Raises:
    ValueError: the model cannot be divided over the devices, or its shape is
      not known.
  """
  if isinstance(stage, Train | Pretrain):
    return _training(stage, models, topology)
  solver = getattr(stage, 'solver', None)
  if stage.kind in _READERS or not isinstance(solver, Solver):
    return None
  if isinstance(solver.proposer, Endpoint):
    return None
  return _sampler(stage, models, topology, assumed)


def _training(
  stage: Train | Pretrain, models: Shapes, topology: Topology
) -> Training:
  fit = stage.fit
  if isinstance(stage, Pretrain):
    cfg, head = stage.model, 'logits'
  else:
    cfg, head = models.of(stage.start), _HEADS[stage.source.kind]
  # All devices of the slice train one model; samplers use one host each.
  mesh = fit.layout.mesh(list(topology.devices))
  trained = fit.trained(cfg)
  partitioning.check(
    stage.name, trained, mesh.shape['model'], mesh.shape['fsdp']
  )
  check_rows(fit.loop, mesh)
  return Training(fit.loop, trained, head, mesh)


def _sampler(
  stage, models: Shapes, topology: Topology, assumed: Assumed
) -> Sampler:
  solver = stage.solver
  cfgs = {'proposer': models.of(solver.proposer)}
  if solver.verifier:
    cfgs['verifier'] = models.of(solver.verifier)
  host, parts = topology.host.devices, solver.model_parallel
  if len(host) % parts:
    raise ValueError(
      f'Solver.model_parallel={parts} does not divide the {len(host)} '
      f'devices of a host of {topology.name}; choose a divisor.'
    )
  for role, cfg in cfgs.items():
    partitioning.check(role, cfg, parts)
  questions, prompt = _posed(solver, assumed)
  longest, slots, amount = _amount(stage, questions, prompt, assumed)
  work = Sampling(
    cfgs,
    Capacity.create(solver.rows, longest, slots, solver.line),
    partitioning.make_mesh(model=parts, devices=list(host)),
    slots,
    tuple(models.of(name) for _, name in solver.scorers),
    solver.generation.top_p < 1,
  )
  return Sampler(work, amount)


def _posed(solver: Solver, assumed: Assumed) -> tuple[int, int]:
  """(number of questions, tokens in the longest prompt)."""
  if solver.task is not None:
    return len(solver.problems), solver.prompt_width
  return (
    solver.questions or assumed.questions,
    solver.prompt_tokens or assumed.prompt,
  )


def _amount(
  stage, questions: int, prompt: int, assumed: Assumed
) -> tuple[int, int, Amount]:
  """Sizes and amount of a sampling stage.

  Args:
    stage: a stage with a solver.
    questions: number of questions.
    prompt: tokens in the longest prompt.
    assumed: see `Assumed`.

  Returns:
    (tokens in the longest row; slots that a question holds at once; the
    amount).
  """
  most = stage.solver.generation.max_tokens
  tokens = min(most, assumed.tokens or most)
  verified = bool(stage.solver.verifier)
  if isinstance(stage, Label):
    rows = questions * stage.samples * assumed.steps * stage.rollouts
    # A rollout begins at a step end, on average in the middle of the solution,
    # so it has half of the tokens. The solution is prefilled once for all.
    read = questions * stage.samples * (prompt + tokens)
    return prompt + most, 2, Amount(rows * tokens // 2, False, read, 0)
  if isinstance(stage, Revise):
    chains = Chains(stage.plan(), None, stage.keep)
    attempts = questions * sum(chains.turns)
    # Earlier attempts in the context count as prefilled anew in every turn.
    before = sum(
      min(turn, stage.keep) * tokens
      for turns in chains.turns
      for turn in range(turns)
    )
    read = questions * (prompt + before)
    return (
      chains.longest(prompt, most),
      chains.slots,
      Amount(
        attempts * tokens, False, read, verified * (read + attempts * tokens)
      ),
    )
  settings = [
    (arm.strategy, budget) for arm in stage.arms for budget in arm.budgets
  ]
  grown = questions * tokens * sum(budget for _, budget in settings)
  read = questions * prompt * len(settings)
  by_step = all(strategy.verified for strategy, _ in settings)
  return (
    max(strategies.longest(strategy, prompt, most) for strategy, _ in settings),
    max(strategy.slots(budget) for strategy, budget in settings),
    Amount(grown, by_step, read, verified * (read + grown)),
  )
