"""The Transformer: what it may see, and that every way of reading agrees."""

import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import testing
from ttc.inference.prefill import PackedPrefill
from ttc.models import partitioning
from ttc.models.cache import KVCache
from ttc.models.config import RopeScaling, TransformerConfig
from ttc.models.memory import Lanes
from ttc.models.rope import Angles
from ttc.models.transformer import Transformer, unstack

FAMILIES = {
  'plain': dict(gated=False, activation='relu2'),
  'untied': dict(tied=False, num_kv_heads=1),
  'qwen2': dict(qkv_bias=True),
  'qwen3': dict(qk_norm=True, num_kv_heads=4),
  'gemma': dict(
    norm_offset=1.0,
    post_norm=True,
    scale_embed=True,
    attn_softcap=5.0,
    final_softcap=3.0,
    query_scale=0.3,
    activation='gelu_tanh',
    window=3,
    sliding=(True, False),
  ),
  'gemma3': dict(
    norm_offset=1.0,
    qk_norm=True,
    window=3,
    sliding=(False, True),
    local_rope_theta=10.0,
    rope_scaling=RopeScaling('linear', 8.0),
  ),
  'yarn': dict(
    out_bias=True,
    rope_scaling=RopeScaling('yarn', 4.0, context=4, high=8.0, attention=1.2),
  ),
}
ROWS, LENGTH = 3, 9


@functools.partial(
  jax.jit, static_argnums=0, static_argnames=('head', 'deterministic')
)
def read(cfg, params, tokens, head='logits', **kwargs):
  return Transformer(cfg, head=head).apply({'params': params}, tokens, **kwargs)


@functools.partial(jax.jit, static_argnums=(0, 5))
def extend(cfg, params, tokens, positions, memory, together):
  """Logits and memory; traced anew where so much is read together."""
  del together
  angles = Angles.create(cfg, positions)
  return Transformer(cfg, scan=False).apply(
    {'params': params}, tokens, angles, memory, method='extend'
  )


@pytest.fixture(params=FAMILIES, scope='module')
def family(request):
  cfg = testing.small_config(**FAMILIES[request.param])
  params = testing.random_params(cfg)
  # Norm scales and biases start as constants, which would hide their misuse.
  keys = jax.random.key(7)
  params = jax.tree.map(
    lambda x: x + 0.1 * jax.random.normal(keys, x.shape), params
  )
  tokens = jax.random.randint(
    jax.random.key(1), (ROWS, LENGTH), 0, cfg.vocab_size
  )
  return (
    cfg,
    params,
    tokens,
    read(cfg, params, tokens),
  )


def test_causal_by_gradient(family):
  cfg, params, _, _ = family
  table = params['backbone']['embedding']

  def logit(x, at):
    changed = {**params, 'backbone': {**params['backbone'], 'embedding': x}}
    return read(cfg, changed, jnp.arange(LENGTH)[None])[0, at].sum()

  seen = jnp.abs(jax.grad(logit)(table, 4)).sum(-1) > 0
  if cfg.tied:  # then every word is also read at the output
    assert seen.all()
  else:
    np.testing.assert_array_equal(seen, np.arange(cfg.vocab_size) <= 4)


def test_later_tokens_change_nothing(family):
  cfg, params, tokens, full = family
  other = tokens.at[:, 6:].set((tokens[:, 6:] + 1) % cfg.vocab_size)
  changed = read(cfg, params, other)
  np.testing.assert_allclose(changed[:, :6], full[:, :6], atol=1e-5)
  assert (jnp.abs(changed[:, 6:] - full[:, 6:]).max(axis=-1) > 1e-3).all()


@pytest.mark.parametrize(
  ('cuts', 'together'),
  [
    ((9,), 2**19),
    ((1,) * 9, 2**19),
    ((4, 1, 1, 3), 2**19),
    ((4, 1, 1, 3), 1),
    ((9,), 2**12),
  ],
)
def test_lines_and_lanes_equal_full(family, cuts, together, monkeypatch):
  """However tokens are dealt out, over stale positions and at different places.

  Rows lie in slots 3, 0, 1 of a pool and row r lags r tokens behind, so that
  lines hold segments of different rows, positions and lengths. The segments
  are read one by one, a few at a time, or all together.
  """
  monkeypatch.setattr('ttc.models.memory._TOGETHER', {'cpu': together})
  cfg, params, tokens, full = family
  params = unstack(params)
  slots, tokens, nobody = (3, 0, 1), np.asarray(tokens), 4
  pool = jax.tree.map(lambda x: x + 100, KVCache.empty(cfg, nobody + 1, 12))
  at = [0] * ROWS
  for stop in np.cumsum([*cuts, LENGTH]):
    spans = [
      (row, at[row], int(np.clip(stop - row, at[row], LENGTH)))
      for row in range(ROWS)
    ]
    line = PackedPrefill.pack(
      [(slots[r], a, tokens[r, a:b].tolist()) for r, a, b in spans], 32, nobody
    )
    memory = jax.tree.map(jnp.asarray, line).memory(pool, 12)
    positions = memory.position[None]
    logits, memory = extend(
      cfg, params, line.tokens[None, :, 0], positions, memory, together
    )
    pool, where = memory.cache, 0
    for row, a, b in spans:
      np.testing.assert_allclose(
        logits[0, where : where + b - a], full[row, a:b], atol=3e-5
      )
      where, at[row] = where + b - a, b
    if max(at) < LENGTH:  # and one token of each as lanes
      position = jnp.array(at)
      past = jax.tree.map(lambda x: x[np.array(slots), :, :12], pool)
      lanes = Lanes(past, position)
      new = tokens[np.arange(ROWS), at][:, None]
      logits, _ = extend(cfg, params, new, position[:, None], lanes, together)
      for row in range(ROWS):
        np.testing.assert_allclose(
          logits[row, 0], full[row, at[row]], atol=3e-5
        )
  assert at == [LENGTH] * ROWS


def test_packed_equals_separate(family):
  cfg, params, tokens, full = family
  packed = jnp.concatenate([tokens[0, :4], tokens[1, :6]])[None]
  logits = read(
    cfg,
    params,
    packed,
    positions=jnp.array([[0, 1, 2, 3, 0, 1, 2, 3, 4, 5]]),
    segment_ids=jnp.array([[1] * 4 + [2] * 6]),
  )
  np.testing.assert_allclose(logits[0, :4], full[0, :4], atol=3e-5)
  np.testing.assert_allclose(logits[0, 4:], full[1, :6], atol=3e-5)


def test_number_of_parameters(family):
  cfg, params, _, _ = family
  count = sum(x.size for x in jax.tree.leaves(params))
  assert count == cfg.num_params


def test_sliding_layers_forget():
  """With one layer, a token beyond the window cannot matter."""
  cfg = testing.small_config(num_layers=1, window=3, sliding=(True,))
  params = testing.random_params(cfg)
  tokens = jnp.arange(8)[None]
  far, near = tokens.at[0, 4].set(15), tokens.at[0, 5].set(15)
  last = lambda t: read(cfg, params, t)[0, 7]
  np.testing.assert_array_equal(last(tokens), last(far))
  assert not jnp.allclose(last(tokens), last(near))


def test_value_head_is_one_number_a_token():
  cfg = testing.small_config()
  params = testing.random_params(cfg, 'value')
  values = read(cfg, params, jnp.zeros((2, 5), int), head='value')
  assert values.shape == (2, 5)
  assert values.dtype == jnp.float32
  assert set(params) == {'backbone', 'value', 'value_bias'}


def test_half_precision_keeps_logits_in_full():
  cfg = testing.small_config(dtype='bfloat16', param_dtype='bfloat16')
  params = testing.random_params(cfg)
  assert {x.dtype for x in jax.tree.leaves(params)} == {jnp.bfloat16.dtype}
  tokens = jnp.arange(12)[None]
  logits = read(cfg, params, tokens)
  assert logits.dtype == jnp.float32
  wide = testing.small_config()
  exact = read(
    wide, jax.tree.map(lambda x: x.astype('float32'), params), tokens
  )
  assert jnp.abs(logits - exact).max() < 0.1 * jnp.abs(exact).max()


def test_dropout_only_in_training():
  cfg = testing.small_config(dropout=0.5)
  params = testing.random_params(cfg)
  tokens = jnp.arange(8)[None]
  draw = lambda seed: read(
    cfg,
    params,
    tokens,
    deterministic=False,
    rngs={'dropout': jax.random.key(seed)},
  )
  assert not jnp.allclose(draw(0), draw(1))
  np.testing.assert_array_equal(
    read(cfg, params, tokens), read(testing.small_config(), params, tokens)
  )


def test_parameters_are_cut_as_the_rules_say():
  cfg = testing.small_config(num_kv_heads=4)
  mesh = partitioning.make_mesh(data=2, model=2)
  abstract = jax.eval_shape(
    Transformer(cfg).init, jax.random.key(0), jnp.zeros((1, 2), int)
  )
  placed = partitioning.shardings(abstract, mesh)['params']['backbone']
  cut = jax.sharding.PartitionSpec
  assert placed['embedding'].spec == cut('model', 'fsdp')
  assert placed['layers']['attention']['q'].spec == cut(
    None, 'fsdp', 'model', None
  )
  assert placed['layers']['mlp']['down'].spec == cut(None, 'model', 'fsdp')


def test_constraints_survive_under_use():
  """`with mesh:` would drop them without a word."""
  cfg = testing.small_config()
  params = testing.random_params(cfg)
  with partitioning.use(partitioning.make_mesh()):
    text = str(
      jax.make_jaxpr(lambda p, t: read(cfg, p, t))(
        params, jnp.zeros((4, 3), int)
      )
    )
  assert 'sharding_constraint' in text


@pytest.mark.parametrize(
  'changes',
  [
    dict(num_kv_heads=3),
    dict(head_dim=7),
    dict(activation='tanh'),
    dict(sliding=(True,)),
    dict(sliding=(True, True)),
    dict(dropout=1.0),
    dict(mlp_dim=0),
    dict(local_rope_theta=10.0),
    dict(context=0),
    dict(value_hidden=-1),
  ],
)
def test_bad_configs(changes):
  with pytest.raises(ValueError, match='TransformerConfig'):
    testing.small_config(**changes)


def test_params_are_boxed_with_names():
  boxed = Transformer(testing.small_config()).init(
    jax.random.key(0), jnp.zeros((1, 2), int)
  )
  names = nn.get_partition_spec(boxed)['params']['backbone']['layers']
  assert names['attention']['out'] == jax.sharding.PartitionSpec(
    'layers', 'heads', 'head_dim', 'embed'
  )
  assert TransformerConfig.__hash__ is not None
