"""What an endpoint refuses, as clients of OpenAI's API expect to be told."""

from typing import Any


class ApiError(Exception):
  """A request that gets no answer.

  Attributes:
    status: of the HTTP response.
    message: one line that names the value, the limit and the fix.
    kind: OpenAI's word for whose fault it is.
    param: the field of the request that is wrong; None for none.
    code: OpenAI's word for what is wrong; None for none.
  """

  def __init__(
    self,
    status: int,
    message: str,
    kind: str = 'invalid_request_error',
    param: str | None = None,
    code: str | None = None,
  ):
    super().__init__(message)
    self.status, self.message, self.kind = status, message, kind
    self.param, self.code = param, code

  @property
  def body(self) -> dict[str, Any]:
    """The JSON body of the response."""
    facts = {'message': self.message, 'type': self.kind}
    return {'error': facts | {'param': self.param, 'code': self.code}}


def bad(message: str, param: str | None = None) -> ApiError:
  """A field of a request is wrong."""
  return ApiError(400, message, param=param)


def full(waiting: int) -> ApiError:
  """There are as many requests as are taken at once."""
  return ApiError(
    429,
    f'{waiting} requests wait or are at work, as many as --queue takes; ask '
    'again later.',
    'rate_limit_error',
    code='queue_full',
  )


def stopping() -> ApiError:
  """The server takes no request any more."""
  return ApiError(
    503,
    'this server is stopping; ask another one, or this one when it is back.',
    'server_error',
    code='stopping',
  )


def late(seconds: float) -> ApiError:
  """A request took longer than is allowed."""
  return ApiError(
    504,
    f'there was no answer within {seconds:g} seconds (--timeout); ask a model '
    'with a smaller budget, or again when the server has less to do.',
    'server_error',
    code='timeout',
  )


def failed(error: Exception) -> ApiError:
  """Work on a question failed, by no fault of the others."""
  told = ' '.join(str(error).split())
  return ApiError(500, f'{type(error).__name__}: {told}', 'server_error')
