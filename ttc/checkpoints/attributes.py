"""A config.json of which every attribute has to be accounted for.

An attribute that a reader does not know may change what a model computes. So a
reader takes the attributes that it understands, and what is left must be on a
list of harmless ones.
"""

from collections.abc import Mapping
import math
from typing import Any, NoReturn

from ttc.runtime.safe_text import printable, quoted


def _names(text: str) -> frozenset[str]:
  return frozenset(text.split())


# Attributes about training, saving, labels or sampling, of which no value
# changes what is computed for a token.
_HARMLESS = _names(
  """
  _attn_implementation _attn_implementation_autoset
  _attn_implementation_internal _commit_hash _experts_implementation_internal
  _flash_attn_2_enabled _name_or_path _output_attentions architectures
  attn_implementation auto_map bos_token_id cache_implementation
  chunk_size_feed_forward decoder_start_token_id dtype eos_token_id
  finetuning_task flash_attn gradient_checkpointing id2label initializer_range
  is_decoder is_llama_config keys_to_ignore_at_inference label2id max_seq_len
  max_seq_length max_sequence_length model_max_length model_type name_or_path
  neftune_noise_alpha num_labels output_attentions output_hidden_states
  pad_token_id prefix pretraining_tp problem_type return_dict sep_token_id
  seq_length task_specific_params tf_legacy_loss tie_encoder_decoder
  token_classification_bias tokenizer_class tokenizer_model_max_length
  tokenizer_padding_side torch_dtype torchscript transformers.js_config
  unk_token_id use_bfloat16 use_cache use_flash_attention use_flash_attn
  use_return_dict value_head_prefix
  """
)
# Arguments of generate() of transformers, in files from before there were files
# for them.
_HARMLESS |= _names(
  """
  assistant_confidence_threshold assistant_lookbehind bad_words_ids
  begin_suppress_tokens diversity_penalty do_sample early_stopping
  encoder_no_repeat_ngram_size encoder_repetition_penalty epsilon_cutoff
  eta_cutoff exponential_decay_length_penalty forced_bos_token_id
  forced_eos_token_id generation_config length_penalty max_length max_new_tokens
  min_length min_new_tokens min_p no_repeat_ngram_size num_assistant_tokens
  num_assistant_tokens_schedule num_beam_groups num_beams num_return_sequences
  output_scores penalty_alpha remove_invalid_values renormalize_logits
  repetition_penalty return_dict_in_generate suppress_tokens target_lookbehind
  temperature top_k top_p typical_p
  """
)
_HARMLESS_PREFIXES = ('unsloth_',)
# Of what is for training only, and of who wrote a file.
_HARMLESS_SUFFIXES = ('dropout', 'dropout_prob', 'pdrop', '_version')
# Attributes that change what is computed, unless they have one of these values.
# Empty ones mean that there is nothing of the kind.
_OFF = {
  'add_cross_attention': (False, None),
  'compression_config': (None, {}),
  'cross_attention_hidden_size': (None,),
  'is_encoder_decoder': (False, None),
  'pruned_heads': ({}, None),
  'quantization': (None, {}),
  'quantization_config': (None, {}),
  'rope_interleaved': (False, None),
}
_PACKED = ('quantization_config', 'compression_config', 'quantization')
# What attributes are, where they are something else than text or an object.
_INTEGERS = _names(
  """
  head_dim hidden_size intermediate_size max_position_embeddings
  max_window_layers num_attention_heads num_hidden_layers num_key_value_heads
  sliding_window sliding_window_pattern _sliding_window_pattern vocab_size
  """
)
_NUMBERS = _names(
  """
  attention_factor attn_logit_softcapping beta_fast beta_slow factor
  final_logit_softcapping high_freq_factor low_freq_factor mscale mscale_all_dim
  original_max_position_embeddings query_pre_attn_scalar rms_norm_eps
  rope_local_base_freq rope_theta
  """
)
_MAY_BE_ZERO = _names(
  """
  beta_fast beta_slow max_window_layers mscale mscale_all_dim rms_norm_eps
  sliding_window
  """
)
_FLAGS = _names(
  'attention_bias tie_word_embeddings truncate use_sliding_window'
)
_OBJECTS = frozenset(('rope_parameters', 'rope_scaling'))
# Those for which null is another value than none, or means their default.
_NULLABLE = _names(
  """
  _sliding_window_pattern attention_bias attention_factor
  attn_logit_softcapping beta_fast beta_slow final_logit_softcapping head_dim
  max_position_embeddings mscale mscale_all_dim num_key_value_heads
  original_max_position_embeddings rope_parameters rope_scaling sliding_window
  sliding_window_pattern use_sliding_window
  """
)
LONGEST = 60  # characters of a quoted value
_ABSENT = object()  # no default; None is a value that attributes have


class Attributes:
  """The attributes of a config.json that were not taken yet.

  Attributes:
    where: the file's name, for messages.
  """

  def __init__(
    self, config: Mapping[str, Any], defaults: Mapping[str, Any], where: str
  ):
    """Begins with all attributes of a file.

    Args:
      config: parsed content of a config.json.
      defaults: values of attributes that the file may leave out.
      where: name of the file, for messages.
    """
    self._left, self._defaults = dict(config), defaults
    self.where = where

  def take(self, name: str, default: Any = _ABSENT) -> Any:
    """Removes an attribute and returns its value.

    Args:
      name: of the attribute.
      default: value if the attribute is absent and has no default in
        `defaults`.

    Raises:
      ValueError: the attribute is absent and has no default at all, or is of
        another type than its name says.
    """
    if name in self._left:
      value = self._left.pop(name)
      self._check_type(name, value)
      return value
    if name in self._defaults:
      return self._defaults[name]
    if default is _ABSENT:
      raise ValueError(
        f'{self.where} has no {name}; take the config.json of the '
        'checkpoint as it was published.'
      )
    return default

  def must(self, name: str, *values: Any) -> None:
    """Takes an attribute that must be absent or have one of some values.

    Args:
      name: of the attribute.
      *values: those allowed.

    Raises:
      ValueError: it has another value.
    """
    value = self.take(name, values[0])
    # By type too: True equals 1, and JSON tells them apart.
    if not any(value == v and type(value) is type(v) for v in values):
      self.refuse(name, value, ' or '.join(map(repr, values)))

  def _check_type(self, name: str, value: Any) -> None:
    if value is None and name in _NULLABLE:
      return
    least = '0 or more' if name in _MAY_BE_ZERO else 'more than 0'
    fits = lambda: value > 0 or (value == 0 and name in _MAY_BE_ZERO)
    if name in _INTEGERS and not (type(value) is int and fits()):
      self.refuse(name, value, f'an integer, {least}')
    if name in _NUMBERS and not (
      type(value) in (int, float) and math.isfinite(value) and fits()
    ):
      self.refuse(name, value, f'a finite number, {least}')
    if name in _FLAGS and type(value) is not bool:
      self.refuse(name, value, 'true or false')
    if name in _OBJECTS and value and not isinstance(value, dict):
      self.refuse(name, value, 'an object')

  def refuse(self, name: str, value: Any, wanted: str) -> NoReturn:
    """Raises ValueError for a value that this package does not support.

    Args:
      name: of the attribute.
      value: its value.
      wanted: description of the supported values, for the message.
    """
    raise ValueError(
      f'{self.where}: {name}={quoted(value, LONGEST)} cannot be computed '
      f'here, only {wanted}; convert another checkpoint.'
    )

  def finish(self) -> None:
    """Checks that what is left is harmless.

    Raises:
      ValueError: attributes were not taken and are not known; all are named. Or
        one has a value that changes what is computed.
    """
    for name in _PACKED:
      if self._left.get(name):
        raise ValueError(
          f'{self.where} has a {name}; convert the checkpoint that it was '
          'quantized from.'
        )
    for name, values in _OFF.items():
      self.must(name, *values)
    unknown = sorted(
      name
      for name in self._left
      if name not in _HARMLESS
      and not name.startswith(_HARMLESS_PREFIXES)
      and not name.endswith(_HARMLESS_SUFFIXES)
    )
    if unknown:
      listed = ', '.join(
        f'{printable(name, LONGEST, one_line=True)}='
        f'{quoted(self._left[name], LONGEST)}'
        for name in unknown
      )
      what, they_do, them = (
        ('attribute', 'it does', 'it')
        if len(unknown) == 1
        else (f'{len(unknown)} attributes', 'they do', 'them')
      )
      raise ValueError(
        f'{self.where}: unknown {what} {listed}, which may change what the '
        f'model computes; if {they_do} not, delete {them} there.'
      )
