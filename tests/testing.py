"""A scripted world: real Transformers whose weights spell out a Markov chain.

With identity embeddings and silent layers a Transformer's logits depend on the
last token only, so a table [V, V] of log-odds is a language model, and a list
[V] a verifier. Everything runs through the real programs; what they must do
can be worked out by hand.
"""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from ttc import partitioning
from ttc.data.prompts import Prompts
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Transformer
from ttc.search.frontier import Generation, Model, Models

PAD, END, STEP = 0, 1, 2
WORDS = 8
MESH_DEVICES = 4


def small_config(**changes) -> TransformerConfig:
  """A random-weight model small enough to compile in a second."""
  sizes = dict(vocab_size=16, num_layers=2, embed_dim=16, num_heads=4,
               num_kv_heads=2, head_dim=8, mlp_dim=32)
  return TransformerConfig(**{**sizes, **changes})


def random_params(cfg, head='logits', seed=0):
  """Unboxed random parameters."""
  tokens = jnp.zeros((1, 2), jnp.int32)
  model = Transformer(cfg, head=head)
  return nn.unbox(model.init(jax.random.key(seed), tokens))['params']


def scripted_config() -> TransformerConfig:
  return TransformerConfig(
      vocab_size=WORDS, num_layers=1, embed_dim=WORDS, num_heads=1,
      num_kv_heads=1, head_dim=2, mlp_dim=2, tied=False, norm_eps=1e-12)


def scripted_params(table) -> dict:
  """Weights for logits `table[last]` ([V, V]), or values `table[last]` ([V]).

  A one-hot vector leaves the final norm as sqrt(V) times itself.
  """
  cfg = scripted_config()
  head = 'logits' if np.ndim(table) == 2 else 'value'
  params = jax.tree.map(jnp.zeros_like, random_params(cfg, head))
  backbone = {**params['backbone'], 'embedding': jnp.eye(WORDS)}
  backbone['final_norm'] = {'scale': jnp.full((WORDS,), WORDS**-0.5)}
  return {**params, 'backbone': backbone,
          head: jnp.asarray(table, jnp.float32)}


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
      mesh=mesh(devices))


def prompts(*sequences, **kwargs) -> Prompts:
  """Prompts with ids 10, 11, ...; see Prompts.stack for the rest."""
  ids = range(10, 10 + len(sequences))
  return Prompts.stack(list(ids), sequences, **kwargs)
