"""The programs, with a model that sees its whole past."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import testing
from ttc.inference import engine
from ttc.inference.engine import LaneBatch
from ttc.inference.models import Model
from ttc.inference.prefill import PackedPrefill
from ttc.inference.stops import Stops
from ttc.models import abstract, partitioning
from ttc.models.cache import KVCache
from ttc.models.rope import Angles
from ttc.models.transformer import unstack
from ttc.planning import hlo
from ttc.planning.costs import COLLECTIVES

CFG = testing.small_config()
PARAMS = testing.random_params(CFG)
VALUE = testing.random_params(CFG, 'value')
PROMPTS = [[3, 4, 5], [6], [7, 8], [9, 9, 9, 4]]
END = np.arange(CFG.vocab_size) == 1
STEP_END = (np.arange(CFG.vocab_size) == 2) | END
CELLS, NEW, SLOTS, PIECE = 24, 12, 6, 4
TABLE = Angles.table(CFG, CELLS)
KEYS = np.asarray(jax.random.key_data(jax.random.split(jax.random.key(0), 4)))


class World:
  """Rows of one device after another, and the pools they live in."""

  def __init__(self, mesh=None, slots=(5, 0, 3, 1)):
    self.mesh = testing.mesh() if mesh is None else mesh
    self.devices = self.mesh.shape['data']
    self.slots = slots
    self.texts = [list(p) for p in PROMPTS]
    cut = self.mesh.shape['model'] > 1
    place = lambda head, params: unstack(
      jax.tree.map(
        lambda x, a: jax.device_put(x, a.sharding),
        params,
        abstract.params(CFG, head, self.mesh),
      )
      if cut
      else params
    )
    self.params = place('logits', PARAMS)
    self.verifier = place('value', VALUE)
    self.pool, self.read_pool = (
      _rubbish(self.devices * (SLOTS + 1), self.mesh) for _ in range(2)
    )

  def each(self, made):
    """The same arrays for every device."""
    return partitioning.put(
      jax.tree.map(
        lambda x: np.concatenate([np.asarray(x)] * self.devices), made
      ),
      self.mesh,
    )

  def cut(self, rows):
    """An empty cache whose heads are cut as the scheduler does."""
    return jax.device_put(
      KVCache.empty(CFG, self.devices * rows, CELLS),
      jax.sharding.NamedSharding(self.mesh, jax.P('data', 'model')),
    )

  def prefill(self):
    line = PackedPrefill.pack(
      [(s, 0, t[:-1]) for s, t in zip(self.slots, self.texts, strict=True)],
      32,
      SLOTS,
    )
    with partitioning.use(self.mesh):
      self.pool, none = engine.prefill(
        self.params,
        TABLE,
        self.pool,
        self.each(line),
        head='logits',
        cfg=CFG,
        mesh=self.mesh,
        cache_len=CELLS,
      )
    assert none is None
    return self

  def extend(
    self, most=NEW, steps=0, temperature=1.0, min_live=0, chunk=4, pad=0
  ):
    rows = [
      (text[-1], len(text) - 1, left, steps, *key.tolist())
      for text, left, key in zip(
        self.texts, np.broadcast_to(most, 4), KEYS, strict=True
      )
    ]
    rows += [(0,) * 6] * pad
    batch = LaneBatch.pack(rows, [temperature] * len(rows), min_live)
    before = [len(t) - 1 for t in self.texts]
    with partitioning.use(self.mesh):
      lanes = self.copy(
        self.pool,
        _rubbish(self.devices * (4 + pad), self.mesh),
        [
          (slot, lane, position)
          for lane, slot in enumerate(self.slots)
          for position in range(0, before[lane], PIECE)
        ],
      )
      lanes, grown = engine.extend(
        self.params,
        TABLE,
        lanes,
        self.each(batch),
        Stops(STEP_END, END),
        None,
        cfg=CFG,
        mesh=self.mesh,
        max_new=chunk,
      )
    for text, new, count in zip(
      self.texts, np.asarray(grown.token), np.asarray(grown.count), strict=False
    ):
      text += new[:count].tolist()
    with partitioning.use(self.mesh):
      self.pool = self.copy(
        lanes,
        self.pool,
        [
          (lane, slot, position)
          for lane, slot in enumerate(self.slots)
          for position in range(
            before[lane] - before[lane] % PIECE,
            len(self.texts[lane]) - 1,
            PIECE,
          )
        ],
      )
    return grown

  def copy(self, source, target, pieces):
    pieces = [*pieces, *[(-1, -1, -1)] * (64 - len(pieces))]
    return engine.copy(
      source,
      target,
      self.each(np.array(pieces, np.int32)),
      mesh=self.mesh,
      size=PIECE,
    )

  def finish(self, min_live=0, **settings):
    """Extends until all rows have as many tokens as they may.

    As in the scheduler, a loop that stops while rows are live begins with more.
    """
    starts, logprob = [len(p) for p in PROMPTS], np.zeros(4)
    while True:
      most = [
        NEW - (len(t) - s) if not END[t[-1]] else 0
        for t, s in zip(self.texts, starts, strict=True)
      ]
      if not any(most):
        return logprob
      stop = min(min_live, np.count_nonzero(most) - 1)
      grown = self.extend(most, min_live=stop, **settings)
      logprob += np.asarray(grown.logprob)[:4]


def _rubbish(rows, mesh):
  """A cache in which nothing may be looked at before it is written."""
  return partitioning.put(
    jax.tree.map(
      lambda x: np.full(x.shape, 50.0, x.dtype), KVCache.empty(CFG, rows, CELLS)
    ),
    mesh,
  )


def full(text, head='logits', params=PARAMS):
  """Of each token."""
  return testing.outputs(Model(params, CFG), text, head, CELLS)[: len(text)]


def test_greedy_follows_the_full_model():
  world = World().prefill()
  world.finish(temperature=0.0)
  for text, prompt in zip(world.texts, PROMPTS, strict=True):
    best = jnp.argmax(full(text), axis=-1)
    assert text[len(prompt) :] == best[len(prompt) - 1 : -1].tolist()


def test_log_probability_is_the_models():
  world = World().prefill()
  logprob = world.finish(temperature=0.6)
  for row, (text, prompt) in enumerate(zip(world.texts, PROMPTS, strict=True)):
    log = jax.nn.log_softmax(full(text))[jnp.arange(len(text) - 1), text[1:]]
    np.testing.assert_allclose(
      logprob[row], log[len(prompt) - 1 :].sum(), rtol=1e-4
    )


def test_key_of_a_token_is_row_and_position():
  """The law that resumption and the scheduler rely on."""
  world = World().prefill()
  world.extend(most=1)
  for key, prompt, text in zip(KEYS, PROMPTS, world.texts, strict=True):
    key = jax.random.fold_in(jax.random.wrap_key_data(key), len(prompt))
    assert text[-1] == jax.random.categorical(key, full(prompt)[-1])


@pytest.mark.parametrize(
  'settings', [dict(chunk=1), dict(chunk=7), dict(min_live=2), dict(pad=3)]
)
def test_text_depends_on_nothing_but_the_row(settings):
  plain = World().prefill()
  plain.finish()
  other = World(slots=(2, 4, 0, 5)).prefill()
  other.finish(**settings)
  assert other.texts == plain.texts


def test_pauses_at_step_ends_ends_at_ends():
  seen = set()
  world = World().prefill()
  for _ in range(4):
    before = [len(t) for t in world.texts]
    grown = world.extend(most=5, steps=1, chunk=7)
    for row, (text, start) in enumerate(zip(world.texts, before, strict=True)):
      new = text[start:]
      assert not STEP_END[new[:-1]].any()
      assert STEP_END[new[-1]] or len(new) == 5
      assert not grown.live[row]
      seen.add(bool(STEP_END[new[-1]]))
    assert int(grown.ran[0]) == max(
      len(t) - n for t, n in zip(world.texts, before, strict=True)
    )
  assert seen == {True, False}


def test_stops_when_few_are_left():
  world = World().prefill()
  grown = world.extend(most=[1, 9, 2, 9], min_live=2, chunk=9)
  assert grown.ran[0] <= 2 or np.asarray(grown.live).sum() <= 2
  assert int(grown.count[1]) == int(grown.ran[0])


def test_devices_do_not_matter():
  plain = World().prefill()
  plain.finish()
  for data, model in ((4, 1), (2, 2)):
    mesh = partitioning.make_mesh(
      data=data, model=model, devices=jax.devices()[: data * model]
    )
    other = World(mesh).prefill()
    other.finish()
    assert other.texts == plain.texts


def test_values_of_pieces_equal_those_of_the_whole():
  world = World()
  rng = np.random.default_rng(0)
  texts = [rng.integers(0, 16, n).tolist() for n in (20, 3, 9)]
  at, found = [0, 0, 0], [[], [], []]
  while any(a < len(t) for a, t in zip(at, texts, strict=True)):
    spans = [
      (r, at[r], min(len(texts[r]), at[r] + int(rng.integers(0, 6))))
      for r in range(3)
    ]
    line = PackedPrefill.pack(
      [(world.slots[r], a, texts[r][a:b]) for r, a, b in spans], 32, SLOTS
    )
    with partitioning.use(world.mesh):
      world.read_pool, values = engine.prefill(
        world.verifier,
        TABLE,
        world.read_pool,
        world.each(line),
        head='value',
        cfg=CFG,
        mesh=world.mesh,
        cache_len=CELLS,
      )
    where = 0
    for r, a, b in spans:
      found[r] += np.asarray(values)[where : where + b - a].tolist()
      where, at[r] = where + b - a, b
  for text, values in zip(texts, found, strict=True):
    whole = full(text, 'value', VALUE)
    np.testing.assert_allclose(values, jax.nn.sigmoid(whole), atol=1e-5)


def _numbered(rows, first=0):
  """Cell s of row r holds r + first + s / 100."""
  return jax.tree.map(
    lambda x: (
      x
      + jnp.arange(first, first + rows).reshape(-1, 1, 1, 1)
      + jnp.arange(12).reshape(1, 1, -1, 1) / 100
    ),
    KVCache.empty(CFG, rows, 12),
  )


@pytest.mark.parametrize('within', [True, False])
def test_copies_pieces(within):
  target = _numbered(SLOTS + 1)
  source = None if within else _numbered(3, first=50)
  wanted = np.asarray(target.k[1]).copy()
  past = wanted.copy() if within else np.asarray(source.k[1])
  pieces = [(1, 4, 0), (2, 1, 4), (1, 0, 0), (0, 4, 8)]
  for read, write, position in pieces:
    wanted[write, :, position : position + 4] = past[
      read, :, position : position + 4
    ]
  mesh = testing.mesh()
  with partitioning.use(mesh):
    copied = engine.copy(
      source,
      target,
      np.array([*pieces, (-1,) * 3, (-1,) * 3], np.int32),
      mesh=mesh,
      size=4,
    )
  np.testing.assert_array_equal(copied.k[1], wanted)


@pytest.mark.parametrize('model', [1, 2])
def test_only_a_cut_model_communicates(model):
  """It sums what its devices add to the residual stream, and no more."""
  mesh = partitioning.make_mesh(model=model)
  with partitioning.use(mesh):
    world = World(mesh)
    line = world.each(PackedPrefill.pack([(0, 0, [3])], 16, SLOTS))
    batch = world.each(LaneBatch.pack([(0,) * 6] * 4, [1.0] * 4, 0))
    pool = world.cut(SLOTS + 1)
    common = dict(cfg=CFG, mesh=mesh)
    moved = [
      _moved(lowered)
      for lowered in (
        engine.copy.lower(
          None,
          pool,
          world.each(np.zeros((4, 3), np.int32)),
          mesh=mesh,
          size=PIECE,
        ),
        engine.prefill.lower(
          world.verifier,
          TABLE,
          pool,
          line,
          head='value',
          cache_len=CELLS,
          **common,
        ),
        engine.extend.lower(
          world.params,
          TABLE,
          world.cut(4),
          batch,
          Stops(STEP_END, END),
          None,
          max_new=4,
          **common,
        ),
      )
    ]
  assert not moved[0]
  if model == 1:
    assert not any(moved)
    return
  branches = 1 + 2 * CFG.num_layers  # words; attention and MLP of a layer
  for found, tokens in ((moved[1], (1, 16)), (moved[2], (4, 1))):
    assert {op for op, _ in found} == {'all-reduce'}
    sums = [dims for _, dims in found if len(dims) == 3]
    assert sums == [(*tokens, CFG.embed_dim)] * branches
  # A draw compares the best of each device, and adds up what they have.
  assert {np.prod(dims) for _, dims in moved[2] if len(dims) < 3} == {4}


def _moved(lowered):
  """Kinds and shapes of what devices send each other in a program."""
  module = hlo.Module.parse(lowered.compile().as_text())
  return [
    (x.op.removesuffix('-start'), array.dims)
    for computation in module.computations.values()
    for x in computation.instructions.values()
    if x.op.removesuffix('-start') in COLLECTIVES
    for array in x.shape
  ]


def test_one_program_for_all_temperatures_and_lengths():
  engine.extend.clear_cache()
  world = World().prefill()
  for temperature in (0.0, 0.5, 1.0):
    for steps in (0, 1, 3):
      world.extend(most=1, steps=steps, temperature=temperature)
  assert engine.extend._cache_size() == 1
