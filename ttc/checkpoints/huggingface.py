"""Import and export of Hugging Face checkpoints.

Language models are `...ForCausalLM` in both directions. A value model is
exported as `...ForTokenClassification` with one label, whose logit at a token
is the value logit there. It is imported from the formats in `heads.py`.
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

from ttc.checkpoints import (
  families,
  filling,
  heads,
  lookalikes,
  names,
  safetensors,
)
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
# Buffers that old versions of transformers saved; the config determines them.
_BUFFERS = re.compile(r'.*\.rotary_emb\.inv_freq')


class Loaded(NamedTuple):
  """An imported checkpoint.

  Attributes:
    cfg: config of the model.
    head: 'logits' or 'value'.
    params: parameters, stacked, on the mesh.
    digest: SHA-256 (hex) of the config and all weights that were read.
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
    folder: folder with config.json and safetensors files.
    mesh: where the parameters are placed.
    dtype: of weights and activations; None keeps those of the checkpoint.
    reader: text format of a verifier. If it has a good and a bad token, a
      value head is made of a language model's logits.

  Raises:
    ValueError: a file, tensor or attribute is missing, left over, unknown,
      damaged or of another shape; the message names it.
  """
  folder = pathlib.Path(folder).absolute()
  config = read_config(folder)
  cfg = families.read(config, str(folder / 'config.json'))
  kind = _kind(config, folder)
  tensors = {
    name: tensor
    for name, tensor in safetensors.tensors(folder).items()
    if not _BUFFERS.fullmatch(name)
  }
  lookalikes.check_no_adapter_tensors(tensors, folder)
  if kind == 'CausalLM':
    stem = families.family_of(cfg).stem
    lookalikes.check_no_head(tensors, stem, folder)
  else:
    heads.check_labels(config.get('id2label'), folder)
  cfg = dataclasses.replace(
    cfg, param_dtype=dtype or _dtype(tensors), dtype=dtype or cfg.dtype
  )
  # Weights are added as they are read, so that the files are not read a second
  # time for their hash.
  digest = safetensors.fresh_digest()
  # With the dtype, because it makes another model of the same files.
  digest.update(json.dumps([config, dtype], sort_keys=True).encode())
  cfg, head, params, used = _head(kind, cfg, reader, tensors, digest, folder)
  weights = names.backbone(cfg)
  if head == 'logits' and not cfg.tied:
    weights.append(names.logits())
  target = abstract.params(cfg, head, mesh)
  _check(tensors, weights, target, used, folder)
  params = {
    name: jax.device_put(value, target[name].sharding)
    for name, value in params.items()
  }
  for weight in weights:
    *path, last = weight.path
    tree = functools.reduce(lambda t, k: t.setdefault(k, {}), path, params)
    tree[last] = filling.filled(
      weight, filling.at(target, weight.path), tensors, digest
    )
  return Loaded(cfg, head, params, digest.hexdigest())


def read_config(folder: pathlib.Path) -> dict[str, Any]:
  """Reads the config.json of a checkpoint.

  Raises:
    ValueError: it is missing or not a JSON object, or the folder has an
      adapter.
  """
  path = folder / 'config.json'
  lookalikes.check_no_adapter(folder)
  if not path.exists():
    raise ValueError(
      f'{folder} has no config.json; give the folder of a Hugging Face '
      'checkpoint.'
    )
  return read_json(path)


def read_json(path: pathlib.Path) -> dict[str, Any]:
  """Reads a JSON object; raises ValueError, naming the file, if it has none."""
  lookalikes.check_no_pointer(path)
  try:
    config = json.loads(path.read_text(encoding='utf-8'))
  except (ValueError, RecursionError) as error:
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
  """Writes parameters as a Hugging Face checkpoint.

  Args:
    folder: is made if it does not exist.
    cfg: config of the model.
    head: its head.
    params: arrays on host or devices, or `orbax.Stored`; read one by one.
    dtype: of weights and activations in the checkpoint; None keeps those of
      `cfg`.
    about: further attributes of config.json, which do not change what is
      computed.
    file_bytes: see `safetensors.write`.

  Raises:
    ValueError: no class of transformers computes the same.
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
  tensors = [
    tensor
    for weight in weights
    for tensor in filling.made(weight, params, cfg.param_dtype)
  ]
  if head == 'value':
    tensors += _made_score(params, cfg.param_dtype)
  safetensors.write(folder, tensors, file_bytes)
  text = json.dumps(config, indent=2, sort_keys=True)
  (folder / 'config.json').write_text(f'{text}\n', encoding='utf-8')


def _kind(config, folder) -> str:
  """The task of the model: what follows 'For' in its class name."""
  listed = config.get('architectures') or ['']
  name = listed[0] if isinstance(listed, list) else listed
  kind = name.partition('For')[2] if isinstance(name, str) else ''
  if kind not in ('CausalLM', *_SCORES):
    raise ValueError(
      f'{folder / "config.json"}: architecture {name!r} is unknown; '
      f'models for {", ".join(("CausalLM", *_SCORES))} can be read.'
    )
  return kind


def _dtype(tensors) -> str:
  """The dtype that all tensors share.

  Those of a value head may differ: imported heads are float32 in any case.
  """
  kinds = {
    tensor.dtype: name
    for name, tensor in tensors.items()
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


def _head(kind, cfg, reader, tensors, digest, folder):
  """Reads or makes the head.

  Returns:
    (config, head, parameters of a value head, names of tensors that belong to
    the head or may be ignored because of it).
  """

  def rows(name, start, stop):
    if name not in tensors:
      raise ValueError(
        f'{folder} lacks tensor {name!r}; fetch the checkpoint again.'
      )
    return tensors[name].rows(start, stop, digest)

  if reader is not None and reader.good is not None:
    if kind != 'CausalLM':
      raise ValueError(
        f'{folder} holds a model for {kind}, with a value head of its own; '
        'take a reader without good and bad tokens.'
      )
    head = heads.from_logits(cfg, reader, rows)
  elif kind in _SCORES:
    head = heads.score(tensors, cfg, rows)
  else:
    return cfg, 'logits', {}, _surplus(cfg, tensors, folder)
  # A value model has no use for an output projection, which may be there.
  return head.cfg, 'value', head.params, head.used | {_OUTPUT}


def _surplus(cfg, tensors, folder) -> set[str]:
  """The names of tensors that repeat others: a saved but tied projection.

  Raises:
    ValueError: the projection differs from the embedding table.
  """
  if not cfg.tied or _OUTPUT not in tensors:
    return set()
  output, embedding = tensors[_OUTPUT], tensors.get(_TABLE)
  if (
    embedding is not None
    and output.shape == embedding.shape
    and all(
      (output.rows(*span) == embedding.rows(*span)).all()
      for span in filling.pieces(output)
    )
  ):
    return {_OUTPUT}
  raise ValueError(
    f'{folder}: config.json ties {_OUTPUT!r} to {_TABLE!r}, and they differ; '
    'set tie_word_embeddings to false there.'
  )


def _check(tensors, weights, target, used, folder) -> None:
  """Raises ValueError for a tensor that is missing, misshaped or left over.

  Args:
    tensors: tensors by name.
    weights: kinds of weights that the model has.
    target: abstract parameters.
    used: names of further tensors that are accounted for.
    folder: of the checkpoint, for messages.
  """
  used = set(used)
  for weight in weights:
    shape = filling.at(target, weight.path).shape
    layers, shape = (
      (range(shape[0]), shape[1:]) if weight.layered else ([None], shape)
    )
    for name in map(weight.name.format, layers):
      if name not in tensors:
        raise ValueError(
          f'{folder} lacks tensor {name!r}, which its config.json asks for; '
          'fetch the checkpoint again, or correct the config.'
        )
      if tensors[name].shape != weight.theirs(shape):
        raise ValueError(
          f'{folder}: tensor {name!r} has shape {tensors[name].shape}, and '
          f'config.json asks for {weight.theirs(shape)}; one of them '
          'belongs to another checkpoint.'
        )
      used.add(name)
  left = sorted(tensors.keys() - used)
  if left:
    raise ValueError(
      f'{folder}: tensor {left[0]!r} is left over ({len(left)} such), so '
      'the model computes something that its config.json does not say; '
      'correct that, or convert a checkpoint of a known family.'
    )


def _made_score(params, dtype):
  """The tensors of a value head: in `dtype` if that is exact, else float32."""
  weight, bias = (
    np.asarray(params[name]).reshape(shape)
    for name, shape in (('value', (1, -1)), ('value_bias', (1,)))
  )
  for name, value in (('score.weight', weight), ('score.bias', bias)):
    rounded = value.astype(jnp.dtype(dtype))
    exact = bool((rounded.astype(np.float32) == value).all())
    kept = rounded if exact else value
    # Bound as a default, for the tensor is made after the loop.
    yield Made(name, str(kept.dtype), kept.shape, lambda kept=kept: kept)


def _check_classifier(cfg, stem) -> None:
  """Raises ValueError if transformers has no token classifier like this."""
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
