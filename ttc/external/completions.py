"""Calls of `/completions`: their fields, and what is made of the answers.

An answer is text of a stranger: what is not as the interface says is told, and
nothing of it is taken on trust but its tokens.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import itertools
import math
from typing import Any

import numpy as np

from ttc.data.vocabulary import Vocabulary
from ttc.external.caller import PassingError
from ttc.external.endpoint import Endpoint
from ttc.inference import keys
from ttc.runtime.safe_text import quoted

_MOST_STOPS = 4  # texts that a server takes
# Else a model's own defaults apply there, which no `Generation` tells of.
_PLAIN = {'top_k': -1, 'min_p': 0.0, 'repetition_penalty': 1.0}
_RIGHT, _CUT = ('stop',), ('length', 'content_filter')


@dataclasses.dataclass(frozen=True)
class Call:
  """What is asked for once.

  Attributes:
    tokens: what is continued, prompt and attempt.
    most: tokens that an answer may have.
    count: number of answers.
    temperature: 0 takes the most likely tokens.
    key: uint32 [2], of the first answer's tokens.
    steps: whether an answer ends with a step, and not only with an attempt.
  """

  tokens: Sequence[int]
  most: int
  count: int
  temperature: float
  key: np.ndarray
  steps: bool = False

  @property
  def seed(self) -> int:
    """As every server takes it: 31 bits, another one at each position."""
    key = keys.fold(self.key, [len(self.tokens)])[0]
    return int(key[0] ^ key[1]) & 0x7FFFFFFF


@dataclasses.dataclass(frozen=True)
class Answer:
  """A continuation.

  Attributes:
    tokens: in the task's vocabulary; at least one, with what it stopped at.
    logprob: of the tokens at temperature 1; None where that is not known.
    cut: whether the server ended it, for reasons such as its context.
  """

  tokens: list[int]
  logprob: float | None
  cut: bool

  def then(self, more: 'Answer') -> 'Answer':
    """Both as one."""
    known = self.logprob is not None and more.logprob is not None
    return Answer(
      [*self.tokens, *more.tokens],
      self.logprob + more.logprob if known else None,
      more.cut,
    )


@dataclasses.dataclass(frozen=True)
class Usage:
  """The tokens that a call cost.

  Attributes:
    read: of the prompt, without those that were cached.
    cached: of the prompt.
    sampled: of all answers.
  """

  read: int
  cached: int
  sampled: int


class Completions:
  """How an endpoint is asked in the words of a vocabulary."""

  def __init__(
    self,
    endpoint: Endpoint,
    vocabulary: Vocabulary,
    step_end: np.ndarray,
    end: np.ndarray,
    top_p: float,
  ):
    """Looks the tokens up that end something.

    Args:
      endpoint: the server.
      vocabulary: of its model; V tokens.
      step_end: [V] bool, tokens that end a step or an attempt.
      end: [V] bool, those that end an attempt.
      top_p: nucleus mass kept.
    """
    self._endpoint, self._vocabulary, self._top_p = endpoint, vocabulary, top_p
    self._stops = {
      steps: np.flatnonzero(table[: vocabulary.size]).tolist()
      for steps, table in ((True, step_end), (False, end))
    }
    self._stop_sets = {k: frozenset(ids) for k, ids in self._stops.items()}
    self._special: dict[int, bool] = {}
    self._stop_texts = self._texts(self._stops[False])

  def fields(self, call: Call) -> dict[str, Any]:
    """The fields of a call, plain JSON."""
    endpoint = self._endpoint
    fields = {
      'model': endpoint.model,
      'max_tokens': call.most,
      'temperature': call.temperature,
      'top_p': self._top_p,
      'seed': call.seed,
    }
    if call.count > 1:
      fields['n'] = call.count
    if endpoint.logprobs:
      fields['logprobs'] = 1
    if endpoint.ids:
      return fields | {
        **_PLAIN,
        'prompt': list(call.tokens),
        'stop_token_ids': self._stops[call.steps],
        'return_token_ids': True,
      }
    if self._stop_texts:
      fields['stop'] = self._stop_texts
    return fields | {'prompt': self.text(call.tokens)}

  def text(self, tokens: Sequence[int]) -> str:
    """The text that a server cuts into these tokens, special ones spelt."""
    begin = tuple(getattr(self._vocabulary, 'begin_ids', ()))
    if begin and tuple(tokens[: len(begin)]) == begin:
      tokens = tokens[len(begin) :]  # servers put them there by themselves
    return ''.join(
      ''.join(map(self._vocabulary.piece, run))
      if special
      else self._vocabulary.decode(run)
      for special, run in itertools.groupby(tokens, self._is_special)
    )

  def answers(self, call: Call, reply: Mapping[str, Any]) -> list[Answer]:
    """The answers to a call.

    Args:
      call: what was asked for.
      reply: the object that came.

    Raises:
      ValueError: it is of another model, of another interface, or of another
        number of answers; the message tells what to change.
      PassingError: it is wrong in a way that another try may mend.
    """
    endpoint, model = self._endpoint, reply.get('model')
    if model != (endpoint.called or endpoint.model):
      raise ValueError(
        f'{endpoint.url} was asked for {endpoint.model!r} and answers as '
        f'{quoted(model)}; bind Endpoint.model to what it serves or, if that '
        'is the same model, Endpoint.called to this name.'
      )
    choices = reply.get('choices')
    if not isinstance(choices, list) or not all(
      isinstance(choice, dict) for choice in choices
    ):
      raise ValueError(
        f'{endpoint.url} answers without a list of choices; bind the '
        'Endpoint.url of an OpenAI-compatible server.'
      )
    if len(choices) != call.count:
      raise ValueError(
        f'{endpoint.url} was asked for {call.count} answers in one call and '
        f'gave {len(choices)}; '
        + (
          'bind Endpoint.choices=1.' if call.count > 1 else 'see what it logs.'
        )
      )
    places = [choice.get('index', 0) for choice in choices]
    if sorted(map(repr, places)) != sorted(map(repr, range(call.count))):
      raise PassingError(f'its answers have the indices {quoted(places, 60)}')
    ordered = sorted(choices, key=lambda choice: choice.get('index', 0))
    return [self._answer(call, choice) for choice in ordered]

  def usage(
    self, call: Call, reply: Mapping[str, Any], answers: Sequence[Answer]
  ) -> Usage:
    """What a call cost; counted here where the server does not tell."""
    told = reply.get('usage')
    told = told if isinstance(told, dict) else {}
    details = told.get('prompt_tokens_details')
    cached = details.get('cached_tokens') if isinstance(details, dict) else 0
    read, sampled = told.get('prompt_tokens'), told.get('completion_tokens')
    if not _is_count(read):
      read = len(call.tokens)
    if not _is_count(sampled):
      sampled = sum(len(answer.tokens) for answer in answers)
    cached = min(cached, read) if _is_count(cached) else 0
    return Usage(read - cached, cached, sampled)

  def _answer(self, call: Call, choice: Mapping[str, Any]) -> Answer:
    reason = choice.get('finish_reason')
    if reason not in (*_RIGHT, *_CUT):
      raise PassingError(f'an answer ended by {quoted(reason, 60)}')
    given = self._given(choice)
    stops = self._stop_sets[call.steps]
    # What follows an end was sampled in vain: the server did not stop there.
    tokens = given[
      : next((i + 1 for i, id in enumerate(given) if id in stops), None)
    ]
    whole = len(tokens) == len(given)
    if reason in _RIGHT and not (tokens and tokens[-1] in stops):
      tokens.append(self._stopped_at(choice, stops))
    tokens = tokens[: call.most]
    if not tokens:
      raise PassingError('an answer has no tokens')
    return Answer(
      tokens,
      self._logprob(choice, min(len(tokens), len(given)), whole),
      reason in _CUT and len(given) < call.most,
    )

  def _given(self, choice: Mapping[str, Any]) -> list[int]:
    """The tokens of an answer, as the server gave them."""
    endpoint, size = self._endpoint, self._vocabulary.size
    if not endpoint.ids:
      return self._encoded(choice.get('text'))
    ids = choice.get('token_ids')
    if not isinstance(ids, list):
      raise ValueError(
        f'{endpoint.url} answers without token ids, for which it was asked by '
        'return_token_ids; bind Endpoint.ids=False to take its texts.'
      )
    strange = [id for id in ids if not (_is_count(id) and id < size)]
    if strange:
      raise ValueError(
        f'{endpoint.url} answers with the token {quoted(strange[0], 40)} and '
        f"the task's vocabulary has {size}; serve {endpoint.model!r} and bind "
        'a Tokenizer of the same model.'
      )
    return list(ids)

  def _encoded(self, text: Any) -> list[int]:
    if not isinstance(text, str):
      raise PassingError('an answer has no text')
    # A lone surrogate can be in JSON and in no file.
    text = text.encode('utf-8', 'replace').decode('utf-8')
    try:
      return self._vocabulary.encode(text)
    except ValueError as error:
      raise ValueError(
        f"{self._endpoint.url} answers with what the task's vocabulary cannot "
        f'say: {quoted(str(error), 160)} Bind Endpoint.ids=True if it can give '
        'token ids, or serve a model of this vocabulary.'
      ) from None

  def _stopped_at(self, choice: Mapping[str, Any], stops) -> int:
    """The token that ended an answer and that was left out of it."""
    reason = choice.get('stop_reason')
    known = isinstance(reason, int) and reason in stops
    return reason if known else self._vocabulary.eos_id

  def _logprob(
    self, choice: Mapping[str, Any], count: int, whole: bool
  ) -> float | None:
    """Log-probability of the tokens that are kept; None if it is not known.

    Args:
      choice: the answer.
      count: number of its tokens that are kept.
      whole: whether those are all.
    """
    held = choice.get('logprobs')
    each = held.get('token_logprobs') if isinstance(held, dict) else None
    if not isinstance(each, list):
      return None
    if self._endpoint.ids:
      each = each[:count]
      whole = len(each) == count
    # The tokens of a text are not those of the server, unless it is all of it.
    if not (whole and each and all(map(_is_finite, each))):
      return None
    return float(sum(each))

  def _texts(self, ids: Sequence[int]) -> list[str]:
    """The shortest texts in tokens that end an attempt, without special ones.

    Where a blank line is a stop these are not all tokens that hold one.
    """
    pieces = {
      self._vocabulary.piece(id) for id in ids if not self._is_special(id)
    }
    least = [
      piece
      for piece in sorted(pieces, key=lambda piece: (len(piece), piece))
      if not any(other != piece and other in piece for other in pieces)
    ]
    return least[:_MOST_STOPS]

  def _is_special(self, id: int) -> bool:
    """Whether a token has a name and no text."""
    if id not in self._special:
      self._special[id] = not self._vocabulary.decode([id])
    return self._special[id]


def _is_count(value: Any) -> bool:
  is_whole = isinstance(value, int) and not isinstance(value, bool)
  return is_whole and 0 <= value < 2**53


def _is_finite(value: Any) -> bool:
  return (
    isinstance(value, int | float)
    and not isinstance(value, bool)
    and math.isfinite(value)
  )
