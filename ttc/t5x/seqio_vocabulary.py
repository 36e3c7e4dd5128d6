"""A vocabulary of ours as seqio wants one."""

import numpy as np
import seqio
import tensorflow as tf

from ttc.data.vocabulary import Vocabulary


class SeqioVocabulary(seqio.Vocabulary):
  """Any vocabulary of ours, in seqio's Features.

  seqio pads with 0, whatever token that is: zeros at the end of what is
  decoded are padding. `encode` takes data and makes no special token of it.
  Text that TensorFlow tokenizes goes through Python, so an iterator over it
  cannot be checkpointed; what `ttc` writes for training holds tokens.
  """

  def __init__(self, vocabulary: Vocabulary):
    super().__init__()
    self.wrapped = vocabulary

  @property
  def bos_id(self) -> int | None:
    return next(iter(getattr(self.wrapped, 'begin_ids', ())), None)

  @property
  def eos_id(self) -> int:
    return self.wrapped.eos_id

  @property
  def unk_id(self) -> None:
    return None

  @property
  def _base_vocab_size(self) -> int:
    return self.wrapped.size

  def _encode(self, s: str) -> list[int]:
    return self.wrapped.encode(s)

  def _decode(self, ids) -> str:
    ids = [int(id) for id in ids]
    while ids and ids[-1] == seqio.vocabularies.PAD_ID:
      ids.pop()
    return self.wrapped.decode(ids)

  def _encode_tf(self, s: tf.Tensor) -> tf.Tensor:
    encode = lambda text: np.array(self._encode(text.decode()), np.int32)
    ids = tf.numpy_function(encode, [s], tf.int32)
    ids.set_shape([None])
    return ids

  def _decode_tf(self, ids: tf.Tensor) -> tf.Tensor:
    def decode(ids):
      rows = [self._decode(row).encode() for row in np.atleast_2d(ids)]
      return np.array(rows if ids.ndim > 1 else rows[0], object)

    text = tf.numpy_function(decode, [ids], tf.string)
    text.set_shape(ids.shape[:-1])
    return text

  def __eq__(self, other) -> bool:
    return isinstance(other, SeqioVocabulary) and self.wrapped == other.wrapped

  def __hash__(self) -> int:
    return hash(self.wrapped)
