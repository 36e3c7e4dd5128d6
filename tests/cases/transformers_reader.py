"""What transformers reads in a config.json, whatever its version.

    python transformers_reader.py FOLDER...

prints one JSON object: the version, and for each folder what matters of its
configuration. Needs neither torch nor this package, so that any environment
with transformers can run it. `tests/cases/checkpoints_test.py` does, for each
Python named in TTC_TRANSFORMERS_PYTHONS.
"""

import json
import sys

_SAME = (
  'attn_logit_softcapping',
  'final_logit_softcapping',
  'hidden_act',
  'hidden_activation',
  'hidden_size',
  'intermediate_size',
  'max_position_embeddings',
  'num_attention_heads',
  'num_hidden_layers',
  'num_key_value_heads',
  'query_pre_attn_scalar',
  'rms_norm_eps',
  'tie_word_embeddings',
  'vocab_size',
)


def reading(folder: str) -> dict:
  """Bases, scaling, windows and sizes, in the same form for all versions."""
  import transformers

  config = transformers.AutoConfig.from_pretrained(folder)
  if int(transformers.__version__.split('.')[0]) < 5:
    near, far = getattr(config, 'rope_local_base_freq', None), config.rope_theta
    scaling = dict(getattr(config, 'rope_scaling', None) or {})
  else:
    ropes = config.rope_parameters
    scaling = dict(ropes.get('full_attention', ropes))
    far = scaling.pop('rope_theta')
    near = ropes.get('sliding_attention', {}).get('rope_theta')
  kind = scaling.pop('rope_type', 'default')
  scaling.pop('type', None)
  window = getattr(config, 'sliding_window', None)
  layers = getattr(config, 'layer_types', None)
  windows = [window] * config.num_hidden_layers
  if layers is not None:
    windows = [window if kind.startswith('s') else None for kind in layers]
  head = getattr(config, 'head_dim', None)
  return {
    'dtype': str(config.dtype).removeprefix('torch.'),
    'theta': far,
    'near theta': near,
    'rope': kind,
    'scaling': scaling if kind != 'default' else {},
    'windows': windows,
    'head_dim': head or config.hidden_size // config.num_attention_heads,
    'attention_bias': bool(getattr(config, 'attention_bias', False)),
    **{name: getattr(config, name, None) for name in _SAME},
  }


if __name__ == '__main__':
  import transformers

  print(
    json.dumps(
      {
        'version': transformers.__version__,
        'readings': [reading(folder) for folder in sys.argv[1:]],
      }
    )
  )
