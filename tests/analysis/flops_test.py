"""FLOPs against XLA's own count of the programs, and by hand."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gin
from ttc.analysis import flops
from ttc.inference import engine, prefill
from ttc.inference.engine import LaneBatch
from ttc.inference.prefill import PackedPrefill
from ttc.inference.stops import Stops
from ttc.models import abstract, memory, partitioning
from ttc.models.cache import KVCache
from ttc.models.config import TransformerConfig
from ttc.models.rope import Angles
from ttc.models.transformer import unstack

_GIN = pathlib.Path(__file__).parents[2] / 'gin'

# Public models as their authors configured them, but for the depth.
FAMILIES = {
  'Llama-3.2-1B': dict(
    vocab_size=128256,
    embed_dim=2048,
    num_heads=32,
    num_kv_heads=8,
    head_dim=64,
    mlp_dim=8192,
  ),
  'Qwen2.5-1.5B': dict(
    vocab_size=151936,
    embed_dim=1536,
    num_heads=12,
    num_kv_heads=2,
    head_dim=128,
    mlp_dim=8960,
    qkv_bias=True,
  ),
  'Qwen2.5-7B': dict(
    vocab_size=152064,
    embed_dim=3584,
    num_heads=28,
    num_kv_heads=4,
    head_dim=128,
    mlp_dim=18944,
    qkv_bias=True,
    tied=False,
  ),
  'Qwen3-1.7B': dict(
    vocab_size=151936,
    embed_dim=2048,
    num_heads=16,
    num_kv_heads=8,
    head_dim=128,
    mlp_dim=6144,
    qk_norm=True,
  ),
  'Gemma-2-2b': dict(
    vocab_size=256000,
    embed_dim=2304,
    num_heads=8,
    num_kv_heads=4,
    head_dim=256,
    mlp_dim=9216,
    activation='gelu_tanh',
    norm_offset=1.0,
    post_norm=True,
    attn_softcap=50.0,
    final_softcap=30.0,
    window=4096,
    sliding=(True, False),
    scale_embed=True,
  ),
  'Gemma-3-1b': dict(
    vocab_size=262144,
    embed_dim=1152,
    num_heads=4,
    num_kv_heads=1,
    head_dim=256,
    mlp_dim=6912,
    activation='gelu_tanh',
    norm_offset=1.0,
    post_norm=True,
    qk_norm=True,
    window=512,
    sliding=(True, False),
    scale_embed=True,
  ),
  'Mistral-7B': dict(
    vocab_size=32768,
    embed_dim=4096,
    num_heads=32,
    num_kv_heads=8,
    head_dim=128,
    mlp_dim=14336,
    tied=False,
  ),
}
LANES, CELLS, LINE, SLOTS = 32, 256, 256, 4
ABSTRACT = jax.ShapeDtypeStruct


def embedded(scope) -> TransformerConfig:
  """A model of the embedded experiment, in full."""
  gin.clear_config()
  gin.parse_config(
    (_GIN / 'models' / 'worksheet.gin').read_text() + '\nVOCAB_SIZE = 41'
  )
  with gin.config_scope(scope):
    config = gin.get_configurable(TransformerConfig)()
  gin.clear_config()
  return config


CONFIGS = {
  **{
    name: lambda sizes=sizes: TransformerConfig(num_layers=2, **sizes)
    for name, sizes in FAMILIES.items()
  },
  'worksheet base': lambda: embedded('base'),
  'worksheet large': lambda: embedded('large'),
}


class Compiled:
  """The programs of a model, never run: no weight is allocated."""

  def __init__(self, cfg):
    self.cfg, self.mesh = cfg, partitioning.make_mesh(devices=jax.devices()[:1])
    self.pool, self.lanes = (
      jax.eval_shape(lambda rows=rows: KVCache.empty(cfg, rows, CELLS))
      for rows in (SLOTS + 1, LANES)
    )
    self.table = jax.eval_shape(lambda: Angles.table(cfg, CELLS))

  def params(self, head):
    placed = abstract.params(self.cfg, head, self.mesh)
    return jax.eval_shape(
      unstack, jax.tree.map(lambda x: ABSTRACT(x.shape, x.dtype), placed)
    )

  def read(self, head):
    """XLA's FLOPs of reading one line."""
    line = jax.eval_shape(lambda: PackedPrefill.empty(LINE, 0))
    return self._count(
      engine.prefill.lower(
        self.params(head),
        self.table,
        self.pool,
        line,
        head=head,
        cfg=self.cfg,
        mesh=self.mesh,
        cache_len=CELLS,
      )
    )

  def extend(self, top_p):
    """XLA's FLOPs of one token of each lane: it counts a loop's body once."""
    batch = LaneBatch(ABSTRACT((LANES, 8), jnp.int32))
    flags = ABSTRACT((self.cfg.vocab_size,), bool)
    return self._count(
      engine.extend.lower(
        self.params('logits'),
        self.table,
        self.lanes,
        batch,
        Stops(flags, flags),
        top_p,
        cfg=self.cfg,
        mesh=self.mesh,
        max_new=16,
      )
    )

  def _count(self, lowered):
    with partitioning.use(self.mesh):
      return lowered.compile().cost_analysis()['flops']


@pytest.mark.parametrize('name', CONFIGS)
def test_agrees_with_xla(name, monkeypatch):
  # XLA counts a loop's body once: no loop over the segments of a line here.
  monkeypatch.setattr(memory, '_TOGETHER', {'cpu': 2**40})
  cfg = CONFIGS[name]()
  compiled = Compiled(cfg)
  read_keys = (prefill.max_segments(LINE) + 1) * prefill.SEGMENT * CELLS
  read, one = (0, LINE, 0, read_keys), (0, LANES, 0, LANES * CELLS)
  counted = flops.exact(
    {'proposer_prefill': read, 'proposer_decode': one, 'verifier_decode': read},
    cfg,
    cfg,
  )
  top_p = ABSTRACT((), jnp.float32)
  for kind, program in {
    'proposer_prefill': compiled.read('logits'),
    'verifier_decode': compiled.read('value'),
    'proposer_decode': compiled.extend(top_p),
  }.items():
    assert counted[kind][1] == pytest.approx(program, rel=0.05), kind


def small(**changes):
  sizes = dict(
    vocab_size=31,
    num_layers=3,
    embed_dim=8,
    num_heads=2,
    num_kv_heads=1,
    head_dim=4,
    mlp_dim=16,
  )
  return TransformerConfig(**{**sizes, **changes})


def test_weights_are_those_that_multiply_a_token():
  """All but embeddings, norms and biases, twice each, plus the head."""
  for changes in ({}, dict(gated=False), dict(tied=False), dict(qkv_bias=True)):
    cfg = small(**changes)
    tables = 31 * 8 * (1 if cfg.tied else 2)
    norms = 8 * (2 * 3 + 1)
    biases = 3 * 4 * (2 + 2) * cfg.qkv_bias
    weights = cfg.num_params - tables - norms - biases
    token = {'proposer_decode': [1, 0, 0, 0], 'verifier_decode': [1, 0, 0, 0]}
    found = flops.exact(token, cfg, cfg)
    assert found['proposer_decode'][0] == 2 * (weights + 31 * 8)
    assert found['verifier_decode'][0] == 2 * (weights + 8)


def test_each_counts_for_itself():
  """Useful and executed do not mix, and kinds go to their own models."""
  proposer, verifier = small(), small(num_layers=5, embed_dim=16)
  rng = np.random.default_rng(0)
  cost = {kind: rng.random((2, 3, 4)) for kind in flops.RATES}
  found = flops.exact(cost, proposer, verifier)
  for kind, counts in cost.items():
    assert found[kind].shape == (2, 3, 2)
    cfg = proposer if kind.startswith('proposer') else verifier
    token, key = flops.RATES[kind](cfg)
    for at in np.ndindex(2, 3, 2):
      tokens, keys = counts[at], counts[at[:2]][2 + at[2]]
      assert found[kind][at] == pytest.approx(token * tokens + key * keys)


def test_reading_for_the_cache_saves_the_last_layer():
  one, two = small(num_layers=1), small(num_layers=2)
  assert flops.RATES['proposer_prefill'](one) == (4 * 8 * 4, 0)
  rates = [
    flops.RATES[kind](cfg)
    for kind in ('proposer_prefill', 'verifier_prefill')
    for cfg in (one, two)
  ]
  assert rates[1].token - rates[0].token == rates[3].token - rates[2].token
  assert rates[1].key == rates[2].key == rates[3].key / 2


def test_the_papers_convention():
  proposer, verifier = small(), small(embed_dim=16)
  found = flops.convention(
    {'proposer_decode': [10, 16, 99, 99], 'verifier_prefill': [5, 6, 9, 9]},
    proposer,
    verifier,
  )
  assert found['proposer_decode'].tolist() == [
    20 * proposer.num_params,
    32 * proposer.num_params,
  ]
  assert found['verifier_prefill'].tolist() == [
    10 * verifier.num_params,
    12 * verifier.num_params,
  ]


def test_a_verifier_that_read_nothing_needs_no_config():
  found = flops.exact({'verifier_decode': [0, 0, 0, 0]}, small())
  assert found['verifier_decode'].tolist() == [0, 0]
  with pytest.raises(ValueError, match='no verifier config'):
    flops.exact({'verifier_decode': [0, 3, 0, 9]}, small())


@pytest.mark.parametrize(
  ('cost', 'words'),
  [
    ({'proposer_sleep': [1, 1, 1, 1]}, "'proposer_sleep'"),
    ({'proposer_decode': [1, 1]}, r'shape \(2,\); it is 4 numbers'),
    ({'proposer_decode': 1}, r'shape \(\)'),
  ],
)
def test_other_costs_are_refused(cost, words):
  with pytest.raises(ValueError, match=words):
    flops.exact(cost, small())
