"""The Transformer of `ttc` as T5X models: a language model and a verifier.

Losses are those of `ttc train` (`training/losses.py`): means over the positions
with a loss weight. T5X reports metrics under its own names; the mean loss is
`loss_per_nonpadding_target_token`.
"""

from collections.abc import Mapping
import functools
from typing import Any

from flax import core, traverse_util
from flax import linen as nn
from flax.linen import partitioning as flax_partitioning
import jax
import jax.numpy as jnp
import seqio
from t5x import decoding, optimizers
from t5x import models as t5x_models

from ttc.examples.packing import POSITIONS, SEGMENTS
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Head, Transformer, unstack
from ttc.t5x import converter, sampling
from ttc.training import losses

_WEIGHTS = 'decoder_loss_weights'


class _Model(t5x_models.BaseTransformerModel):
  """Parts that the two heads have in common."""

  HEAD: Head

  def __init__(
    self,
    cfg: TransformerConfig,
    optimizer_def: optimizers.OptimizerDefType | None = None,
    microbatches: int = 1,
  ):
    """Wraps a Transformer.

    Args:
      cfg: configuration of the Transformer.
      optimizer_def: optimizer, or None for inference.
      microbatches: number of microbatches of the Trainer. It sums their
        gradients, so that each loss is divided by this number.
    """
    self.cfg, self._microbatches = cfg, microbatches
    vocabulary = seqio.PassThroughVocabulary(cfg.vocab_size)
    super().__init__(
      Transformer(cfg, head=self.HEAD), vocabulary, vocabulary, optimizer_def
    )

  def get_initial_variables(self, rng, input_shapes, input_types=None):
    """Returns parameters, and their logical axes where T5X expects them."""
    # No parameter depends on the shape of the inputs.
    boxed = self.module.init(rng, jnp.zeros((1, 2), jnp.int32))['params']
    axes = {
      (*path[:-1], f'{path[-1]}_axes'): flax_partitioning.AxisMetadata(
        names=tuple(spec)
      )
      for path, spec in traverse_util.flatten_dict(
        nn.get_partition_spec(boxed)
      ).items()
    }
    return core.freeze(
      {
        'params': nn.unbox(boxed),
        'params_axes': traverse_util.unflatten_dict(axes),
      }
    )

  def loss_fn(self, params, batch, dropout_rng):
    """Returns the mean loss of a batch, a scalar, and T5X's metrics."""
    outputs = self._compute_logits(params, batch, dropout_rng)
    sums = losses.measure(self.HEAD, outputs, batch)
    # A batch of padding alone has no weight, and the loss 0.
    mean = sums['loss'] / jnp.maximum(sums['weight'], 1e-9)
    logits, targets = self._classes(outputs, batch)
    metrics = self._compute_metrics(
      logits=logits,
      targets=targets,
      mask=batch[_WEIGHTS],
      loss=sums['loss'],
      segment_ids={'decoder': batch[SEGMENTS]},
    )
    return mean / self._microbatches, metrics

  def _compute_logits(self, params, batch, dropout_rng=None):
    """Returns the head's outputs at every position, [B, T, V] or [B, T]."""
    drop = dropout_rng is not None and self.cfg.dropout > 0
    return self.module.apply(
      {'params': params},
      batch['decoder_input_tokens'],
      positions=batch[POSITIONS],
      segment_ids=batch[SEGMENTS],
      deterministic=not drop,
      rngs={'dropout': dropout_rng} if drop else None,
    )

  def _classes(self, outputs, batch) -> tuple[jax.Array, jax.Array]:
    """Returns logits [B, T, classes] and targets [B, T] for the metrics."""
    raise NotImplementedError


class LanguageModel(_Model):
  """A base or revision model: next tokens, with loss where weights say so."""

  HEAD = 'logits'
  FEATURE_CONVERTER_CLS = functools.partial(
    converter.DocumentConverter, 'decoder_target_tokens'
  )

  def __init__(
    self,
    cfg: TransformerConfig,
    optimizer_def: optimizers.OptimizerDefType | None = None,
    microbatches: int = 1,
    decode_fn: Any = decoding.temperature_sample,
    end_ids: tuple[int, ...] = (),
    num_decodes: int = 1,
  ):
    """Wraps a Transformer with a logits head.

    Args:
      cfg: configuration of the Transformer.
      optimizer_def: optimizer, or None for inference.
      microbatches: number of microbatches of the Trainer.
      decode_fn: `temperature_sample` with its options bound. Its default,
        `topk=1`, is greedy.
      end_ids: tokens that end an attempt; required for sampling.
      num_decodes: samples per prompt.
    """
    super().__init__(cfg, optimizer_def, microbatches)
    self._sample, self._end_ids = decode_fn, tuple(end_ids)
    self._num_decodes = num_decodes

  def predict_batch_with_aux(self, params, batch, rng=None):
    """Samples continuations of prompts.

    A prompt consists of the tokens before the first target with a loss weight.
    Data sets for training can therefore be used as prompts as well.

    Args:
      params: parameters with stacked layers.
      batch: features [B, T], one document per row. Prompt and sample share the
        T positions.
      rng: random key of the batch.

    Returns:
      Tokens [B, T], or [B, num_decodes, T] if num_decodes > 1: the sample, its
      end token, and zeros. And {'scores': log-probabilities [B] or [B,
      num_decodes]}.

    Raises:
      ValueError: `end_ids` is empty.
    """
    if not self._end_ids:
      raise ValueError(
        'LanguageModel.end_ids is empty, so that no sample would end; give '
        "the vocabulary's."
      )
    tokens, length = batch['decoder_input_tokens'], _prompt_length(batch)
    prompt = jnp.where(
      jnp.arange(tokens.shape[1])[None] < length[:, None], tokens, 0
    )
    params = unstack(params)  # once, and not in every decoding step
    decodes, scores = self._sample(
      # T5X's decoders expect a leading token 0; see `sampling`.
      inputs=jnp.pad(prompt, ((0, 0), (1, 0)))[:, :-1],
      cache=sampling.prefill(params, self.cfg, prompt),
      tokens_to_logits=sampling.next_logits(params, self.cfg),
      eos_id=self._end_ids[0],
      decode_rng=rng,
      num_decodes=self._num_decodes,
      initial_index=length,
      state_callback_fn=sampling.stop_at(self._end_ids),
    )
    decodes = jax.vmap(t5x_models.remove_prefix, in_axes=(1, None), out_axes=1)(
      decodes, length
    )
    if self._num_decodes == 1:
      return decodes[:, 0], {'scores': scores[:, 0]}
    return decodes, {'scores': scores}

  def score_batch(self, params, batch, return_intermediates=False):
    """Returns the log-probability of the targets with a loss weight, [B]."""
    _refuse(return_intermediates)
    logprobs = jax.nn.log_softmax(self._compute_logits(params, batch))
    picked = jnp.take_along_axis(
      logprobs, batch['decoder_target_tokens'][..., None], axis=-1
    )[..., 0]
    return jnp.sum(picked * batch[_WEIGHTS], axis=-1)

  def _classes(self, outputs, batch):
    return outputs, batch['decoder_target_tokens']


class ValueModel(_Model):
  """A PRM or an ORM: a value at each step end, trained on soft labels."""

  HEAD = 'value'
  FEATURE_CONVERTER_CLS = functools.partial(
    converter.DocumentConverter, 'decoder_target_values'
  )

  def predict_batch_with_aux(self, params, batch, rng=None):
    """Returns values in [0, 1] at every position, [B, T].

    Only those at step ends are trained.
    """
    del rng
    return jax.nn.sigmoid(self._compute_logits(params, batch)), {}

  def score_batch(self, params, batch, return_intermediates=False):
    """Returns the value at each row's last position with a loss weight, [B]."""
    _refuse(return_intermediates)
    values = jax.nn.sigmoid(self._compute_logits(params, batch))
    weights = batch[_WEIGHTS] > 0
    last = weights.shape[1] - 1 - jnp.argmax(weights[:, ::-1], axis=1)
    return jnp.take_along_axis(values, last[:, None], axis=1)[:, 0]

  def _classes(self, outputs, batch):
    """Two classes: accuracy counts values on the label's side of one half."""
    # The softmax of the logits (0, x) is the sigmoid of x.
    two = jnp.stack([jnp.zeros_like(outputs), outputs], axis=-1)
    return two, (batch['decoder_target_values'] > 0.5).astype(jnp.int32)


def _prompt_length(batch: Mapping) -> jax.Array:
  """Returns the number of tokens before the first target with weight, [B].

  T for a row without one.
  """
  counts = batch[_WEIGHTS] > 0
  length = jnp.argmax(counts, axis=1) + 1
  return jnp.where(counts.any(axis=1), length, counts.shape[1])


def _refuse(return_intermediates):
  if return_intermediates:
    raise ValueError(
      'return_intermediates=True: our Transformer keeps no '
      'intermediate values; leave it False.'
    )
