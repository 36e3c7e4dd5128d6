"""Lanes that keep their rows."""

import numpy as np
import pytest

from ttc.search.board import Board, Job, Task
from ttc.search.crew import Crew, Seat
from ttc.search.plans import Question
from ttc.search.rows import Row, Slot

PIECE, SLOTS, WIDTHS = 4, 8, (2, 6)


def board():
  return Board(SLOTS, 16, ('proposer',), lambda job, rows: None)


def task(read, slot=None, done=False, keep=False):
  question = Question(0, [1] * (read + 1), np.zeros(2, np.uint32), 99)
  row = Row(list(question.prompt), 0, 99, question.key)
  row.read, row.slot, row.done = read, slot, done
  return Task(
    row, Job(question, iter(()), SLOTS), grows=True, growing=True, keep=keep
  )


def crew(width=6, cells=32):
  made = Crew(1, PIECE)
  made.width, made.cells = width, cells
  return made


@pytest.mark.parametrize(
  ('wanted', 'now', 'shape'),
  [
    ([[8]], (0, 0), (2, 8)),  # few rows
    ([[8] * 3], (0, 0), (6, 8)),
    ([[8] * 5 + [16]], (0, 0), (6, 16)),  # a long one delays nobody
    ([[8] * 6 + [16]], (0, 0), (6, 8)),  # waits where enough are shorter
    ([[8] * 6 + [16]], (6, 16), (6, 16)),  # has its lane already, maybe
    ([[8] * 7], (6, 16), (6, 8)),
    ([[8] * 6, [16]], (0, 0), (6, 16)),  # devices run the same program
    ([[], [8]], (0, 0), (2, 8)),
  ],
)
def test_shape(wanted, now, shape):
  assert crew(*now).shape(wanted, WIDTHS) == shape


def test_loads_what_was_read_and_stores_what_is_new():
  """Played on numbers: a slot and a lane hold (row, position) pairs."""
  rng = np.random.default_rng(0)
  for _ in range(200):
    here, there = crew(), board()
    slots = np.full((SLOTS, 32), -1)
    lanes = np.full((6, 32), -1)
    parent = Slot(there._free.pop(), users=int(rng.integers(1, 4)))
    children = [
      task(int(rng.integers(0, 20)), parent) for _ in range(parent.users)
    ]
    slots[parent.index] = np.arange(32)
    there.growing += children
    for read, write, cell in here.sit(0, there, lambda task: True):
      lanes[write, cell : cell + PIECE] = slots[read, cell : cell + PIECE]
    assert len(here.seats[0]) == len(children)
    assert len({c.row.slot for c in children}) == len(children)
    for lane, seat in here.seats[0].items():
      row = seat.task.row
      assert lanes[lane, : row.read].tolist() == list(range(row.read))
      row.read = int(rng.integers(row.read, 33))
      lanes[lane] = np.arange(32)  # what it read, and rubbish beyond
    taken = {lane: seat.task.row for lane, seat in here.seats[0].items()}
    for read, write, cell in here.rise([list(taken)])[0]:
      slots[write, cell : cell + PIECE] = lanes[read, cell : cell + PIECE]
    assert not here.seats[0]
    for row in taken.values():
      assert slots[row.slot.index, : row.read].tolist() == list(range(row.read))


@pytest.mark.parametrize(
  ('done', 'keep', 'stores'),
  [(False, False, True), (True, False, False), (True, True, True)],
)
def test_only_rows_that_go_on_are_stored(done, keep, stores):
  here = crew()
  here.seats[0][3] = Seat(task(9, Slot(5), done, keep), stored=5)
  pieces = [(3, 5, 4), (3, 5, 8)] if stores else []
  assert here.rise([[3]]) == [pieces]


def test_rows_wait_where_no_slot_is_free():
  here, there = crew(), board()
  there._free.clear()
  there.growing += [task(3, Slot(1, users=2)), task(3, Slot(2))]
  assert [piece[0] for piece in here.sit(0, there, lambda task: True)] == [2]
  assert len(there.growing) == 1
