"""A config.json of which every attribute has to be accounted for.

An attribute that a reader does not know may change what a model computes. So a
reader takes the attributes that it understands, and what is left must be on a
list of harmless ones.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

# Attributes about training, saving or sampling, not about what is computed.
_HARMLESS = frozenset(
  (
    'architectures',
    'attention_dropout',
    'auto_map',
    'bos_token_id',
    'cache_implementation',
    'chunk_size_feed_forward',
    'classifier_dropout',
    'dtype',
    'eos_token_id',
    'id2label',
    'initializer_range',
    'keys_to_ignore_at_inference',
    'label2id',
    'model_type',
    'num_labels',
    'output_attentions',
    'output_hidden_states',
    'pad_token_id',
    'pretraining_tp',
    'problem_type',
    'return_dict',
    'tokenizer_class',
    'torch_dtype',
    'transformers_version',
    'use_cache',
    'use_return_dict',
    'hidden_dropout',
    'token_classification_bias',
    'do_sample',
    'temperature',
    'top_k',
    'top_p',
    'max_length',
    'max_new_tokens',
    'repetition_penalty',
    'num_return_sequences',
    'unk_token_id',
    'sep_token_id',
    'decoder_start_token_id',
    'bad_words_ids',
    'name_or_path',
    '_name_or_path',
    '_attn_implementation',
    '_attn_implementation_autoset',
  )
)
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
      ValueError: the attribute is absent and has no default at all.
    """
    if name in self._left:
      return self._left.pop(name)
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
    if value not in values:
      self.refuse(name, value, ' or '.join(map(repr, values)))

  def refuse(self, name: str, value: Any, wanted: str) -> NoReturn:
    """Raises ValueError for a value that this package does not support.

    Args:
      name: of the attribute.
      value: its value.
      wanted: description of the supported values, for the message.
    """
    raise ValueError(
      f'{self.where}: {name}={value!r} cannot be computed here, only '
      f'{wanted}; convert another checkpoint.'
    )

  def finish(self) -> None:
    """Checks that what is left is harmless.

    Raises:
      ValueError: an attribute was not taken and is not known.
    """
    self.must('is_encoder_decoder', False)
    self.must('add_cross_attention', False)
    if 'quantization_config' in self._left:
      raise ValueError(
        f'{self.where} has a quantization_config; convert the checkpoint '
        'that it was quantized from.'
      )
    unknown = sorted(self._left.keys() - _HARMLESS)
    if unknown:
      name = unknown[0]
      raise ValueError(
        f'{self.where}: attribute {name}={self._left[name]!r} is unknown and '
        'may change what the model computes; if it does not, delete it '
        'there.'
      )
