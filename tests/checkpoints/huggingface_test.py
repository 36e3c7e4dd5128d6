"""Other people's checkpoints compute here what they compute in transformers.

What transformers said is stored in goldens/ by `huggingface_cases.py`. Where
torch and transformers are installed it is asked again.
"""

import functools
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import testing
from tests.checkpoints import huggingface_cases as cases
from ttc.checkpoints import huggingface, orbax, safetensors
from ttc.inference.prefill import PackedPrefill
from ttc.models import partitioning
from ttc.models.cache import KVCache
from ttc.models.memory import Lanes
from ttc.models.reader import Reader
from ttc.models.rope import Angles
from ttc.models.transformer import Transformer, unstack

TOLERANCE = 2e-4
CELLS = 48
ROWS, LONGEST = len(cases.PROMPTS), max(map(len, cases.PROMPTS))
READER = Reader('{question}', '.', good=cases.GOOD, bad=cases.BAD)


@pytest.fixture
def golden(request):
  return dict(np.load(cases.GOLDENS / f'{request.param}.npz'))


def drawn(golden) -> dict[str, np.ndarray]:
  """The weights by name, as the script drew them."""
  shapes = json.loads(golden['shapes'].tobytes())
  offset = b'gemma' in golden['config'].tobytes()
  return {
    name: cases.weight(name, tuple(shape), offset)
    for name, shape in shapes.items()
  }


def write(folder: pathlib.Path, weights, config) -> pathlib.Path:
  """A checkpoint; `config` is bytes or a dictionary."""
  folder.mkdir(exist_ok=True)
  made = [
    safetensors.Made(
      name, str(value.dtype), value.shape, lambda value=value: value
    )
    for name, value in weights.items()
  ]
  safetensors.write(folder, made)
  if isinstance(config, dict):
    config = json.dumps(config).encode()
  (folder / 'config.json').write_bytes(config)
  return folder


def stored(golden, folder):
  return write(folder, drawn(golden), golden['config'].tobytes())


def padded(left: bool):
  """(tokens, positions, segment ids) [R, T] of the prompts."""
  tokens, positions, segments = np.zeros((3, ROWS, LONGEST), np.int32)
  for row, prompt in enumerate(cases.PROMPTS):
    at = slice(LONGEST - len(prompt), None) if left else slice(len(prompt))
    tokens[row, at], positions[row, at] = prompt, range(len(prompt))
    segments[row, at] = 1
  return tokens, positions, segments


def read(loaded, left):
  tokens, positions, segments = padded(left)
  model = Transformer(loaded.cfg, head=loaded.head)
  out = jax.jit(model.apply)(
    {'params': loaded.params}, tokens, positions=positions, segment_ids=segments
  )
  return np.asarray(out), segments == 1


def of_prompts(padded_left):
  """[R, T, ...] padded on the left, as one array without padding."""
  return np.concatenate(
    [
      row[LONGEST - len(prompt) :]
      for row, prompt in zip(padded_left, cases.PROMPTS, strict=True)
    ]
  )


def check_logits(loaded, golden):
  wanted = of_prompts(golden['prefill'])
  for left in (True, False):
    logits, real = read(loaded, left)
    assert np.abs(logits[real] - wanted).max() <= TOLERANCE
  prefill, decode = cached(loaded, golden['greedy'])
  assert np.abs(prefill - wanted).max() <= TOLERANCE
  assert np.abs(decode - golden['decode']).max() <= TOLERANCE
  np.testing.assert_array_equal(decode.argmax(-1), golden['greedy'])


def cached(loaded, greedy):
  """Logits of prompts on one line, and of what follows as lanes."""
  cfg = loaded.cfg
  apply = functools.partial(
    Transformer(cfg, scan=False).apply,
    {'params': unstack(loaded.params)},
    method='extend',
  )
  pool = KVCache.empty(cfg, ROWS + 1, CELLS)
  line = PackedPrefill.pack(
    [(row, 0, list(prompt)) for row, prompt in enumerate(cases.PROMPTS)],
    32,
    ROWS,
  )
  memory = jax.tree.map(jnp.asarray, line).memory(pool, CELLS)
  first, memory = jax.jit(apply)(
    line.tokens[None, :, 0], Angles.create(cfg, memory.position[None]), memory
  )
  ends = np.cumsum([len(prompt) for prompt in cases.PROMPTS])

  def step(carry, token):
    cache, position = carry
    logits, lanes = apply(
      token[:, None],
      Angles.create(cfg, position[:, None]),
      Lanes(cache, position),
    )
    return (lanes.cache, position + 1), logits[:, 0]

  start = (
    jax.tree.map(lambda x: x[:ROWS, :, :CELLS], memory.cache),
    jnp.asarray([len(prompt) for prompt in cases.PROMPTS]),
  )
  _, later = jax.jit(functools.partial(jax.lax.scan, step))(
    start, jnp.asarray(greedy.T[:-1])
  )
  decode = np.concatenate(
    [np.asarray(first)[0, ends - 1][:, None], np.asarray(later).swapaxes(0, 1)],
    axis=1,
  )
  return np.asarray(first)[0, : ends[-1]], decode


@pytest.mark.parametrize('golden', cases.LANGUAGE_MODELS, indirect=True)
def test_language_models_compute_the_same(golden, tmp_path):
  loaded = huggingface.load(stored(golden, tmp_path), testing.mesh())
  assert loaded.head == 'logits'
  check_logits(loaded, golden)


@pytest.mark.parametrize(
  ('golden', 'case'),
  [(case, case) for case in cases.VERIFIERS],
  indirect=['golden'],
)
def test_verifiers_give_the_same_values(golden, case, tmp_path):
  reader = READER if case.startswith('step_token') else None
  loaded = huggingface.load(
    stored(golden, tmp_path), testing.mesh(), reader=reader
  )
  assert loaded.head == 'value'
  logits, real = read(loaded, left=True)
  values = np.asarray(jax.nn.sigmoid(logits))
  assert np.abs(values - golden['values'])[real].max() <= TOLERANCE
  assert np.ptp(values[real]) > 0.1


@pytest.mark.parametrize(
  'golden', [*cases.LANGUAGE_MODELS, 'token_one'], indirect=True
)
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_there_and_back_is_bit_equal(golden, dtype, tmp_path):
  weights = {
    name: np.asarray(jnp.asarray(value, dtype))
    for name, value in drawn(golden).items()
  }
  write(tmp_path / 'one', weights, golden['config'].tobytes())
  loaded = huggingface.load(tmp_path / 'one', testing.mesh())
  orbax.save_model(tmp_path / 'ours', loaded.cfg, loaded.head, loaded.params)
  cfg, head, params = orbax.load_model(tmp_path / 'ours')
  assert cfg == loaded.cfg
  huggingface.save(tmp_path / 'two', cfg, head, params, file_bytes=20_000)
  found = safetensors.tensors(tmp_path / 'two')
  assert len({tensor.path for tensor in found.values()}) > 1
  assert found.keys() == weights.keys()
  for name, value in weights.items():
    back = found[name].rows(0, len(value))
    assert back.dtype == value.dtype
    assert back.tobytes() == value.tobytes()
  again = huggingface.load(tmp_path / 'two', testing.mesh())
  assert again.cfg == cfg


@pytest.mark.parametrize('golden', ['gemma3', 'qwen2_yarn'], indirect=True)
def test_shards_hold_what_one_device_does(golden, tmp_path):
  folder = stored(golden, tmp_path)
  whole = huggingface.load(folder, testing.mesh())
  mesh = partitioning.make_mesh(data=2, model=2)
  cut = huggingface.load(folder, mesh)
  assert cut.params['backbone']['layers']['attention']['out'].sharding.spec == (
    jax.P(None, 'model', None, 'fsdp')
  )
  for one, other in zip(
    jax.tree.leaves(whole.params), jax.tree.leaves(cut.params), strict=True
  ):
    np.testing.assert_array_equal(one, np.asarray(other))


@pytest.mark.parametrize('golden', ['llama3'], indirect=True)
def test_pieces_of_a_tensor_are_put_together(golden, tmp_path, monkeypatch):
  folder = stored(golden, tmp_path)
  whole = huggingface.load(folder, testing.mesh())
  monkeypatch.setattr('ttc.checkpoints.filling._PIECE', 1000)
  pieces = huggingface.load(folder, testing.mesh())
  assert jax.tree.all(
    jax.tree.map(lambda a, b: bool((a == b).all()), whole.params, pieces.params)
  )


@pytest.mark.parametrize('golden', ['qwen2'], indirect=True)
def test_another_dtype_if_asked_for(golden, tmp_path):
  loaded = huggingface.load(
    stored(golden, tmp_path), testing.mesh(), dtype='bfloat16'
  )
  assert (loaded.cfg.dtype, loaded.cfg.param_dtype) == ('bfloat16',) * 2
  assert {str(x.dtype) for x in jax.tree.leaves(loaded.params)} == {'bfloat16'}


@pytest.mark.parametrize('case', cases.CASES)
def test_transformers_says_so_today(case, tmp_path):
  """The script itself, on what transformers wrote."""
  pytest.importorskip('torch')
  pytest.importorskip('transformers')
  golden = cases.reference(case, tmp_path)
  verifier = case in cases.VERIFIERS
  reader = READER if case.startswith('step_token') else None
  loaded = huggingface.load(tmp_path, testing.mesh(), reader=reader)
  if not verifier:
    check_logits(loaded, golden)
    return
  values = jax.nn.sigmoid(read(loaded, left=True)[0])
  real = padded(left=True)[2] == 1
  assert np.abs(values - golden['values'])[real].max() <= TOLERANCE
