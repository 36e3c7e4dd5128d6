"""The roots of random streams: functions of a seed, a stage's name and more."""

import zlib

import numpy as np

from ttc.inference import keys
from ttc.pipeline.stage import StageRun


def stage_key(run: StageRun, *what: object, stream: str = '') -> np.ndarray:
  """The root of a random stream of a stage; see `stream_key`.

  Args:
    run: the run of a stage with a seed.
    *what: values whose repr tells streams of the stage apart, e.g. a strategy
      and a budget.
    stream: name of another stage, whose streams these are; '' for its own.

  Returns:
    A key, uint32 [2].
  """
  return stream_key(run.seed, stream or run.label.rsplit('/', 1)[-1], *what)


def stream_key(seed: int, stage: str, *what: object) -> np.ndarray:
  """The root of a random stream, a function of seed, stage name and `what`."""
  key = keys.root(seed)
  for value in (stage, *what):
    # Not hash(), which differs between processes for strings.
    key = keys.fold(key, [zlib.crc32(repr(value).encode())])[0]
  return key
