"""Lanes that keep their rows."""

import numpy as np
import pytest

from ttc.inference.lanes import LaneGroup, Occupant
from ttc.inference.queues import DeviceQueues, Job, RowTask
from ttc.inference.requests import Question
from ttc.inference.rows import Row, Slot

COPY_SIZE, SLOTS, WIDTHS = 4, 8, (2, 6)


def queue():
  return DeviceQueues(SLOTS, 16, ('proposer',), lambda job, rows: None)


def task(read, slot=None, done=False, keep=False):
  question = Question(0, [1] * (read + 1), np.zeros(2, np.uint32), 99)
  row = Row(list(question.prompt), 0, 99, question.key)
  row.proposer_len, row.slot, row.done = read, slot, done
  return RowTask(
    row, Job(question, iter(()), SLOTS), grows=True, growing=True, keep=keep
  )


def group(width=6, cache_len=32):
  made = LaneGroup(1, COPY_SIZE, 'cpu')
  made.width, made.cache_len = width, cache_len
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
  assert group(*now).shape(wanted, WIDTHS) == shape


def test_loads_what_was_read_and_stores_what_is_new():
  """Played on numbers: a slot and a lane hold (row, position) pairs."""
  rng = np.random.default_rng(0)
  for _ in range(200):
    here, there = group(), queue()
    slots = np.full((SLOTS, 32), -1)
    lanes = np.full((6, 32), -1)
    parent = Slot(there._free.pop(), users=int(rng.integers(1, 4)))
    children = [
      task(int(rng.integers(0, 20)), parent) for _ in range(parent.users)
    ]
    slots[parent.index] = np.arange(32)
    there.growing += children
    for read, write, position in here.admit(0, there, lambda task: True):
      lanes[write, position : position + COPY_SIZE] = slots[
        read, position : position + COPY_SIZE
      ]
    assert len(here.occupants[0]) == len(children)
    assert len({c.row.slot for c in children}) == len(children)
    for lane, occupant in here.occupants[0].items():
      row = occupant.task.row
      length = row.proposer_len
      assert lanes[lane, :length].tolist() == list(range(length))
      row.proposer_len = int(rng.integers(row.proposer_len, 33))
      lanes[lane] = np.arange(32)  # what it read, and rubbish beyond
    taken = {
      lane: occupant.task.row for lane, occupant in here.occupants[0].items()
    }
    for read, write, position in here.evict([list(taken)])[0]:
      slots[write, position : position + COPY_SIZE] = lanes[
        read, position : position + COPY_SIZE
      ]
    assert not here.occupants[0]
    for row in taken.values():
      length = row.proposer_len
      assert slots[row.slot.index, :length].tolist() == list(range(length))


@pytest.mark.parametrize(
  ('done', 'keep', 'stores'),
  [(False, False, True), (True, False, False), (True, True, True)],
)
def test_only_rows_that_go_on_are_stored(done, keep, stores):
  here = group()
  here.occupants[0][3] = Occupant(task(9, Slot(5), done, keep), stored=5)
  pieces = [(3, 5, 4), (3, 5, 8)] if stores else []
  assert here.evict([[3]]) == [pieces]


def test_rows_wait_where_no_slot_is_free():
  here, there = group(), queue()
  there._free.clear()
  there.growing += [task(3, Slot(1, users=2)), task(3, Slot(2))]
  assert [
    copy_size[0] for copy_size in here.admit(0, there, lambda task: True)
  ] == [2]
  assert len(there.growing) == 1
