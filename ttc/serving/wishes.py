"""What clients ask for: JSON bodies, read strictly.

A field that would change the answer and cannot be honoured exactly is refused;
none is ignored silently but those that say nothing about the answer.
"""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

from ttc.runtime import limits
from ttc.runtime.safe_text import quoted
from ttc.serving.errors import bad
from ttc.serving.menu import Listing, Menu

_COLDEST, _HOTTEST = 1e-6, 2.0
_STOPS = 16  # texts that may end an answer
# Fields that are read below.
_READ = {
  *('model', 'n', 'max_tokens', 'max_completion_tokens', 'temperature'),
  *('seed', 'stop', 'stream', 'stream_options', 'messages', 'prompt', 'top_p'),
}
# Fields about accounts and bills.
_OF_NO_MATTER = {
  *('user', 'metadata', 'store', 'service_tier', 'safety_identifier'),
  'prompt_cache_key',
}
# What says the same as to leave the field out.
_SAYS_NOTHING = {
  'presence_penalty': (0,),
  'frequency_penalty': (0,),
  'logit_bias': ({},),
  'logprobs': (False,),
  'top_logprobs': (0,),
  'echo': (False,),
  'suffix': ('',),
  'best_of': (1,),
  'tools': ([],),
  'tool_choice': ('none', 'auto'),
  'parallel_tool_calls': (True, False),
  'response_format': ({'type': 'text'},),
  'modalities': (['text'],),
}


@dataclasses.dataclass(frozen=True)
class Ask:
  """A question, and how it is to be answered; all that samples depend on.

  Attributes:
    question: its text.
    listing: the way, and the budget.
    seed: of the random streams.
    max_tokens: of an attempt, beside the limit of the run; None for that alone.
    temperature: None for that of the run.
  """

  question: str
  listing: Listing
  seed: int
  max_tokens: int | None = None
  temperature: float | None = None


@dataclasses.dataclass(frozen=True)
class Wish:
  """A request that can be answered.

  Attributes:
    asks: its questions, of which a chat has one.
    n: answers to each: the one that is chosen, and others of its attempts.
    stops: an answer ends before the first of these texts.
    stream: whether the answer is sent in pieces.
    usage: whether a stream ends with what it cost.
  """

  asks: tuple[Ask, ...]
  n: int
  stops: tuple[str, ...]
  stream: bool
  usage: bool

  @property
  def listing(self) -> Listing:
    """The model."""
    return self.asks[0].listing


def read(
  fields: Mapping[str, Any],
  chat: bool,
  menu: Menu,
  seed: int,
  most: int,
) -> Wish:
  """Reads a request.

  Args:
    fields: the JSON object.
    chat: whether it is one of chat completions.
    menu: the models.
    seed: for a request that names none.
    most: questions of one request.

  Raises:
    ApiError: a field is wrong, or cannot be honoured.
  """
  fields = {name: x for name, x in fields.items() if x is not None}
  _check_fields(fields)
  questions = _of_chat(fields) if chat else _of_prompt(fields, most)
  model = fields.get('model')
  if not isinstance(model, str):
    raise bad(f'model={quoted(model, 60)} is no text; name a model.', 'model')
  listing = menu.find(model)
  generation = listing.offer.stage.solver.generation
  top_p = fields.get('top_p', generation.top_p)
  if top_p != generation.top_p:
    raise bad(
      f'top_p={quoted(top_p, 60)}, and this run samples with '
      f'{generation.top_p:g}; leave it out.',
      'top_p',
    )
  n = _whole(fields, 'n', 1, listing.attempts) or 1
  limit = 'max_completion_tokens' if chat else 'max_tokens'
  if limit not in fields:
    limit = 'max_tokens'
  own = _whole(fields, 'seed', 0, limits.LARGEST_SEED)
  shared = dict(
    listing=listing,
    seed=seed if own is None else own,
    max_tokens=_whole(fields, limit, 1),
    temperature=_temperature(fields),
  )
  options = fields.get('stream_options', {})
  if not isinstance(options, dict):
    raise bad('stream_options is no object.', 'stream_options')
  return Wish(
    tuple(Ask(question, **shared) for question in questions),
    n,
    _stops(fields),
    _flag(fields, 'stream'),
    _flag(options, 'include_usage'),
  )


def _check_fields(fields: Mapping[str, Any]) -> None:
  for name, value in fields.items():
    if name in _READ | _OF_NO_MATTER:
      continue
    allowed = _SAYS_NOTHING.get(name, ())
    # 0 == False in Python, and clients write either.
    if value not in allowed:
      told = f'{quoted(name, 60)} cannot be honoured here; leave it out'
      if allowed:
        told += f', or give {quoted(allowed[0])}'
      raise bad(f'{told}.', name)


def _of_chat(fields: Mapping[str, Any]) -> list[str]:
  """The question of a chat: its one message, by the user."""
  messages = fields.get('messages')
  if 'prompt' in fields or not isinstance(messages, list) or not messages:
    raise bad('messages is no list of messages; give one.', 'messages')
  roles = [m.get('role') if isinstance(m, dict) else None for m in messages]
  if roles != ['user']:
    raise bad(
      f'messages are by {quoted(", ".join(map(str, roles)), 60)}; give one '
      'message, by the user, with the whole question: what stands around it '
      'is the template of this run.',
      'messages',
    )
  content = messages[0].get('content')
  if isinstance(content, list):
    content = ''.join(_part(part) for part in content)
  if not isinstance(content, str):
    raise bad('the content of messages[0] is no text.', 'messages')
  return [content]


def _part(part: Any) -> str:
  text = part.get('text') if isinstance(part, dict) else None
  if not isinstance(text, str) or part.get('type') != 'text':
    raise bad('messages[0] has a part that is no text.', 'messages')
  return text


def _of_prompt(fields: Mapping[str, Any], most: int) -> Sequence[str]:
  prompt = fields.get('prompt')
  texts = [prompt] if isinstance(prompt, str) else prompt
  are_texts = isinstance(texts, list) and all(isinstance(t, str) for t in texts)
  if 'messages' in fields or not are_texts or not texts:
    raise bad('prompt is no text, and no list of texts; give one.', 'prompt')
  if len(texts) > most:
    raise bad(
      f'prompt has {len(texts)} texts, and a request takes {most}; send more '
      'requests.',
      'prompt',
    )
  return texts


def _whole(
  fields: Mapping[str, Any], name: str, least: int, most: int | None = None
) -> int | None:
  """A whole number; None where the field is left out."""
  value = fields.get(name)
  if value is None:
    return None
  whole = isinstance(value, int) and not isinstance(value, bool)
  if not whole or value < least or (most is not None and value > most):
    bounds = f'from {least} to {most}' if most else f'of at least {least}'
    raise bad(
      f'{name}={quoted(value, 60)}; give a whole number {bounds}.', name
    )
  return value


def _temperature(fields: Mapping[str, Any]) -> float | None:
  value = fields.get('temperature')
  if value is None:
    return None
  number = isinstance(value, int | float) and not isinstance(value, bool)
  if not number or not (value == 0 or _COLDEST <= value <= _HOTTEST):
    raise bad(
      f'temperature={quoted(value, 60)}; give 0, or a number from '
      f'{_COLDEST:g} to {_HOTTEST:g}.',
      'temperature',
    )
  return float(value)


def _stops(fields: Mapping[str, Any]) -> tuple[str, ...]:
  value = fields.get('stop', [])
  texts = [value] if isinstance(value, str) else value
  if (
    not isinstance(texts, list)
    or not all(isinstance(text, str) and text for text in texts)
    or len(texts) > _STOPS
  ):
    raise bad(
      f'stop={quoted(value, 60)}; give a text, or a list of at most {_STOPS}.',
      'stop',
    )
  return tuple(texts)


def _flag(fields: Mapping[str, Any], name: str) -> bool:
  value = fields.get(name, False)
  if not isinstance(value, bool):
    raise bad(f'{name}={quoted(value, 60)}; give true or false.', name)
  return value
