"""The endpoint: what is asked over HTTP, and who may ask.

    GET  /health                 whether requests are taken
    GET  /v1/models              the models, each a way to answer at a budget
    POST /v1/chat/completions    one message by the user is a question
    POST /v1/completions         each prompt is a question

Refusals are JSON objects as OpenAI sends them, with one line that says why.
"""

import asyncio
from collections.abc import Callable, Sequence
import dataclasses
import hmac
import json
import time
from typing import Any

from starlette import applications, concurrency, exceptions, responses, routing
from starlette.requests import Request

from ttc.serving import bodies, errors, hosts, wishes
from ttc.serving.answered import Answered
from ttc.serving.errors import ApiError
from ttc.serving.menu import Menu
from ttc.serving.shared_scheduler import Errand, SharedScheduler
from ttc.serving.solving import Answerer
from ttc.serving.wishes import Wish

_SLOWEST_BODY_S = 30.0


@dataclasses.dataclass(frozen=True)
class Terms:
  """Who may ask for what.

  Attributes:
    key: that clients have to give; '' for none, and then only who names this
      machine as localhost is answered, so that no web page can ask.
    seed: of requests that name none.
    seconds: that a request may take.
    body: bytes of the longest body.
    questions: of one request.
  """

  key: str = ''
  seed: int = 0
  seconds: float = 600.0
  body: int = 1 << 20
  questions: int = 64


class Service:
  """Answers requests by one scheduler."""

  def __init__(
    self,
    owner: str,
    menu: Menu,
    answerer: Answerer,
    scheduler: SharedScheduler,
    terms: Terms = Terms(),
  ):
    """Asks nothing yet.

    Args:
      owner: of the models, such as the name of the experiment.
      menu: the models.
      answerer: prepares questions.
      scheduler: works on them.
      terms: who may ask for what.
    """
    self._owner, self._catalogue, self._answerer = owner, menu, answerer
    self._scheduler, self._terms = scheduler, terms
    self._created = int(time.time())

  def app(self) -> applications.Starlette:
    """The ASGI application."""
    post = lambda path, answer: routing.Route(path, answer, methods=['POST'])
    return applications.Starlette(
      routes=[
        routing.Route('/health', self._health),
        routing.Route('/v1/models', self._models),
        routing.Route('/v1/models/{name}', self._model),
        post('/v1/chat/completions', self._chat),
        post('/v1/completions', self._texts),
      ],
      exception_handlers={
        ApiError: _refused,
        exceptions.HTTPException: _unknown,
        Exception: _failed,
      },
    )

  async def _health(self, request: Request) -> responses.Response:
    del request
    if self._scheduler.refusing:
      raise errors.stopping()
    return _json({'status': 'ok', 'questions': self._scheduler.open})

  async def _models(self, request: Request) -> responses.Response:
    self._admit(request)
    names = [listing.name for listing in self._catalogue.listings]
    return _json({'object': 'list', 'data': [*map(self._described, names)]})

  async def _model(self, request: Request) -> responses.Response:
    self._admit(request)
    listing = self._catalogue.find(request.path_params['name'])
    return _json(self._described(listing.name))

  def _described(self, name: str) -> dict[str, Any]:
    facts = {'id': name, 'object': 'model', 'created': self._created}
    return facts | {'owned_by': self._owner}

  async def _chat(self, request: Request) -> responses.Response:
    return await self._complete(request, chat=True)

  async def _texts(self, request: Request) -> responses.Response:
    return await self._complete(request, chat=False)

  async def _complete(self, request: Request, chat: bool) -> responses.Response:
    self._admit(request)
    fields = await self._fields(request)
    terms = self._terms
    wish = wishes.read(
      fields, chat, self._catalogue, terms.seed, terms.questions
    )
    # Encoded in a thread: a long question must not keep others waiting.
    begins = [
      await concurrency.run_in_threadpool(self._answerer.prepare, ask)
      for ask in wish.asks
    ]
    answers = await self._answers(request, begins)
    if wish.stream:
      return _stream(wish, answers, chat)
    return _json(bodies.whole(wish, answers, chat))

  def _admit(self, request: Request) -> None:
    """Raises ApiError for who may not ask."""
    key = self._terms.key
    if not key:
      name = hosts.without_port(request.headers.get('host', ''))
      if not hosts.is_loopback(name):
        raise ApiError(
          403,
          f'Host is {name[:60]!r}, and without a key this server answers '
          'localhost alone; set TTC_API_KEY.',
        )
      return
    given = request.headers.get('authorization', '').removeprefix('Bearer ')
    if not hmac.compare_digest(given.encode(), key.encode()):
      raise ApiError(
        401,
        'the API key is missing or wrong; send the TTC_API_KEY of this server '
        'as "Authorization: Bearer ...".',
        'authentication_error',
        code='invalid_api_key',
      )

  async def _fields(self, request: Request) -> dict[str, Any]:
    """The JSON object of a body."""
    kind = request.headers.get('content-type', '').split(';')[0].strip()
    if kind.lower() != 'application/json':
      raise ApiError(
        415, f'Content-Type is {kind[:60]!r}; send application/json.'
      )
    try:
      async with asyncio.timeout(_SLOWEST_BODY_S):
        body = await self._body(request)
    except TimeoutError as error:
      raise ApiError(
        408, f'the body did not arrive in {_SLOWEST_BODY_S:g} seconds.'
      ) from error
    try:
      fields = json.loads(body)
    except (ValueError, RecursionError) as error:
      raise errors.bad('the body is no JSON; send an object.') from error
    if not isinstance(fields, dict):
      raise errors.bad('the body is no JSON object; send one.')
    return fields

  async def _body(self, request: Request) -> bytes:
    most, body = self._terms.body, bytearray()
    async for piece in request.stream():
      body += piece
      if len(body) > most:
        raise ApiError(413, f'the body has more than {most} bytes; send less.')
    return bytes(body)

  async def _answers(
    self, request: Request, begins: Sequence[Callable]
  ) -> list[Answered]:
    """Waits for answers, for as long as the client and the terms do."""
    errands: list[Errand] = []
    gone = asyncio.ensure_future(_gone(request))
    try:
      for begin in begins:
        errands.append(self._scheduler.ask(begin))
      answers = asyncio.gather(
        *(asyncio.wrap_future(errand.answer) for errand in errands)
      )
      await asyncio.wait(
        {answers, gone},
        timeout=self._terms.seconds,
        return_when=asyncio.FIRST_COMPLETED,
      )
      if answers.done():
        return answers.result()
      if gone.done():
        raise ApiError(499, 'the client has hung up.')
      raise errors.late(self._terms.seconds)
    finally:
      gone.cancel()
      for errand in errands:  # those with answers are over already
        self._scheduler.give_up(errand)


async def _gone(request: Request) -> None:
  """Returns when the client has hung up."""
  while (await request.receive())['type'] != 'http.disconnect':
    pass


def _json(body: dict[str, Any], status: int = 200) -> responses.Response:
  return responses.Response(
    bodies.rendered(body), status, media_type='application/json'
  )


def _stream(
  wish: Wish, answers: Sequence[Answered], chat: bool
) -> responses.Response:
  """Events as OpenAI sends them; the chosen answer, line by line."""

  async def events():
    for piece in bodies.pieces(wish, answers, chat):
      yield b'data: ' + bodies.rendered(piece) + b'\n\n'
    yield b'data: [DONE]\n\n'

  return responses.StreamingResponse(events(), media_type='text/event-stream')


async def _refused(request: Request, error: ApiError) -> responses.Response:
  del request
  return _json(error.body, error.status)


async def _unknown(
  request: Request, error: exceptions.HTTPException
) -> responses.Response:
  known = 'GET /v1/models, POST /v1/chat/completions, POST /v1/completions'
  told = f'{request.method} {request.url.path[:60]!r} is not here; ask {known}.'
  return _json(ApiError(error.status_code, told).body, error.status_code)


async def _failed(request: Request, error: Exception) -> responses.Response:
  del request
  return _json(errors.failed(error).body, 500)
