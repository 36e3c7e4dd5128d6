"""Checkpoints of Hugging Face: into our parameters and out of them.

Language models come and go as `...ForCausalLM`. A value model goes as
`...ForTokenClassification` with one label, whose logit at a token is the logit
of our value there; it comes in the ways that `heads.py` lists.
"""

from collections.abc import Mapping
import dataclasses
import functools
import json
import pathlib
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np

from ttc.checkpoints import families, filling, heads, names, safetensors
from ttc.checkpoints.safetensors import Made
from ttc.models import abstract
from ttc.models.config import TransformerConfig
from ttc.models.reader import Reader
from ttc.models.transformer import Head

_OUTPUT, _TABLE = 'lm_head.weight', 'model.embed_tokens.weight'
_SCORES = (
  'TokenClassification',
  'SequenceClassification',
  'RewardModel',
  'ProcessRewardModel',
)
# Buffers that old versions saved, and that a config says better.
_BUFFERS = re.compile(r'.*\.rotary_emb\.inv_freq')


class Loaded(NamedTuple):
  """A checkpoint that was read.

  Attributes:
    cfg: the config.
    head: which one it has.
    params: on the mesh.
    digest: SHA-256 (hex) of all that was read.
  """

  cfg: TransformerConfig
  head: Head
  params: Any
  digest: str


def load(
  folder: str,
  mesh: Mesh,
  dtype: str | None = None,
  reader: Reader | None = None,
) -> Loaded:
  """Reads a checkpoint onto a mesh.

  Args:
    folder: with config.json and safetensors.
    mesh: where the parameters go.
    dtype: of weights and activations; None keeps those of the checkpoint.
    reader: of a verifier; one with a good and a bad token makes the logits
      of a language model a value head.

  Raises:
    ValueError: something is missing, left over, unknown, damaged or of another
      shape; the message names it.
  """
  folder = pathlib.Path(folder).absolute()
  config = read_config(folder)
  cfg = families.read(config, str(folder / 'config.json'))
  kind = _kind(config, folder)
  found = {
    name: tensor
    for name, tensor in safetensors.tensors(folder).items()
    if not _BUFFERS.fullmatch(name)
  }
  cfg = dataclasses.replace(
    cfg, param_dtype=dtype or _dtype(found), dtype=dtype or cfg.dtype
  )
  digest = safetensors.fresh_digest()
  digest.update(json.dumps([config, dtype], sort_keys=True).encode())
  cfg, head, params, used = _head(kind, cfg, reader, found, digest, folder)
  weights = names.backbone(cfg)
  if head == 'logits' and not cfg.tied:
    weights.append(names.logits())
  target = abstract.params(cfg, head, mesh)
  _check(found, weights, target, used, folder)
  params = {
    name: jax.device_put(value, target[name].sharding)
    for name, value in params.items()
  }
  for weight in weights:
    *path, last = weight.path
    tree = functools.reduce(lambda t, k: t.setdefault(k, {}), path, params)
    tree[last] = filling.filled(
      weight, filling.at(target, weight.path), found, digest
    )
  return Loaded(cfg, head, params, digest.hexdigest())


def read_config(folder: pathlib.Path) -> dict[str, Any]:
  """The content of config.json; raises ValueError where there is none."""
  path = folder / 'config.json'
  if not path.exists():
    raise ValueError(
      f'{folder} has no config.json; give the folder of a Hugging Face '
      'checkpoint.'
    )
  try:
    config = json.loads(path.read_text(encoding='utf-8'))
  except ValueError as error:
    raise ValueError(f'{path} is not JSON: {error}.') from error
  if not isinstance(config, dict):
    raise ValueError(f'{path} holds no JSON object; fetch it again.')
  return config


def save(
  folder: str,
  cfg: TransformerConfig,
  head: Head,
  params: Any,
  dtype: str | None = None,
  about: Mapping[str, Any] | None = None,
  file_bytes: int = 5_000_000_000,
) -> None:
  """Writes parameters as a checkpoint of Hugging Face.

  Args:
    folder: made if it is not there.
    cfg: of the model.
    head: which one it has.
    params: anywhere, or `orbax.Stored`; looked at one after the other.
    dtype: of weights and activations there; None keeps ours.
    about: attributes of config.json beside those that say what is computed.
    file_bytes: see `safetensors.write`.

  Raises:
    ValueError: nothing of Hugging Face computes this.
  """
  if dtype is not None:
    cfg = dataclasses.replace(cfg, dtype=dtype, param_dtype=dtype)
  config = {**(about or {}), **families.written(cfg)}
  stem = families.family_of(cfg).stem
  weights = names.backbone(cfg)
  if head == 'logits':
    config['architectures'] = [f'{stem}ForCausalLM']
    if not cfg.tied:
      weights.append(names.logits())
  else:
    _check_classifier(cfg, stem)
    config |= {
      'architectures': [f'{stem}ForTokenClassification'],
      'id2label': {'0': 'value'},
      'label2id': {'value': 0},
    }
  folder = pathlib.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  made = [
    one
    for weight in weights
    for one in filling.made(weight, params, cfg.param_dtype)
  ]
  if head == 'value':
    made += _made_score(params, cfg.param_dtype)
  safetensors.write(folder, made, file_bytes)
  text = json.dumps(config, indent=2, sort_keys=True)
  (folder / 'config.json').write_text(f'{text}\n', encoding='utf-8')


def _kind(config, folder) -> str:
  """What stands behind 'For' in the name of the class."""
  listed = config.get('architectures') or ['']
  kind = listed[0].partition('For')[2]
  if kind not in ('CausalLM', *_SCORES):
    raise ValueError(
      f'{folder / "config.json"}: architecture {listed[0]!r} is unknown; '
      f'models for {", ".join(("CausalLM", *_SCORES))} can be read.'
    )
  return kind


def _dtype(found) -> str:
  """Of all tensors; a value head's own may differ, ours is float32 anyway."""
  kinds = {
    tensor.dtype: name
    for name, tensor in found.items()
    if not name.startswith('score.')
  }
  for kind, name in kinds.items():
    if kind not in ('float32', 'bfloat16', 'float16'):
      raise ValueError(
        f'Tensor {name!r} has dtype {kind}; float32, bfloat16 and float16 '
        'can be read.'
      )
  if len(kinds) > 1:
    listed = ', '.join(f'{name!r} is {kind}' for kind, name in kinds.items())
    raise ValueError(
      f'The checkpoint mixes dtypes ({listed}); choose one with --dtype.'
    )
  return next(iter(kinds), 'float32')


def _head(kind, cfg, reader, found, digest, folder):
  """(config, head, its parameters, tensors used) beside the backbone."""

  def rows(name, start, stop):
    if name not in found:
      raise ValueError(
        f'{folder} lacks tensor {name!r}; fetch the checkpoint again.'
      )
    return found[name].rows(start, stop, digest)

  if reader is not None and reader.good is not None:
    if kind != 'CausalLM':
      raise ValueError(
        f'{folder} holds a model for {kind}, with a value head of its own; '
        'take a reader without good and bad tokens.'
      )
    made = heads.from_logits(cfg, reader, rows)
  elif kind in _SCORES:
    made = heads.score(found, cfg, rows)
  else:
    return cfg, 'logits', {}, _surplus(cfg, found, folder)
  return made.cfg, 'value', made.params, made.used | {_OUTPUT}


def _surplus(cfg, found, folder) -> set[str]:
  """An output projection that is saved though it is tied."""
  if not cfg.tied or _OUTPUT not in found:
    return set()
  one, other = found[_OUTPUT], found.get(_TABLE)
  if (
    other is not None
    and one.shape == other.shape
    and all(
      (one.rows(*span) == other.rows(*span)).all()
      for span in filling.pieces(one)
    )
  ):
    return {_OUTPUT}
  raise ValueError(
    f'{folder}: config.json ties {_OUTPUT!r} to {_TABLE!r}, and they differ; '
    'set tie_word_embeddings to false there.'
  )


def _check(found, weights, target, used, folder) -> None:
  """Raises ValueError for a tensor missing, mis-shaped or left over."""
  used = set(used)
  for weight in weights:
    shape = filling.at(target, weight.path).shape
    layers, shape = (
      (range(shape[0]), shape[1:]) if weight.layered else ([None], shape)
    )
    for name in map(weight.name.format, layers):
      if name not in found:
        raise ValueError(
          f'{folder} lacks tensor {name!r}, which its config.json asks for; '
          'fetch the checkpoint again, or correct the config.'
        )
      if found[name].shape != weight.theirs(shape):
        raise ValueError(
          f'{folder}: tensor {name!r} has shape {found[name].shape}, and '
          f'config.json asks for {weight.theirs(shape)}; one of them '
          'belongs to another checkpoint.'
        )
      used.add(name)
  left = sorted(found.keys() - used)
  if left:
    raise ValueError(
      f'{folder}: tensor {left[0]!r} is left over ({len(left)} such), so '
      'the model computes something that its config.json does not say; '
      'convert a checkpoint of a known family, or delete the tensor.'
    )


def _made_score(params, dtype):
  """Our value head; as the rest is stored where that loses nothing."""
  weight, bias = (
    np.asarray(params[name]).reshape(shape)
    for name, shape in (('value', (1, -1)), ('value_bias', (1,)))
  )
  for name, value in (('score.weight', weight), ('score.bias', bias)):
    small = value.astype(jnp.dtype(dtype))
    exact = bool((small.astype(np.float32) == value).all())
    kept = small if exact else value
    yield Made(name, str(kept.dtype), kept.shape, lambda kept=kept: kept)


def _check_classifier(cfg, stem) -> None:
  if cfg.value_hidden:
    raise ValueError(
      f'The value head has {cfg.value_hidden} hidden units, and no class of '
      'transformers has such a one; keep it in our format.'
    )
  if stem == 'Gemma3':
    raise ValueError(
      'transformers has no token classifier of Gemma 3; keep a value model '
      'of this family in our format.'
    )
