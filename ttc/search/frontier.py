"""The rows of a search and the three moves on them: expand, read, allocate."""

import dataclasses
import functools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from ttc import partitioning
from ttc.data.prompts import Prompts
from ttc.decoding import engine
from ttc.decoding.engine import DecodeState, Mark
from ttc.decoding.sampling import Sampling
from ttc.decoding.stops import Stop
from ttc.models.config import TransformerConfig
from ttc.search.allocate import Allocator, parents
from ttc.search.cost import Cost
from ttc.verifiers import scoring
from ttc.verifiers.scoring import VerifierState


@dataclasses.dataclass(frozen=True)
class Generation:
  """How attempts are sampled.

  Attributes:
    temperature: of the proposer; 0 is greedy.
    top_p: nucleus mass kept.
    max_tokens: an attempt that reaches this many tokens stops unfinished.
    max_step_tokens: a step that reaches this many tokens counts as ended.
  """

  temperature: float = 0.7
  top_p: float = 1.0
  max_tokens: int = 1024
  max_step_tokens: int = 128

  def __post_init__(self):
    if not 1 <= self.max_step_tokens <= self.max_tokens:
      raise ValueError(
          f'Generation.max_step_tokens={self.max_step_tokens} must be between '
          f'1 and max_tokens={self.max_tokens}.')
    Sampling.create(self.temperature, self.top_p)


@dataclasses.dataclass(frozen=True)
class Model:
  """Weights and their shape."""

  params: dict
  cfg: TransformerConfig


@dataclasses.dataclass(frozen=True)
class Models:
  """Everything a strategy needs besides its prompts.

  Attributes:
    proposer: a Transformer with a logits head.
    verifier: one with a value head and the same vocabulary, or None.
    step_end: [V] bool, tokens whose text holds the step delimiter.
    end: [V] bool, tokens that end a solution.
    generation: how attempts are sampled.
    mesh: where the rows live.
  """

  proposer: Model
  verifier: Model | None
  step_end: np.ndarray
  end: np.ndarray
  generation: Generation
  mesh: jax.sharding.Mesh

  def stop(self, steps: int) -> Stop:
    """Pauses rows after `steps` step ends; 0 runs to the end."""
    return Stop.create(self.step_end, self.end, steps)

  @property
  def sampling(self) -> Sampling:
    return Sampling.create(self.generation.temperature, self.generation.top_p)

  def strip_end(self, tokens: list[int]) -> list[int]:
    """An attempt without the token that ended it, if one did."""
    return tokens[:-1] if tokens and self.end[tokens[-1]] else tokens


@flax.struct.dataclass
class Frontier:
  """W partial solutions of each of P problems (B = P * W rows)."""

  proposer: DecodeState
  verifier: VerifierState | None

  @property
  def value(self) -> jax.Array:
    """The verifier's value of each row as far as it is read [B]."""
    return scoring.last_value(self.verifier)


def begin(models: Models, prompts: Prompts, rows: int,
          key: jax.Array) -> tuple[Frontier, Cost]:
  """Reads every prompt once and gives each problem W rows.

  Args:
    models: proposer and, where scores are wanted, verifier.
    prompts: P problems.
    rows: rows a problem (W).
    key: of the run; problem p draws from fold_in(key, problem_id[p]).
  """
  problems, width = prompts.tokens.shape
  size = width + models.generation.max_tokens
  limit = prompts.length - prompts.started + models.generation.max_tokens
  limit = np.where(prompts.real, limit, 0)
  tokens, length, limit, ids = partitioning.put(
      (prompts.tokens, prompts.length, limit, prompts.problem_id),
      models.mesh)
  keys = _problem_keys(key, ids)
  proposer = engine.prefill(
      models.proposer.params, tokens, length, limit, keys,
      cfg=models.proposer.cfg, size=size)
  cost = Cost.zero(problems).add('proposer_prefill', length, width)
  verifier = None
  if models.verifier is not None:
    verifier = scoring.prefill(
        models.verifier.params, tokens, length, cfg=models.verifier.cfg,
        size=size)
    cost = cost.add('verifier_prefill', length, width)
  everyone = partitioning.put(
      np.zeros((problems, rows), np.int32), models.mesh)
  return _fork(Frontier(proposer, verifier), everyone), cost


def expand(models: Models, frontier: Frontier, cost: Cost, *, steps: int,
           max_new: int, sampling: Sampling | None = None
           ) -> tuple[Frontier, Cost]:
  """Grows every row by up to `steps` steps (0: to its end)."""
  proposer, new, ran = engine.extend(
      models.proposer.params, frontier.proposer, models.stop(steps),
      models.sampling if sampling is None else sampling,
      cfg=models.proposer.cfg, max_new=max_new)
  cost = _spent(cost, 'proposer_decode', new, ran)
  return frontier.replace(proposer=proposer), cost


def read(models: Models, frontier: Frontier, cost: Cost, *, max_new: int
         ) -> tuple[Frontier, Cost]:
  """Lets the verifier read what is new, at most `max_new` tokens a row."""
  verifier, new = scoring.score(
      models.verifier.params, frontier.verifier, frontier.proposer.tokens,
      frontier.proposer.length, cfg=models.verifier.cfg, max_new=max_new)
  cost = _spent(cost, 'verifier_decode', new, max_new)
  return frontier.replace(verifier=verifier), cost


def look_ahead(models: Models, frontier: Frontier, cost: Cost, *, steps: int,
               max_new: int) -> tuple[jax.Array, Frontier, Cost]:
  """Values each row [B] at the end of a greedy rollout, then forgets it.

  The rollout uses the row's own buffers: going back is setting pointers.
  """
  mark = Mark.of(frontier.proposer)
  scored = jnp.copy(frontier.verifier.scored)
  frontier, cost = expand(models, frontier, cost, steps=steps,
                          max_new=max_new, sampling=Sampling.create(0.0))
  frontier, cost = read(models, frontier, cost, max_new=max_new)
  back = Frontier(
      proposer=engine.rewind(frontier.proposer, mark),
      verifier=scoring.rewind(frontier.verifier, scored))
  return frontier.value, back, cost


@functools.partial(
    jax.jit, static_argnames=('allocator', 'distinct', 'problems'),
    donate_argnames=('frontier',))
def allocate(frontier: Frontier, value: jax.Array, key: jax.Array, *,
             allocator: Allocator, distinct: bool, problems: int) -> Frontier:
  """Replaces each problem's rows by the children its allocator grants.

  Args:
    frontier: consumed.
    value: of each row [B]; not necessarily the frontier's own (lookahead).
    key: one key a problem [P]; consumed.
    allocator: a hashable function, see `allocate.py`.
    distinct: whether only the first of several identical rows may be chosen.
    problems: P.
  """
  if distinct:
    repeated = duplicates(
        frontier.proposer.tokens, frontier.proposer.length, problems)
    value = jnp.where(repeated, -jnp.inf, value)
  grouped = lambda x: x.reshape(problems, -1)
  done = grouped(frontier.proposer.done)
  counts = jax.vmap(allocator)(key, grouped(value), done)
  # A finished problem waits for its neighbours: its rows stay as they are.
  counts = jnp.where(done.all(axis=1, keepdims=True), 1, counts)
  return _fork(frontier, jax.vmap(parents)(counts))


def duplicates(tokens: jax.Array, length: jax.Array,
               problems: int) -> jax.Array:
  """Which rows repeat an earlier row of their problem [B].

  Args:
    tokens: [B, S].
    length: [B].
    problems: P.
  """
  inside = jnp.arange(tokens.shape[1])[None] < length[:, None]
  rows = jnp.where(inside, tokens, -1).reshape(problems, -1, tokens.shape[1])
  equal = (rows[:, :, None] == rows[:, None]).all(axis=-1)  # [P, W, W]
  earlier = jnp.tril(jnp.ones(equal.shape[1:], bool), k=-1)
  return (equal & earlier[None]).any(axis=-1).reshape(-1)


@jax.jit
def _fork(frontier, parent):
  verifier = frontier.verifier
  return Frontier(
      proposer=engine.fork(frontier.proposer, parent),
      verifier=None if verifier is None else scoring.fork(verifier, parent))


@jax.jit
def _problem_keys(key, ids):
  return jax.vmap(lambda i: jax.random.fold_in(key, i))(ids.astype(jnp.uint32))


def _spent(cost, name, new, ran):
  """Adds a call's tokens: new [B] useful ones, `ran` executed in each row."""
  problems = cost.proposer_decode.shape[0]
  grouped = new.reshape(problems, -1)
  return cost.add(name, grouped.sum(axis=1), ran * grouped.shape[1])
