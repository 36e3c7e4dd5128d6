"""Our side: the library's own scheduler and allocators on the protocol."""

import pathlib

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np

from benchmarks import side
from benchmarks.protocol import MODEL, Protocol, ROPE_THETA
from ttc.inference import engine, keys
from ttc.inference.capacity import Capacity
from ttc.inference.generation import Generation
from ttc.inference.models import Model, Models
from ttc.inference.requests import Extend, fork, Plan, Prefill, Question
from ttc.inference.scheduler import Scheduler
from ttc.models import partitioning
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Transformer
from ttc.search.allocate import Beam, ParticleFilter
from ttc.search.strategies import BestOfN, StepSearch, Strategy

_SPARE = 8  # tokens that rows gain while programs are compiled


class Ours:
  """Many questions at once."""

  def __init__(
    self, task: str, models: Models, protocol: Protocol, rows: int, line: int
  ):
    """Makes the caches.

    Args:
      task: of the protocol; may be set to another one between two answers.
      models: of `unending`.
      protocol: the workload.
      rows: sampled at once, as `Solver.rows`, over all devices.
      line: tokens read at once, as `Solver.line`.
    """
    self.task, self.models, self.protocol = task, models, protocol
    self.compiling = 0.0
    jax.monitoring.register_event_duration_secs_listener(self._heard)
    self.scheduler = Scheduler(
      models,
      Capacity.create(
        -(-rows // models.mesh.shape['data']), protocol.most, self.slots, line
      ),
    )

  @property
  def strategy(self) -> Strategy:
    return {
      'beam': StepSearch(Beam(self.protocol.width)),
      'particles': StepSearch(ParticleFilter()),
      'best_of_n': BestOfN(),
    }[self.task]

  @property
  def slots(self) -> int:
    return self.strategy.slots(self.protocol.budget)

  @property
  def executed(self) -> int:
    return self.scheduler.utilization.executed

  def answer(self, questions: int) -> int:
    """Works on the first so many questions; new tokens."""
    prompts = self._prompts()[:questions].tolist()
    searches = isinstance(self.strategy, StepSearch)
    return self._run(prompts, self._search if searches else self._sample)

  def warm(self) -> None:
    """Runs what the first question did not: other widths, other lengths."""
    capacity, budget = self.scheduler.capacity, self.protocol.budget
    prompt = self._prompts()[0].tolist()
    together = 2 + 2 * self.scheduler.capacity.slots // budget
    self._run([prompt] * together, lambda question: _little(question, budget))
    for cache_len in capacity.lengths:
      long = (prompt * cache_len)[: cache_len - _SPARE]
      for rows in capacity.widths:
        self._run([long], lambda question, rows=rows: _little(question, rows))

  def logits(self) -> list[float]:
    """Of the first prompt: next tokens, and the value."""
    prompt = jnp.asarray(self._prompts()[:1])
    both = (self.models.proposer, 'logits'), (self.models.verifier, 'value')
    logits, value = (
      Transformer(model.cfg, head=head).apply({'params': model.params}, prompt)[
        0, -1
      ]
      for model, head in both
    )
    return [*np.asarray(logits[: side.LOGITS], float).tolist(), float(value)]

  def _prompts(self) -> np.ndarray:
    return self.protocol.prompts(self.models.proposer.cfg.vocab_size)

  def _run(self, prompts, plan) -> int:
    own = keys.fold(keys.root(0), range(len(prompts)))
    room = self.protocol.rounds * self.protocol.longest
    questions = [
      Question(i, prompt, own[i], room) for i, prompt in enumerate(prompts)
    ]
    with partitioning.use(self.models.mesh):
      for _ in self.scheduler.run((q, plan(q), self.slots) for q in questions):
        pass
    return int(sum(q.cost['proposer_decode'].tokens for q in questions))

  def _search(self, question: Question) -> Plan:
    """`StepSearch` with the protocol's step lengths."""
    root = question.root()
    yield Prefill([root])
    rows = fork([root], [0] * self.protocol.budget)
    lengths = self.protocol.lengths(question.id)
    for round_, allowance in enumerate(lengths.tolist()):
      if round_:
        rows = fork(
          rows,
          self.strategy.parents(
            question.key, round_, rows, [row.value for row in rows]
          ),
        )
      yield Extend(rows, allowance=allowance)
    return rows

  def _sample(self, question: Question) -> Plan:
    """`BestOfN` with the protocol's lengths."""
    root = question.root()
    yield Prefill([root])
    rows = fork([root], [0] * self.protocol.budget)
    lengths = self.protocol.lengths(question.id).sum(axis=0).tolist()
    for row, length in zip(rows, lengths, strict=True):
      row.limit = row.start + length
    yield Extend(rows)
    return rows

  def _heard(self, event: str, seconds: float, **_) -> None:
    if event.startswith('/jax/core/compile/'):
      self.compiling += seconds


def _little(question: Question, rows: int) -> Plan:
  root = question.root()
  yield Prefill([root])
  grown = fork([root], [0] * rows)
  for row in grown:
    row.limit = row.start + _SPARE
  yield Extend(grown)
  return grown


def unending(
  proposer: Model, verifier: Model, protocol: Protocol, mesh: Mesh
) -> Models:
  """Models of which no token ends a step or a solution."""
  never = np.zeros(proposer.cfg.vocab_size, bool)
  return Models(
    proposer,
    verifier,
    never,
    never,
    Generation(1.0, 1.0, protocol.rounds * protocol.longest, protocol.longest),
    mesh,
  )


def _load(folder: pathlib.Path) -> tuple[Model, ...]:
  """The proposer and the verifier that all sides have."""
  from benchmarks import weights  # what reads them is not on every machine

  cfg = TransformerConfig(
    vocab_size=MODEL['vocab_size'],
    num_layers=MODEL['num_hidden_layers'],
    embed_dim=MODEL['hidden_size'],
    num_heads=MODEL['num_attention_heads'],
    num_kv_heads=MODEL['num_key_value_heads'],
    head_dim=MODEL['head_dim'],
    mlp_dim=MODEL['intermediate_size'],
    tied=False,
    rope_theta=ROPE_THETA,
    norm_eps=MODEL['rms_norm_eps'],
  )
  return tuple(
    Model(jax.tree.map(jnp.asarray, weights.load(folder, kind)), cfg)
    for kind in weights.KINDS
  )


def main() -> None:
  """Prints one JSON line."""
  parser = side.parser()
  parser.add_argument(
    '--rows', type=int, default=128, help='sampled at once, as Solver.rows'
  )
  parser.add_argument(
    '--line', type=int, default=256, help='tokens read at once, as Solver.line'
  )
  parser.add_argument(
    '--devices', type=int, default=1, help='parts into which XLA cuts the CPU'
  )
  options = parser.parse_args()
  jax.config.update('jax_num_cpu_devices', options.devices)
  side.measure(
    options,
    lambda options, protocol: Ours(
      options.task,
      unending(*_load(options.weights), protocol, partitioning.make_mesh()),
      protocol,
      options.rows,
      options.line,
    ),
    Ours.warm,
    lambda: dict(programs=engine.num_programs()),
  )


if __name__ == '__main__':
  main()
