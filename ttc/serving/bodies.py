"""Answers as the bodies of responses, whole or in pieces.

What OpenAI's clients do not know is in fields of its own, which they pass on:
`usage` tells what was spent, `ttc` what is known of each answer.
"""

from collections.abc import Iterator, Sequence
import json
import re
import time
from typing import Any
import uuid

from ttc.serving.answered import Answered
from ttc.serving.wishes import Wish

_LINE = re.compile(r'[^\n]*\n|[^\n]+')


def whole(
  wish: Wish, answers: Sequence[Answered], chat: bool
) -> dict[str, Any]:
  """The body of a response.

  Args:
    wish: what was asked.
    answers: to its questions, in their order.
    chat: whether it is one of chat completions.
  """
  choices, kept = [], 0
  for index, (text, ending, tokens) in enumerate(_choices(wish, answers)):
    said = {'message': _message(text)} if chat else {'text': text}
    choices.append(_choice(index, said, ending))
    kept += tokens
  facts = {'choices': choices, 'usage': _usage(answers, kept)}
  return _head(wish, chat, '') | facts | {'ttc': _known(answers)}


def pieces(
  wish: Wish, answers: Sequence[Answered], chat: bool
) -> Iterator[dict[str, Any]]:
  """The same, line by line; arguments as for `whole`."""
  head, kept = _head(wish, chat, '.chunk'), 0
  piece = lambda *choice: head | {'choices': [_choice(*choice)]}
  for index, (text, ending, tokens) in enumerate(_choices(wish, answers)):
    if chat:
      first = {'role': 'assistant', 'content': ''}
      yield piece(index, {'delta': first}, None)
    for line in _LINE.findall(text):
      said = {'delta': {'content': line}} if chat else {'text': line}
      yield piece(index, said, None)
    last = {'delta': {}} if chat else {'text': ''}
    yield piece(index, last, ending)
    kept += tokens
  if wish.usage:
    facts = {'choices': [], 'usage': _usage(answers, kept)}
    yield head | facts | {'ttc': _known(answers)}


def rendered(body: dict[str, Any]) -> bytes:
  """As JSON in ASCII, whatever a model wrote: surrogates are escaped too."""
  return json.dumps(body).encode('ascii')


def _head(wish: Wish, chat: bool, piece: str) -> dict[str, Any]:
  kind = f'chat.completion{piece}' if chat else 'text_completion'
  return {
    'id': f'{"chatcmpl" if chat else "cmpl"}-{uuid.uuid4().hex}',
    'object': kind,
    'created': int(time.time()),
    'model': wish.listing.name,
  }


def _message(text: str) -> dict[str, Any]:
  return {'role': 'assistant', 'content': text}


def _choice(index: int, said: dict, ending: str | None) -> dict[str, Any]:
  facts = {'index': index, **said, 'logprobs': None}
  return facts | {'finish_reason': ending}


def _choices(
  wish: Wish, answers: Sequence[Answered]
) -> Iterator[tuple[str, str, int]]:
  """Text, why it ends, and its tokens, of each choice.

  The chosen attempt comes first, the others by the verifier's score. Stops cut
  what is chosen, and do not choose.
  """
  for answer in answers:
    reply = answer.reply
    values = [attempt.get('values') or [0.0] for attempt in reply.attempts]
    ranked = sorted(
      range(len(values)), key=[-v[-1] for v in values].__getitem__
    )
    ranked.remove(reply.chosen)
    for index in [reply.chosen, *ranked][: wish.n]:
      attempt = reply.attempts[index]
      text = attempt['text']
      ends = [at for stop in wish.stops if (at := text.find(stop)) >= 0]
      cut = text[: min(ends, default=len(text))]
      truncated = attempt['truncated'] and not ends
      yield cut, 'length' if truncated else 'stop', len(attempt['tokens'])


def _usage(answers: Sequence[Answered], kept: int) -> dict[str, Any]:
  """What was spent.

  Args:
    answers: on these.
    kept: tokens of the choices.
  """
  prompt = sum(answer.prompt for answer in answers)
  sampled = sum(answer.sampled for answer in answers)
  replies = [answer.reply for answer in answers]
  hidden = max(0, sampled - kept)
  return {
    'prompt_tokens': prompt,
    'completion_tokens': sampled,
    'total_tokens': prompt + sampled,
    'completion_tokens_details': {'reasoning_tokens': hidden},
    'generations': sum(reply.generations for reply in replies),
    'executed_tokens': round(sum(reply.tokens for reply in replies)),
    'flops': sum(reply.flops for reply in replies),
  }


def _known(answers: Sequence[Answered]) -> list[dict[str, Any]]:
  """What is known of the answer to each question."""
  return [
    {
      'answer': reply.answer,
      'confidence': reply.confidence,
      'measure': reply.measure,
      'score': reply.score,
      'stop': reply.stop,
    }
    for reply in (answer.reply for answer in answers)
  ]
