"""`ttc serve` at work: from a run to an endpoint, and to its orderly end.

    signal    no further question is taken: 503
    20 s      what has no answer by now is refused too
    25 s      the process has ended, whatever happens (`runtime.termination`)

Files and models are found, and the port is taken, before anything is loaded.
"""

import argparse
from collections.abc import Sequence
import contextlib
import importlib.util
import math
import os
import socket
import sys
import threading

from ttc.answering import exits, offers, opening
from ttc.pipeline.experiment import Load
from ttc.runtime import termination
from ttc.runtime.safe_text import printable
from ttc.runtime.termination import Terminated
from ttc.serving import hosts

KEY = 'TTC_API_KEY'
_SHORTEST_KEY = 16  # characters
_CLOSE_S = 2.0
_LIBRARIES = ('starlette', 'uvicorn')


def run(options: argparse.Namespace, rest: Sequence[str], load: Load) -> int:
  """Serves until a signal comes.

  Args:
    options: of the command line.
    rest: arguments that its parser does not know: gin bindings.
    load: `configuration.load`.

  Returns:
    The exit code, as of `exits.guarded`; 0 after a signal to a server that
    was ready.
  """
  return exits.guarded(lambda: _serve(options, rest, load), options.debug)


def _serve(
  options: argparse.Namespace, rest: Sequence[str], load: Load
) -> None:
  _check(options)
  key = _key(options.host)
  opened = opening.opened(options, rest, load)
  seed = opened.experiment.seeds[0] if options.seed is None else options.seed
  opened.check_seeds([seed])
  from ttc.serving import loading
  from ttc.serving.app import Service, Terms
  from ttc.serving.menu import Menu
  from ttc.serving.shared_scheduler import SharedScheduler

  folder = offers.finished(opened.root, seed)
  there, absent = loading.fitted(
    offers.of(opened.experiment, options.only), folder
  )
  own = there.get(offers.REVISIONS)
  if own and not options.only and len(there) > 1:
    del there[offers.REVISIONS]
    told = f'two more models would be loaded; see --only={own.stage.policy}'
    absent[offers.REVISIONS] = told
  menu = Menu(there, options.budget)
  name = opened.experiment.name
  with contextlib.closing(_bound(options.host, options.port)) as listener:
    answerer, schedulers = loading.load(
      menu, folder, seed, options.prompt_tokens
    )
    shared = SharedScheduler(schedulers, options.queue)
    terms = Terms(key, seed, options.timeout, options.body, options.queue)
    service = Service(name, menu, answerer, shared, terms)
    address, port = listener.getsockname()[:2]
    address = f'[{address}]' if ':' in address else address
    told = [f'serving {name} at http://{address}:{port}/v1']
    told += [f'  {listing.name}' for listing in menu.listings]
    other = dict.fromkeys(menu.elsewhere, 'it has other models; see --only')
    told += [f'not {way}: {why}' for way, why in (absent | other).items()]
    _until_signalled(
      service.app(), listener, shared, options.drain, '\n'.join(told)
    )


def http_server(app):
  """A uvicorn server of an ASGI application; what that does not need is off."""
  import uvicorn

  return uvicorn.Server(
    uvicorn.Config(
      app,
      loop='asyncio',
      http='h11',
      ws='none',
      lifespan='off',
      log_config=None,
      log_level='error',
      access_log=False,
      server_header=False,
      proxy_headers=False,
      timeout_graceful_shutdown=int(_CLOSE_S),
    )
  )


def _until_signalled(
  app, listener: socket.socket, shared, drain: float, told: str
) -> None:
  """Serves in a thread, because signals come to this one."""
  server, ended = http_server(app), threading.Event()

  def serve() -> None:
    try:
      server.run(sockets=[listener])
    finally:
      ended.set()

  try:
    threading.Thread(target=serve, name='ttc-http', daemon=True).start()
    while not (server.started or ended.wait(0.05)):
      pass
    print(printable(told), flush=True)
    ended.wait()
    raise OSError('the server has ended by itself; see the lines above.')
  except (Terminated, KeyboardInterrupt):
    termination.finish_work()
    shared.refuse()
    answered = shared.drain(drain)
    closed = shared.close(_CLOSE_S)
    server.should_exit = True
    closed &= ended.wait(2 * _CLOSE_S)
    why = 'answered' if answered else f'refused after {drain:g} seconds'
    told = f'ttc: stopped; what was at work is {why}.'
    print(told, file=sys.stderr, flush=True)
    if not closed:  # a program that is being compiled cannot be interrupted
      termination.exit_now(0)


def _check(options: argparse.Namespace) -> None:
  """Raises ValueError for what can be known to be wrong before anything."""
  missing = [x for x in _LIBRARIES if importlib.util.find_spec(x) is None]
  if missing:
    raise ValueError(
      f'ttc serve needs {" and ".join(missing)}; run '
      "pip install -c constraints.txt '.[serve]'"
    )
  for name, least, most in (
    ('port', 0, 65535),
    ('queue', 1, math.inf),
    ('timeout', 1, 7 * 86400),
    ('drain', 0, 7 * 86400),
    ('budget', 1, 10_000),
    ('prompt_tokens', 1, math.inf),
    ('body', 1024, 1 << 30),
  ):
    value = getattr(options, name)
    if value is not None and not least <= value <= most:
      bounds = f'from {least} to {most}'
      if most == math.inf:
        bounds = f'of at least {least}'
      raise ValueError(f'--{name}={value:g}; give a number {bounds}.')


def _key(host: str) -> str:
  """The key that clients have to give; '' for none.

  Raises:
    ValueError: the host can be reached from elsewhere, and there is no key that
      could not be guessed.
  """
  key = os.environ.get(KEY, '')
  if not hosts.is_loopback(host) and len(key) < _SHORTEST_KEY:
    raise ValueError(
      f'--host={host} can be reached from other machines, and {KEY} has '
      f'{len(key)} characters; set it to {_SHORTEST_KEY} or more, which '
      'clients send as their API key, or leave --host out.'
    )
  return key


def _bound(host: str, port: int) -> socket.socket:
  """A socket at an address, before any model is loaded.

  Raises:
    ValueError: nobody can listen there.
  """
  try:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, kind, _, _, address = found[0]
    listener = socket.socket(family, kind)
    try:
      listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
      listener.bind(address)
    except OSError:
      listener.close()
      raise
    return listener
  except OSError as error:
    raise ValueError(
      f'nobody can listen at --host={host} --port={port}: '
      f'{error.strerror or error}; choose another port, or 0 for any.'
    ) from error
