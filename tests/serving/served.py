"""A run of random models, and its endpoint on a port of this machine."""

import contextlib
import dataclasses
import http.client
import json
import socket
import threading

from tests.answering import small_run
from ttc.answering import offers
from ttc.answering.offers import Offer
from ttc.search.strategies import BestOfN, Greedy
from ttc.search.tempered import Tempered
from ttc.serving import command, loading
from ttc.serving.menu import Menu

SEED, TASK = small_run.SEED, small_run.TASK
MOST = 2048  # generations; no test waits for the end of that


@dataclasses.dataclass(frozen=True)
class Made:
  """A run: its offers, how to find its stages, and what it is of."""

  offers: dict
  folder: object
  experiment: object
  root: object

  def menu(self):
    return Menu(self.offers)

  def load(self):
    """An answerer and its schedulers."""
    return loading.load(self.menu(), self.folder, SEED)


def offered(experiment):
  """What an experiment as of `small_run` offers, and a little more."""
  found = offers.of(experiment)
  search = found['beam-m2'].stage
  cool = Tempered(BestOfN(), 0.5)
  return found | {
    'best-of-n': Offer(search, BestOfN(), (4, MOST)),
    'best-of-n-t0.5': Offer(search, cool, (2,)),
    # With the models of the others; the stage of that name has no verifier.
    'greedy': Offer(search, Greedy(), (1,)),
    'alone': found['greedy'],
  }


def made(root):
  """A finished run below a folder."""
  whole = small_run.finished(root)
  return Made(offered(whole), offers.finished(root, SEED), whole, root)


@contextlib.contextmanager
def listening(app):
  """Serves an application; yields its port."""
  listener = socket.create_server(('127.0.0.1', 0))
  server = command.http_server(app)
  thread = threading.Thread(target=server.run, kwargs={'sockets': [listener]})
  thread.start()
  while not server.started:
    thread.join(0.01)
  try:
    yield listener.getsockname()[1]
  finally:
    server.should_exit = True
    thread.join()
    listener.close()


def ask(port, path, body=None, headers=(), raw=False):
  """Status and JSON of a response; its text with `raw`."""
  connection = http.client.HTTPConnection('127.0.0.1', port, timeout=300)
  with contextlib.closing(connection):
    given = {'Content-Type': 'application/json', **dict(headers)}
    method = 'GET' if body is None else 'POST'
    sent = body if isinstance(body, str | None) else json.dumps(body)
    connection.request(method, path, sent, given)
    response = connection.getresponse()
    text = response.read().decode()
  return response.status, text if raw else json.loads(text)


def chat(model, question, **fields):
  """The body of a chat of one question."""
  message = {'role': 'user', 'content': question}
  return {'model': model, 'messages': [message], **fields}
