"""Calls of a server over HTTP, made again where that may help.

A call fails for a while (no connection, a time-out, 429, 5xx, an answer that
was cut short) or for good (a wrong address, key, model or size). The first is
tried again after a pause that doubles, or as long as the server asks for; the
second is told at once, with what to change.
"""

from collections.abc import Callable, Mapping
import datetime
import email.utils
import json
import re
import threading
import time
from typing import Any
import zlib

import urllib3

from ttc.external.endpoint import Endpoint
from ttc.runtime.safe_text import quoted

_CONNECT_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
_LONGEST_WISH_S = 600.0  # of a server that asks to be left alone
_LARGEST_BODY = 2**26  # bytes
_PIECE = 2**16
# Of those below 500: the others tell of a call that will not get better.
_PASSING = (408, 409, 425, 429)
_UNSUPPORTED = (501, 505)


class NoAnswerError(OSError):
  """A server did not answer, however often it was asked."""


class PassingError(Exception):
  """A call failed in a way that may pass; it is made again.

  Attributes:
    wish: seconds that the server asks to wait.
  """

  def __init__(self, what: str, wish: float = 0.0):
    super().__init__(what)
    self.wish = wish


class Caller:
  """Open connections to a server, for many threads; a context.

  Attributes:
    retried: calls that were made again so far.
    trouble: why the last of them was.
  """

  def __init__(self, endpoint: Endpoint):
    """Connects to nothing yet.

    Args:
      endpoint: the server.

    Raises:
      ValueError: its key is missing.
    """
    self._endpoint, self._key = endpoint, endpoint.key()
    self._base = endpoint.url.rstrip('/')
    self._pool = urllib3.PoolManager(
      maxsize=endpoint.concurrency,
      retries=False,
      timeout=urllib3.Timeout(
        connect=min(_CONNECT_S, endpoint.timeout), read=endpoint.timeout
      ),
    )
    self._closed = threading.Event()
    self._lock = threading.Lock()
    self.retried, self.trouble = 0, ''

  def __enter__(self) -> 'Caller':
    return self

  def __exit__(self, *_) -> None:
    self._closed.set()  # threads that pause give up
    self._pool.clear()

  def post(
    self, path: str, fields: Mapping[str, Any], read: Callable[[dict], Any]
  ) -> Any:
    """Sends an object and reads the one that is answered.

    Args:
      path: below the endpoint's address, e.g. 'completions'.
      fields: plain JSON.
      read: of the object; may raise PassingError for one that is odd.

    Raises:
      NoAnswerError: it failed to the last retry.
      ValueError: it was refused; the message tells what to change.
    """
    return self._asked('POST', path, json.dumps(fields).encode(), read)

  def context(self) -> int | None:
    """Tokens of prompt and answer for which the model has room there.

    Returns:
      As vLLM and SGLang list it; None where the server does not tell.

    Raises:
      NoAnswerError: it cannot be reached.
    """
    try:
      listed = self._asked('GET', 'models', b'', lambda found: found)
    except ValueError:
      return None  # it lists none; a call will tell what else is wrong
    models = listed.get('data')
    for model in models if isinstance(models, list) else ():
      if isinstance(model, dict) and model.get('id') == self._endpoint.model:
        length = model.get('max_model_len')
        return length if isinstance(length, int) else None
    return None

  def _asked(
    self, method: str, path: str, data: bytes, read: Callable[[dict], Any]
  ) -> Any:
    retries = self._endpoint.retries
    for attempt in range(retries + 1):
      try:
        return read(self._once(method, path, data))
      except PassingError as error:
        last = error
      if attempt == retries or last.wish > _LONGEST_WISH_S:
        break
      with self._lock:
        self.retried, self.trouble = self.retried + 1, str(last)
      if self._closed.wait(max(last.wish, _pause(data, attempt))):
        break
    raise NoAnswerError(
      f'{self._base} gave no answer after {attempt + 1} tries, the last time '
      f'{last}; see that it is up and what it logs, or raise Endpoint.retries '
      'or .timeout. What is written is kept: the same command continues.'
    ) from None

  def _once(self, method: str, path: str, data: bytes) -> dict[str, Any]:
    url = f'{self._base}/{path}'
    status, headers, body = self._exchange(method, url, data)
    if status == 200:
      return self._object(headers, body)
    told = self._told(body)
    if status in _PASSING or (status >= 500 and status not in _UNSUPPORTED):
      wish = _seconds(headers.get('Retry-After', ''))
      asked = f' (asks to wait {wish:.0f} s)' if wish else ''
      raise PassingError(f'HTTP {status}{told}{asked}', wish)
    raise ValueError(self._refusal(status, told, headers))

  def _exchange(
    self, method: str, url: str, data: bytes
  ) -> tuple[int, Any, bytes]:
    """Status, headers and body of one request.

    Raises:
      PassingError: there is no whole answer in time.
      ValueError: the answer is too large, or the server's certificate is not
        to be trusted.
    """
    headers = {
      'Content-Type': 'application/json',
      'Accept': 'application/json',
      'User-Agent': 'ttc',
    }
    if self._key:
      headers['Authorization'] = f'Bearer {self._key}'
    deadline = time.monotonic() + self._endpoint.timeout
    try:
      response = self._pool.request(
        method,
        url,
        body=data or None,
        headers=headers,
        redirect=False,
        preload_content=False,
      )
      pieces, size = [], 0
      while piece := response.read1(_PIECE):
        pieces.append(piece)
        size += len(piece)
        late = time.monotonic() > deadline
        if late or size > _LARGEST_BODY:
          response.close()
          if late:
            raise PassingError(self._late)
          raise ValueError(
            f'{self._base} answered with more than {_LARGEST_BODY >> 20} MiB; '
            'lower Endpoint.choices, or see what listens there.'
          )
      response.release_conn()
    except urllib3.exceptions.SSLError as error:
      raise ValueError(
        f'{self._base} cannot be trusted: {quoted(str(error), 200)}; mend its '
        'certificate, or bind the right Endpoint.url.'
      ) from None
    except urllib3.exceptions.ReadTimeoutError:
      raise PassingError(self._late) from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
      reason = error.args[-1] if error.args else error
      raise PassingError(quoted(str(reason), 160)) from None
    return response.status, response.headers, b''.join(pieces)

  @property
  def _late(self) -> str:
    return f'it took longer than Endpoint.timeout={self._endpoint.timeout:g} s'

  def _object(self, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The JSON object of an answer."""
    try:
      found = json.loads(body)
    except (ValueError, RecursionError):
      kind = headers.get('Content-Type', '')
      if 'json' in kind or not body:
        raise PassingError('its JSON was cut short') from None
      raise ValueError(
        f'{self._base} answers with {quoted(kind or "text")} and not with '
        f'JSON: {self._hidden(quoted(_text(body), 80))}; bind the Endpoint.url '
        'that stands before /completions, which usually ends in /v1.'
      ) from None
    if not isinstance(found, dict):
      raise ValueError(
        f'{self._base} answers with {quoted(found, 80)}, which is no object; '
        'bind the Endpoint.url of an OpenAI-compatible server.'
      )
    return found

  def _told(self, body: bytes) -> str:
    """What a server says of an error, on one short line."""
    text = _text(body)
    try:
      found = json.loads(body)
      for name in ('error', 'message', 'detail'):
        if isinstance(found, dict) and name in found:
          found = found[name]
      text = found if isinstance(found, str) else text
    except (ValueError, RecursionError):
      pass
    return f': {self._hidden(quoted(text, 240))}' if text.strip() else ''

  def _hidden(self, text: str) -> str:
    """A text of the server without the key, which it may repeat."""
    return text.replace(self._key, '***') if self._key else text

  def _refusal(self, status: int, told: str, headers) -> str:
    """What to change where a call was refused for good."""
    where, variable = self._base, self._endpoint.key_variable
    if status in (401, 403):
      if variable:
        fix = f'see that {variable} holds a key of this server'
      else:
        fix = 'export a key, and name its variable in Endpoint.key_variable'
    elif status in (404, 405):
      fix = (
        'bind the Endpoint.url that stands before /completions, and in '
        f'Endpoint.model, now {self._endpoint.model!r}, a model it serves'
      )
    elif 300 <= status < 400:
      place = quoted(headers.get('Location', 'elsewhere'))
      fix = f'it points to {place}; bind Endpoint.url to where it is'
    elif status == 413 or any(
      word in told.lower() for word in ('context', 'too long', 'length')
    ):
      fix = (
        'a prompt and its answer have to fit: lower Generation.max_tokens, or '
        'set Solver.prompt_tokens to skip long prompts'
      )
    elif self._endpoint.ids:
      fix = 'bind Endpoint.ids=False if it takes texts only'
    else:
      fix = 'see what it logs'
    return f'{where} refused a call with HTTP {status}{told}; {fix}.'


def _pause(data: bytes, attempt: int) -> float:
  """Seconds before the next try; calls that fail together come back apart."""
  spread = 0.5 + zlib.crc32(data, attempt) / 2**33
  return spread * min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S)


def _seconds(wish: str) -> float:
  """Seconds of a Retry-After header, which has a number or a date; else 0."""
  if re.fullmatch('[0-9]{1,9}', wish):
    return float(wish)
  try:
    until = email.utils.parsedate_to_datetime(wish)
  except ValueError:
    return 0.0
  if until.tzinfo is None:
    until = until.replace(tzinfo=datetime.UTC)
  now = datetime.datetime.now(datetime.UTC)
  return max((until - now).total_seconds(), 0.0)


def _text(body: bytes) -> str:
  return body[:1000].decode('utf-8', 'replace')
