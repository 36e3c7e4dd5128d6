"""A config.json that is read to its last attribute."""

from collections.abc import Mapping
from typing import Any, NoReturn

# They say how a model was trained, is saved, or samples; not what it computes.
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
_ABSENT = object()


class Attributes:
  """Attributes that are taken one by one, until none is left."""

  def __init__(
    self, config: Mapping[str, Any], defaults: Mapping[str, Any], where: str
  ):
    """Begins with all of them.

    Args:
      config: the content of a config.json.
      defaults: of what it may leave out.
      where: names it in errors.
    """
    self._left, self._defaults = dict(config), defaults
    self.where = where

  def take(self, name: str, default: Any = _ABSENT) -> Any:
    """One attribute; `default` is used where the family has none of its own.

    Raises:
      ValueError: it is not there.
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
    """Takes an attribute that may only have these values, or be absent."""
    value = self.take(name, values[0])
    if value not in values:
      self.refuse(name, value, ' or '.join(map(repr, values)))

  def refuse(self, name: str, value: Any, wanted: str) -> NoReturn:
    """Raises ValueError for a value that we do not compute."""
    raise ValueError(
      f'{self.where}: {name}={value!r} cannot be computed here, only '
      f'{wanted}; convert another checkpoint.'
    )

  def finish(self) -> None:
    """Raises ValueError for an attribute that nobody took or knows."""
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
