"""Small models of every family, and what transformers computes for them.

    python -m tests.checkpoints.huggingface_cases

with torch and transformers writes tests/checkpoints/goldens/<case>.npz: the
config.json and tensor names as transformers saved them, prompts of different
lengths, and float32 logits of prefill and of 32 cached greedy steps, or values
of a verifier. Weights are drawn from their names, here and in the tests, and
are not stored.
"""

import json
import pathlib
import sys
import tempfile
import zlib

import numpy as np

GOLDENS = pathlib.Path(__file__).with_name('goldens')
PROMPTS = ((5, 17, 31, 2, 40, 7, 29, 11, 3), (9, 44, 1, 23, 6), (30, 12))
STEPS = 32
GOOD, BAD = 21, 8  # tokens that judge a step

_SIZES = dict(
  vocab_size=48,
  hidden_size=32,
  intermediate_size=40,
  num_hidden_layers=2,
  num_attention_heads=4,
  num_key_value_heads=2,
  max_position_embeddings=128,
  bos_token_id=None,
  eos_token_id=None,
  pad_token_id=0,
  dtype='float32',
)
_LLAMA3 = dict(
  rope_type='llama3',
  rope_theta=5000.0,
  factor=8.0,
  low_freq_factor=1.0,
  high_freq_factor=4.0,
  original_max_position_embeddings=16,
)
_YARN = dict(
  rope_type='yarn',
  rope_theta=1000.0,
  factor=4.0,
  original_max_position_embeddings=16,
)
_LINEAR = dict(rope_type='linear', rope_theta=1000.0, factor=3.0)
_GEMMA3 = dict(
  sliding_attention=dict(rope_type='default', rope_theta=100.0),
  full_attention=dict(rope_type='linear', rope_theta=2000.0, factor=4.0),
)

# name: (configuration class, what differs from _SIZES)
LANGUAGE_MODELS = {
  'llama2': ('LlamaConfig', dict(num_key_value_heads=4)),
  'llama3': (
    'LlamaConfig',
    dict(head_dim=16, tie_word_embeddings=True, rope_parameters=_LLAMA3),
  ),
  'llama_linear': (
    'LlamaConfig',
    dict(attention_bias=True, rope_parameters=_LINEAR),
  ),
  'qwen2': (
    'Qwen2Config',
    dict(
      tie_word_embeddings=True,
      rope_parameters=dict(rope_type='default', rope_theta=1e6),
    ),
  ),
  'qwen2_window': (
    'Qwen2Config',
    dict(
      num_hidden_layers=3,
      use_sliding_window=True,
      sliding_window=7,
      max_window_layers=1,
    ),
  ),
  'qwen2_yarn': ('Qwen2Config', dict(rope_parameters=_YARN)),
  'qwen3': ('Qwen3Config', dict(head_dim=12)),
  'mistral': ('MistralConfig', dict(sliding_window=6)),
  'mistral_whole': ('MistralConfig', dict(sliding_window=None, head_dim=10)),
  'gemma2': (
    'Gemma2Config',
    dict(
      head_dim=16,
      sliding_window=5,
      query_pre_attn_scalar=24,
      attn_logit_softcapping=4.0,
      final_logit_softcapping=6.0,
    ),
  ),
  'gemma3': (
    'Gemma3TextConfig',
    dict(
      num_hidden_layers=3,
      head_dim=16,
      sliding_window=5,
      query_pre_attn_scalar=20,
      rope_parameters=_GEMMA3,
      layer_types=['sliding_attention', 'full_attention', 'sliding_attention'],
    ),
  ),
}
# name: (configuration class, class, what differs)
VERIFIERS = {
  'token_one': (
    'LlamaConfig',
    'AutoModelForTokenClassification',
    dict(num_labels=1),
  ),
  'token_two': (
    'Qwen2Config',
    'AutoModelForTokenClassification',
    dict(num_labels=2),
  ),
  'sequence_two': (
    'Gemma2Config',
    'AutoModelForSequenceClassification',
    dict(num_labels=2, head_dim=16),
  ),
  'qwen_prm': ('Qwen2Config', 'Qwen2ForProcessRewardModel', {}),
  'step_token': (
    'MistralConfig',
    'AutoModelForCausalLM',
    dict(sliding_window=6),
  ),
  'step_token_tied': (
    'Qwen3Config',
    'AutoModelForCausalLM',
    dict(head_dim=12, tie_word_embeddings=True),
  ),
}
CASES = (*LANGUAGE_MODELS, *VERIFIERS)


def weight(name: str, shape: tuple[int, ...], offset: bool) -> np.ndarray:
  """Numbers that belong to a name; `offset` where norms are around zero."""
  draw = np.random.default_rng(zlib.crc32(name.encode())).normal(size=shape)
  if name.endswith('bias'):
    draw *= 0.3
  elif 'norm' in name:
    draw = 0.2 * draw + (0.0 if offset else 1.0)
  else:
    draw *= 1.3 * shape[-1] ** -0.5
  return draw.astype(np.float32)


def reference(case: str, folder: pathlib.Path) -> dict[str, np.ndarray]:
  """What transformers saves into a folder and computes."""
  import torch

  torch.manual_seed(0)
  language = case in LANGUAGE_MODELS
  model = _model(case)
  offset = 'gemma' in model.config.model_type
  shapes = {}
  with torch.no_grad():
    for name, parameter in model.named_parameters():
      shapes[name] = list(parameter.shape)
      parameter.copy_(
        torch.from_numpy(weight(name, tuple(parameter.shape), offset))
      )
  model.save_pretrained(folder)
  longest = max(map(len, PROMPTS))
  tokens, mask = np.zeros((2, len(PROMPTS), longest), np.int64)
  for row, prompt in enumerate(PROMPTS):
    tokens[row, longest - len(prompt) :] = prompt
    mask[row, longest - len(prompt) :] = 1
  tokens, mask = torch.from_numpy(tokens), torch.from_numpy(mask)
  positions = (mask.cumsum(-1) - 1).clamp(min=0)
  golden = {
    'config': np.frombuffer((folder / 'config.json').read_bytes(), np.uint8),
    'shapes': np.frombuffer(json.dumps(shapes).encode(), np.uint8),
  }
  with torch.no_grad():
    kwargs = dict(attention_mask=mask, position_ids=positions)
    if not language:
      return golden | {'values': _values(model, tokens, kwargs)}
    logits = model(tokens, **kwargs).logits
    out = model.generate(
      tokens,
      attention_mask=mask,
      do_sample=False,
      max_new_tokens=STEPS,
      output_logits=True,
      return_dict_in_generate=True,
    )
  return golden | {
    'prefill': logits.numpy().astype(np.float32),
    'greedy': out.sequences[:, longest:].numpy().astype(np.int32),
    'decode': torch.stack(out.logits, 1).numpy().astype(np.float32),
  }


def _model(case):
  import transformers

  if case in LANGUAGE_MODELS:
    name, changes = LANGUAGE_MODELS[case]
    cls = 'AutoModelForCausalLM'
  else:
    name, cls, changes = VERIFIERS[case]
  config = getattr(transformers, name)(**{**_SIZES, **changes})
  config._attn_implementation = 'eager'
  if cls == 'Qwen2ForProcessRewardModel':
    return _process_reward_model(config).eval()
  return getattr(transformers, cls).from_config(config).eval()


def _process_reward_model(config):
  """As the code beside the published checkpoints: two classes behind ReLUs."""
  import torch
  import transformers

  class Qwen2ForProcessRewardModel(transformers.Qwen2PreTrainedModel):
    def __init__(self, config):
      super().__init__(config)
      width = config.hidden_size
      self.model = transformers.Qwen2Model(config)
      self.score = torch.nn.Sequential(
        torch.nn.Linear(width, width),
        torch.nn.ReLU(),
        torch.nn.Linear(width, 2),
      )
      self.post_init()

  return Qwen2ForProcessRewardModel(config)


def _values(model, tokens, kwargs):
  """Probability that each token's step is good, as their users compute it."""
  import torch

  if hasattr(model, 'score'):
    logits = model.score(model.model(tokens, **kwargs).last_hidden_state)
  else:
    logits = model(tokens, **kwargs).logits[..., [BAD, GOOD]]
  if logits.shape[-1] == 1:
    return torch.sigmoid(logits[..., 0]).numpy().astype(np.float32)
  return logits.softmax(-1)[..., 1].numpy().astype(np.float32)


def main(wanted):
  GOLDENS.mkdir(exist_ok=True)
  for case in wanted or CASES:
    with tempfile.TemporaryDirectory() as folder:
      golden = reference(case, pathlib.Path(folder))
    np.savez_compressed(GOLDENS / f'{case}.npz', **golden)
    print(case, {name: array.shape for name, array in golden.items()})


if __name__ == '__main__':
  main(sys.argv[1:])
