"""One set of random weights for all sides, as Hugging Face's Llama files."""

import json
import pathlib
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

from benchmarks.protocol import MODEL, ROPE_THETA

KINDS = ('proposer', 'verifier')


def write(folder: pathlib.Path) -> None:
  """Writes both models, unless they are there."""
  for seed, kind in enumerate(KINDS):
    target = folder / kind
    if (target / 'config.json').exists():
      continue
    target.mkdir(parents=True, exist_ok=True)
    save_file(
      _tensors(seed, kind),
      target / 'model.safetensors',
      metadata={'format': 'pt'},
    )
    (target / 'config.json').write_text(
      json.dumps(
        {
          'architectures': ['LlamaForCausalLM'],
          'model_type': 'llama',
          'rope_theta': ROPE_THETA,
          'dtype': 'float32',
          **MODEL,
        }
      )
    )


def load(folder: pathlib.Path, kind: str) -> dict:
  """The parameters of ttc's Transformer, layers stacked."""
  found = load_file(folder / kind / 'model.safetensors')
  d, h = MODEL['hidden_size'], MODEL['head_dim']
  heads, kv = MODEL['num_attention_heads'], MODEL['num_key_value_heads']
  split = lambda w, n: w.T.reshape(d, n, h)
  layers = [
    {
      'attention_norm': {'scale': found[f'{at}.input_layernorm.weight']},
      'attention': {
        'q': split(found[f'{at}.self_attn.q_proj.weight'], heads),
        'k': split(found[f'{at}.self_attn.k_proj.weight'], kv),
        'v': split(found[f'{at}.self_attn.v_proj.weight'], kv),
        'out': found[f'{at}.self_attn.o_proj.weight'].T.reshape(heads, h, d),
      },
      'mlp_norm': {'scale': found[f'{at}.post_attention_layernorm.weight']},
      'mlp': {
        'gate': found[f'{at}.mlp.gate_proj.weight'].T,
        'up': found[f'{at}.mlp.up_proj.weight'].T,
        'down': found[f'{at}.mlp.down_proj.weight'].T,
      },
    }
    for at in (f'model.layers.{i}' for i in range(MODEL['num_hidden_layers']))
  ]
  backbone = {
    'embedding': found['model.embed_tokens.weight'],
    'final_norm': {'scale': found['model.norm.weight']},
    'layers': _stack(layers),
  }
  if kind == 'proposer':
    return {'backbone': backbone, 'logits': found['lm_head.weight'].T}
  return {
    'backbone': backbone,
    'value': found['score.weight'][0],
    'value_bias': np.float32(0),
  }


def _tensors(seed: int, kind: str) -> dict[str, np.ndarray]:
  rng = np.random.default_rng(seed)
  d, f, h = MODEL['hidden_size'], MODEL['intermediate_size'], MODEL['head_dim']
  heads, kv = MODEL['num_attention_heads'], MODEL['num_key_value_heads']
  normal = lambda *shape: rng.normal(0, shape[-1] ** -0.5, shape).astype(
    np.float32
  )
  one = np.ones(d, np.float32)
  tensors = {
    'model.embed_tokens.weight': normal(MODEL['vocab_size'], d),
    'model.norm.weight': one.copy(),
  }
  for i in range(MODEL['num_hidden_layers']):
    at = f'model.layers.{i}'
    tensors |= {
      f'{at}.input_layernorm.weight': one.copy(),
      f'{at}.post_attention_layernorm.weight': one.copy(),
      f'{at}.self_attn.q_proj.weight': normal(heads * h, d),
      f'{at}.self_attn.k_proj.weight': normal(kv * h, d),
      f'{at}.self_attn.v_proj.weight': normal(kv * h, d),
      f'{at}.self_attn.o_proj.weight': normal(d, heads * h),
      f'{at}.mlp.gate_proj.weight': normal(f, d),
      f'{at}.mlp.up_proj.weight': normal(f, d),
      f'{at}.mlp.down_proj.weight': normal(d, f),
    }
  if kind == 'proposer':
    tensors['lm_head.weight'] = normal(MODEL['vocab_size'], d)
  else:
    tensors['score.weight'] = normal(1, d)
  return tensors


def _stack(trees):
  if isinstance(trees[0], dict):
    return {key: _stack([tree[key] for tree in trees]) for key in trees[0]}
  return np.stack(trees)


if __name__ == '__main__':
  write(pathlib.Path(sys.argv[1]))
