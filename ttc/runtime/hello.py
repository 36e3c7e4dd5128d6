"""The hello: the first message of a process, which says who it is."""

import dataclasses

from ttc.runtime.connection import ProtocolError, shown

_LONGEST_HOST = 255  # characters; DNS allows no longer name
_FIELDS = ('about', 'count', 'hello', 'host', 'nonce')


@dataclasses.dataclass(frozen=True)
class Hello:
  """Who a process is.

  Attributes:
    index: number of the process, from 0.
    count: number of processes in the run, as the process was told.
    host: name of its host.
    about: what must be the same in all processes, by name.
    nonce: the run's secret; '' if the process has none.
  """

  index: int
  count: int
  host: str
  about: dict[str, str]
  nonce: str = dataclasses.field(repr=False)

  @property
  def who(self) -> str:
    """The process in messages to people; safe to print."""
    return f'process {self.index} ({shown(self.host)})'

  def message(self) -> dict:
    """The hello as plain JSON."""
    return {
      'hello': self.index,
      'count': self.count,
      'host': self.host,
      'about': self.about,
      'nonce': self.nonce,
    }


def parse(message: dict) -> Hello:
  """Parses the first message of a connection.

  Args:
    message: what the peer sent; it may hold anything that JSON can.

  Raises:
    ProtocolError: it is not a hello. The text holds no value of `nonce`, and is
      to be escaped before it is printed.
  """
  if sorted(message) != sorted(_FIELDS):
    raise ProtocolError(f'its hello has the fields {sorted(message)}')
  index, count = message['hello'], message['count']
  # bool is an int of Python, but nothing that a process sends.
  if type(index) is not int or type(count) is not int:
    # The types only: a nested list may be too deep to be printed.
    raise ProtocolError(
      f'its hello has an index of type {type(index).__name__} and a count of '
      f'type {type(count).__name__}'
    )
  if not 0 <= index < count:
    raise ProtocolError(f'its hello has the index {index} of {count}')
  host, about, nonce = message['host'], message['about'], message['nonce']
  if not isinstance(host, str) or len(host) > _LONGEST_HOST:
    raise ProtocolError(
      f'its hello has no host of at most {_LONGEST_HOST} characters'
    )
  if not isinstance(about, dict) or not all(
    isinstance(value, str) for value in about.values()
  ):
    raise ProtocolError('its hello has an about that is not text by name')
  if not isinstance(nonce, str):
    raise ProtocolError('its hello has a nonce that is not text')
  return Hello(index, count, host, about, nonce)
