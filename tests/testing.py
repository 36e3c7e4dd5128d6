"""A scripted world: real Transformers whose weights spell out a Markov chain.

With identity embeddings and silent layers a Transformer's logits depend on the
last token only, so a table [V, V] of log-odds is a language model, and a list
[V] a verifier. Everything runs through the real programs; what they must do
can be worked out by hand.
"""

import dataclasses
import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from ttc.data.vocabulary import WordVocabulary
from ttc.inference import keys
from ttc.inference.capacity import Capacity
from ttc.inference.generation import Generation
from ttc.inference.models import Model, Models
from ttc.inference.requests import Question
from ttc.inference.scheduler import Scheduler
from ttc.models import partitioning
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Transformer
from ttc.search.solutions import Attempt, Solution

PAD, END, STEP = 0, 1, 2
WORDS = 8
MESH_DEVICES = 4


@dataclasses.dataclass(frozen=True)
class Spelling:
  """A task of which only tokens and steps matter: letters, `a` ends a step."""

  size: int = WORDS
  delimiter = 'a'

  @property
  def vocabulary(self) -> WordVocabulary:
    return WordVocabulary(tuple('abcdefghijklm'[: self.size - 3]))


def small_config(**changes) -> TransformerConfig:
  """A random-weight model small enough to compile in a second."""
  sizes = dict(
    vocab_size=16,
    num_layers=2,
    embed_dim=16,
    num_heads=4,
    num_kv_heads=2,
    head_dim=8,
    mlp_dim=32,
  )
  return TransformerConfig(**{**sizes, **changes})


def random_params(cfg, head='logits', seed=0):
  """Unboxed random parameters."""
  return jax.tree.map(jnp.array, _drawn(cfg, head, seed))


@functools.cache
def _drawn(cfg, head, seed):
  """On the host, where modules share them and none can give them away.

  They are distributed as `init` draws them, but by numpy: that compiles nothing
  where init compiles every operation of the model, which takes seconds.
  """
  tokens, rng = jnp.zeros((1, 2), jnp.int32), np.random.default_rng(seed)
  model = Transformer(cfg, head=head)
  boxed = jax.eval_shape(lambda: model.init(jax.random.key(0), tokens))

  def draw(path, box):
    name, shape, dtype = path[-1].key, box.value.shape, box.value.dtype
    if name == 'scale':
      return np.full(shape, 1.0 - cfg.norm_offset, dtype)
    if name.endswith('bias'):
      return np.zeros(shape, dtype)
    sizes = [n for n, a in zip(shape, box.names, strict=True) if a != 'layers']
    if name == 'embedding':
      inputs = sizes[1:]
    else:
      inputs = sizes[: 2 if name == 'out' else 1]
    return (rng.normal(size=shape) * np.prod(inputs) ** -0.5).astype(dtype)

  return jax.tree_util.tree_map_with_path(
    draw, boxed['params'], is_leaf=lambda x: isinstance(x, nn.Partitioned)
  )


def scripted_config() -> TransformerConfig:
  return TransformerConfig(
    vocab_size=WORDS,
    num_layers=1,
    embed_dim=WORDS,
    num_heads=1,
    num_kv_heads=1,
    head_dim=2,
    mlp_dim=2,
    tied=False,
    norm_eps=1e-12,
  )


@functools.cache
def _shapes(head: str) -> dict:
  """Of a scripted model; running the initializer would compile it each time."""
  return jax.eval_shape(lambda: random_params(scripted_config(), head))


def scripted_params(table) -> dict:
  """Weights for logits `table[last]` ([V, V]), or values `table[last]` ([V]).

  A one-hot vector leaves the final norm as sqrt(V) times itself.
  """
  head = 'logits' if np.ndim(table) == 2 else 'value'
  params = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), _shapes(head))
  backbone = {**params['backbone'], 'embedding': jnp.eye(WORDS)}
  backbone['final_norm'] = {'scale': jnp.full((WORDS,), WORDS**-0.5)}
  return {**params, 'backbone': backbone, head: jnp.asarray(table, jnp.float32)}


def mesh(data=1):
  return partitioning.make_mesh(data=data, devices=jax.devices()[:data])


def scripted_models(table, values=None, devices=1, **generation) -> Models:
  """Models of the scripted world; END ends a solution and STEP a step."""
  ids = np.arange(WORDS)
  settings = dict(temperature=1.0, max_tokens=12, max_step_tokens=4)
  verifier = None
  if values is not None:
    verifier = Model(scripted_params(np.asarray(values)), scripted_config())
  return Models(
    proposer=Model(scripted_params(np.asarray(table)), scripted_config()),
    verifier=verifier,
    step_end=(ids == STEP) | (ids == END),
    end=ids == END,
    generation=Generation(**{**settings, **generation}),
    mesh=mesh(devices),
  )


def looking_back(**generation) -> Models:
  """Random models that see their whole past; every third token ends a step."""
  cfg = small_config(context=None)
  ids = np.arange(cfg.vocab_size)
  return Models(
    Model(random_params(cfg), cfg),
    Model(random_params(cfg, 'value', seed=1), cfg),
    step_end=(ids == END) | (ids % 3 == 0),
    end=ids == END,
    generation=Generation(1.0, 1.0, max_tokens=12, **generation),
    mesh=mesh(),
  )


@functools.partial(jax.jit, static_argnums=(0, 1))
def _whole(cfg, head, params, text):
  return Transformer(cfg, head).apply({'params': params}, text)[0]


def outputs(model, tokens, head='logits', width=16):
  """Logits [width, V] or values [width], before the sigmoid, of a whole text.

  One program reads all texts: they are padded, and no token sees what is behind
  it. What stands behind the text means nothing.
  """
  text = np.zeros((1, width), int)
  text[0, : len(tokens)] = tokens
  return _whole(model.cfg, head, model.params, text)


def read_whole(models, prompt, tokens, width=16):
  """Log-probability and value of each token, of an attempt read at once."""
  at = len(prompt) + np.arange(len(tokens))
  text = [*prompt, *tokens]
  logits = outputs(models.proposer, text, width=width)
  values = outputs(models.verifier, text, 'value', width)
  log = jax.nn.log_softmax(logits)[at - 1, np.asarray(tokens)]
  return np.asarray(log), np.asarray(jax.nn.sigmoid(values)[at])


def scheduler(models, lanes=8, slots=32, cache_len=64, line=32, chunk=4):
  """Small programs, the same for most tests: they compile once."""
  with partitioning.use(models.mesh):
    return Scheduler(models, Capacity(lanes, slots, cache_len, line, chunk))


def questions(models, *sequences, seed=0, first=10):
  """Questions with ids 10, 11, ...; each draws from (seed, its id)."""
  ids = range(first, first + len(sequences))
  own = keys.fold(keys.root(seed), ids)
  return [
    Question(i, list(s), key, models.generation.max_tokens)
    for i, s, key in zip(ids, sequences, own, strict=True)
  ]


def run(scheduler, models, plans) -> list[Solution]:
  """Solutions of (question, plan, slots), in the order of their ids."""
  with partitioning.use(models.mesh):
    found = [
      Solution(question, [Attempt.of(row, models) for row in rows])
      for question, rows in scheduler.run(plans)
    ]
  return sorted(found, key=lambda s: s.question.id)


def solve(strategy, budget, models, *sequences, seed=0, **capacity):
  """Spends a budget on each question; see `run`."""
  return run(
    scheduler(models, **capacity),
    models,
    [
      (q, strategy.plan(q, budget), strategy.slots(budget))
      for q in questions(models, *sequences, seed=seed)
    ],
  )


def tokens(solution):
  """Of every attempt."""
  return [attempt.tokens for attempt in solution.attempts]
