"""Commands of several processes, joined as on several hosts."""

import socket


def address() -> str:
  """Where nobody listens yet."""
  with socket.create_server(('127.0.0.1', 0)) as probe:
    return f'127.0.0.1:{probe.getsockname()[1]}'


def flags(count: int) -> list[list[str]]:
  """The arguments that join a command's processes, a list for each."""
  where = address()
  return [
    [
      '--distributed',
      f'--coordinator={where}',
      f'--processes={count}',
      f'--process={index}',
      '--join_timeout=60',
    ]
    for index in range(count)
  ]
