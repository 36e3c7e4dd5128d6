"""What a stage asks of the devices: programs, and how often they run.

Nothing is loaded. A model that is not there yet has the shape that a Solver
says (`Solver.shape`), or that `ttc plan --shape` names; a task that cannot be
loaded leaves its questions and prompts to bindings and options.
"""

from collections.abc import Mapping
import dataclasses

from ttc.checkpoints import orbax
from ttc.inference.capacity import Capacity
from ttc.models import partitioning
from ttc.models.config import TransformerConfig
from ttc.pipeline import model_folders as made
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import Stage
from ttc.planning.sampling import Sampling
from ttc.planning.topology import Topology
from ttc.planning.training import Training
from ttc.runtime import storage
from ttc.search.revisions import Chains
from ttc.stages.label import Label
from ttc.stages.pretrain import Pretrain
from ttc.stages.revise import Revise
from ttc.stages.solver import Solver
from ttc.stages.train import Train
from ttc.training.loop import check_rows

_HEADS = {'lm': 'logits', 'value': 'value'}


@dataclasses.dataclass(frozen=True)
class Assumed:
  """What a task would tell, and nobody knows before sampling.

  Attributes:
    questions: of a split, where neither task nor binding says.
    prompt: tokens of a prompt, likewise.
    tokens: of an attempt, on average; None takes the most it may have.
    steps: of an attempt, on average.
  """

  questions: int = 500
  prompt: int = 256
  tokens: int | None = None
  steps: int = 10


@dataclasses.dataclass(frozen=True)
class Amount:
  """How much a stage samples and reads, in tokens over all questions.

  Attributes:
    grown: sampled.
    by_step: whether rows pause at step ends, and grow by short chunks.
    proposer: read by the proposer.
    verifier: read by the verifier.
  """

  grown: int
  by_step: bool
  proposer: int
  verifier: int


@dataclasses.dataclass(frozen=True)
class Sampler:
  """A sampling stage.

  Attributes:
    work: its programs.
    amount: how often they run.
  """

  work: Sampling
  amount: Amount


class Shapes:
  """Models by what stages call them."""

  def __init__(
    self, experiment: Experiment, given: Mapping[str, TransformerConfig]
  ):
    """Gathers what is said of models.

    Args:
      experiment: whose solvers may have shapes.
      given: shapes by path.
    """
    self._stages = {stage.name: stage for stage in experiment.everything}
    self._said = {}
    for stage in experiment.everything:
      solver = getattr(stage, 'solver', None)
      if solver is not None and solver.shape is not None:
        self._said.setdefault(solver.proposer, solver.shape)
    self._said |= given

  def of(self, name: str) -> TransformerConfig:
    """The model of a stage or a path; raises ValueError where nobody says."""
    if storage.is_absolute(name):
      if name in self._said:
        return _stored(self._said[name])
      if storage.path(name).exists():
        return orbax.load_config(str(made.folder(storage.path(name))))[0]
      raise ValueError(
        f'nothing is at {name} and no Solver.shape says what model it is; '
        f'bind one, or give --shape={name}=SCOPE, a gin scope that binds a '
        'TransformerConfig, as `small` in gin/models/.'
      )
    stage = self._stages[name]
    return stage.model if isinstance(stage, Pretrain) else self.of(stage.start)


def _stored(cfg: TransformerConfig) -> TransformerConfig:
  """A described model in the type that checkpoints of its kind come in."""
  if cfg.param_dtype != 'float32':
    return cfg
  return dataclasses.replace(cfg, dtype='bfloat16', param_dtype='bfloat16')


def of(
  stage: Stage, models: Shapes, topology: Topology, assumed: Assumed
) -> Training | Sampler | None:
  """The work of a stage on a slice; None where devices have none."""
  if isinstance(stage, Train | Pretrain):
    return _training(stage, models, topology)
  if isinstance(getattr(stage, 'solver', None), Solver):
    return _sampler(stage, models, topology, assumed)
  return None


def _training(
  stage: Train | Pretrain, models: Shapes, topology: Topology
) -> Training:
  fit = stage.fit
  if isinstance(stage, Pretrain):
    cfg, head = stage.model, 'logits'
  else:
    cfg, head = models.of(stage.start), _HEADS[stage.source.kind]
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
  for who, cfg in cfgs.items():
    partitioning.check(who, cfg, parts)
  questions, prompt = _posed(solver, assumed)
  most = solver.generation.max_tokens
  longest, slots, amount = _amount(stage, questions, prompt, assumed)
  work = Sampling(
    cfgs,
    Capacity.create(solver.rows, longest or prompt + most, slots, solver.line),
    partitioning.make_mesh(model=parts, devices=list(host)),
    slots,
    tuple(models.of(name) for _, name in solver.scorers),
    solver.generation.top_p < 1,
  )
  return Sampler(work, amount)


def _posed(solver: Solver, assumed: Assumed) -> tuple[int, int]:
  """Questions, and tokens of the longest prompt."""
  if solver.task is not None:
    return len(solver.problems), solver.prompt_width
  return (
    solver.questions or assumed.questions,
    solver.prompt_tokens or assumed.prompt,
  )


def _amount(
  stage, questions: int, prompt: int, assumed: Assumed
) -> tuple[int | None, int, Amount]:
  """Tokens of a row, rows that live at once, and what is sampled."""
  most = stage.solver.generation.max_tokens
  tokens = min(most, assumed.tokens or most)
  verified = bool(stage.solver.verifier)
  if isinstance(stage, Label):
    rows = questions * stage.samples * assumed.steps * stage.rollouts
    # A rollout begins at a step, on average in the middle.
    read = questions * stage.samples * (prompt + tokens)
    return None, 2, Amount(rows * tokens // 2, False, read, 0)
  if isinstance(stage, Revise):
    chains = Chains(stage.plan(), None, stage.keep)
    attempts = questions * sum(chains.turns)
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
  cells = [
    (arm.strategy, budget) for arm in stage.arms for budget in arm.budgets
  ]
  grown = questions * tokens * sum(budget for _, budget in cells)
  read = questions * prompt * len(cells)
  return (
    None,
    max(strategy.slots(budget) for strategy, budget in cells),
    Amount(
      grown, all(s.verified for s, _ in cells), read, verified * (read + grown)
    ),
  )
