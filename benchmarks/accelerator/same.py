"""Samples of the device beside those of the host's CPU, token by token."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.accelerator.record import Measured, UnavailableError
from ttc.inference import keys
from ttc.inference.capacity import Capacity
from ttc.inference.generation import Generation
from ttc.inference.models import Model, Models
from ttc.inference.requests import Question
from ttc.inference.scheduler import Scheduler
from ttc.models import partitioning
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Head, Transformer
from ttc.search.allocate import Beam
from ttc.search.strategies import BestOfN, StepSearch

_CFG = TransformerConfig(
  vocab_size=300,
  num_layers=3,
  embed_dim=128,
  num_heads=8,
  num_kv_heads=4,
  head_dim=32,
  mlp_dim=256,
  qk_norm=True,
)
_STEP_ENDS, _ENDS, _SPECIAL = 20, 4, 30  # tokens, from zero on
_LONGEST = 96


def same(task: str, questions: int, budget: int) -> Measured:
  """Counts the rows that are equal, in float32 at the highest precision.

  Args:
    task: 'beam' or 'best_of_n'.
    questions: with prompts of different lengths.
    budget: rows of each (N).
  """
  jax.config.update('jax_default_matmul_precision', 'highest')
  device = jax.devices()[0]
  try:
    host = jax.devices('cpu')[0]
  except RuntimeError as error:
    raise UnavailableError('JAX has no CPU beside the device') from error
  ours, theirs = (
    _rows(place, task, questions, budget) for place in (device, host)
  )
  equal = sum(one == other for one, other in zip(ours, theirs, strict=True))
  return Measured(
    f'{task}, N={budget}, {questions} questions, float32',
    f'{equal} of {len(ours)} rows equal to the CPU’s',
    numbers={'equal': equal, 'rows': len(ours)},
  )


def _rows(
  device: jax.Device, task: str, questions: int, budget: int
) -> list[tuple[int, ...]]:
  """The tokens of all rows, in the order of the questions."""
  strategy = BestOfN() if task == 'best_of_n' else StepSearch(Beam(4))
  step_end = np.arange(_CFG.vocab_size) < _STEP_ENDS
  end = (np.arange(_CFG.vocab_size) < _STEP_ENDS + _ENDS) & ~step_end
  mesh = partitioning.make_mesh(devices=[device])
  with jax.default_device(device), partitioning.use(mesh):
    models = Models(
      _model('logits', 0, device),
      _model('value', 1, device),
      step_end,
      end,
      Generation(1.0, 1.0, _LONGEST, 32),
      mesh,
    )
    rng, own = (
      np.random.default_rng(0),
      keys.fold(keys.root(0), range(questions)),
    )
    asked = [
      Question(
        i,
        rng.integers(_SPECIAL, _CFG.vocab_size, 20 + i).tolist(),
        own[i],
        _LONGEST,
      )
      for i in range(questions)
    ]
    longest = 20 + questions + _LONGEST
    scheduler = Scheduler(models, Capacity.create(32, longest, budget, 256))
    found = scheduler.run((q, strategy.plan(q, budget), budget) for q in asked)
    rows = {question.id: rows for question, rows in found}
  return [tuple(row.tokens) for i in range(questions) for row in rows[i]]


def _model(head: Head, seed: int, device: jax.Device) -> Model:
  """The same weights on every device: drawn on the host."""
  module = Transformer(_CFG, head=head)
  with jax.default_device(jax.devices('cpu')[0]):
    params = nn.unbox(
      module.init(jax.random.key(seed), jnp.zeros((1, 2), jnp.int32))['params']
    )
    params = jax.device_get(params)
  return Model(jax.device_put(params, device), _CFG)
