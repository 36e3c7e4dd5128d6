"""A run of random models, and its endpoint on a port of this machine."""

import contextlib
import dataclasses
import http.client
import json
import socket
import threading

from tests.stages.random_models import stored
from ttc.answering import offers
from ttc.data.problems import Grade
from ttc.data.worksheet import Worksheet
from ttc.inference.generation import Generation
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.search.allocate import Beam
from ttc.search.strategies import BestOfN, Greedy, StepSearch
from ttc.search.tempered import Tempered
from ttc.serving import command, loading
from ttc.serving.catalogue import Catalogue
from ttc.stages.arms import Arm
from ttc.stages.fit_allocation import FitAllocation, Ladder
from ttc.stages.online import Allocate
from ttc.stages.search import Search
from ttc.stages.solver import Solver

SEED = 3
MOST = 2048  # generations; no test waits for the end of that


class Initials(Worksheet):
  """Worksheets whose answers, also those of random models, are a letter."""

  def grade(self, problem, text):
    return Grade(text[:1].strip() or None, text[:1] == '1')


TASK = Initials(goals=(2,), num_pretrain=50, num_finetune=20, num_test=5)
LADDERS = (Ladder((Arm(Greedy(), (1,)), Arm(BestOfN(), (4,)))),)
GENERATION = Generation(max_tokens=6, max_step_tokens=3)


@dataclasses.dataclass(frozen=True)
class Made:
  """A run: its offers, and how to find its stages."""

  offers: dict
  folder: object

  def catalogue(self):
    return Catalogue(self.offers)

  def load(self):
    """An answerer and its scheduler."""
    return loading.load(self.catalogue(), self.folder, SEED)


def experiment(verifier):
  """Search stages with models in common, one without, and an allocation.

  Args:
    verifier: path of its model.
  """
  solver = lambda **changes: Solver(
    TASK, GENERATION, rows=8, **dict(verifier=verifier) | changes
  )
  ways = (
    Arm(StepSearch(Beam(2)), (4,)),
    Arm(BestOfN(), (4, MOST)),
    Arm(Tempered(BestOfN(), 0.5), (2,)),
  )
  alone = (Arm(Tempered(BestOfN(), 2.0), (2,)),)
  stages = (
    Search(solver(), ways),
    Search(solver(verifier=''), alone, name='alone'),
    Search(solver(split='finetune'), LADDERS[0].arms, name='pilot'),
    FitAllocation(LADDERS),
    Allocate(solver(), LADDERS, (3,)),
  )
  return Experiment('e', stages, seeds=(SEED,))


def made(root):
  """Makes a run below a folder, as far as endpoints need one."""
  seed = root / f'seed-{SEED}'
  stored(seed / 'pretrain')
  whole = experiment(stored(seed / 'prm', 'value'))
  names = tuple(stage.name for stage in whole.stages)
  for stage in whole.stages[2:4]:
    StageRun(stage, Place(root, (SEED,), names), SEED).work()
  return Made(offers.of(whole), offers.finished(root, SEED))


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
