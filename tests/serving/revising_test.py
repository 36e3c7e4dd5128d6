"""An endpoint revises with models of its own, as `ttc solve` does."""

import concurrent.futures

import pytest

pytest.importorskip('starlette', reason='the extra serve is not installed')
pytest.importorskip('uvicorn', reason='the extra serve is not installed')

from tests.answering import small_run
from tests.serving import served
from ttc.answering import offers
from ttc.answering.replies import replies
from ttc.serving import loading
from ttc.serving.app import Service, Terms
from ttc.serving.menu import Menu
from ttc.serving.shared_scheduler import SharedScheduler

MODEL = f'{offers.REVISIONS}-4'


def test_it_answers_as_solve_does(run):
  whole = small_run.revised(run.experiment, run.root)
  menu = Menu(offers.of(whole))
  offer = menu.offers[offers.REVISIONS]
  assert MODEL in [listing.name for listing in menu.listings]
  problems = served.TASK.problems('test')[:3]
  stage = offer.stage_for(problems, 4, run.folder)
  expected = replies(stage, problems, served.SEED)
  answerer, schedulers = loading.load(menu, run.folder, served.SEED)
  shared = SharedScheduler(schedulers, 8)
  terms = Terms(seed=served.SEED)
  service = Service('e', menu, answerer, shared, terms)
  with (
    served.listening(service.app()) as port,
    concurrent.futures.ThreadPoolExecutor() as clients,
  ):
    ask = lambda problem: served.ask(
      port, '/v1/chat/completions', served.chat(MODEL, problem.question)
    )
    found = [body for _, body in clients.map(ask, problems)]
  for body, reply in zip(found, expected, strict=True):
    assert body['choices'][0]['message']['content'] == reply.text
    assert body['ttc'][0]['answer'] == reply.answer
    assert body['ttc'][0]['stop'] == reply.stop
    assert body['usage']['generations'] == reply.generations
    assert body['usage']['flops'] > 0
  assert shared.close(60)
