"""What must be the same wherever the arrays lie.

`python -m tests.layouts DEVICES FOLDER` works on so many fake devices and
leaves what it found in FOLDER.
"""

import dataclasses
import json
import os
import pathlib
import sys

from tests import xla

if __name__ == '__main__':
  os.environ['JAX_PLATFORMS'] = 'cpu'
  os.environ['XLA_FLAGS'] = xla.flags(int(sys.argv[1]))

import jax
import numpy as np

from tests import testing
from ttc.inference.generation import Generation
from ttc.inference.models import Model, Models
from ttc.models import abstract, copies, partitioning
from ttc.models.partitioning import Layout
from ttc.search.allocate import Beam
from ttc.search.strategies import BestOfN, StepSearch
from ttc.training.loop import fit, FitConfig
from ttc.training.optimizer import AdamW

CFG = testing.small_config()
SHALLOW = testing.small_config(num_layers=1)  # samplers do not scan
CONFIG = FitConfig(
  steps=6,
  batch=8,
  seq_len=12,
  optimizer=AdamW(1e-2),
  eval_every=6,
  checkpoint_every=2,
  steps_per_call=1,
)
PROMPTS = ([3, 4], [5], [6, 7, 3, 9])
STRATEGIES = {'best-of-n': BestOfN(), 'beam': StepSearch(Beam(4))}
EIGHT = {
  'all': Layout(data=2, fsdp=2, model=2),
  'fewer key heads than devices': Layout(fsdp=2, model=4),
}


@dataclasses.dataclass
class Batches:
  """Random tokens in two sequences a row, another batch at each place."""

  place: int = 0

  def __next__(self):
    rng = np.random.default_rng(self.place)
    self.place += 1
    shape = (1, CONFIG.batch, CONFIG.seq_len)
    half = np.arange(CONFIG.seq_len) // (CONFIG.seq_len // 2)
    tokens = rng.integers(0, CFG.vocab_size, (2, *shape)).astype(np.int32)
    return {
      'decoder_input_tokens': tokens[0],
      'decoder_target_tokens': tokens[1],
      'decoder_loss_weights': np.ones(shape, np.float32),
      'decoder_segment_ids': np.broadcast_to(half + 1, shape).astype('int32'),
      'decoder_positions': np.broadcast_to(
        np.arange(CONFIG.seq_len) % (CONFIG.seq_len // 2), shape
      ).astype(np.int32),
    }

  def get_state(self):
    return {'place': self.place}

  def set_state(self, state):
    self.place = state['place']


def train(folder, layout, stop=None, **changes):
  """Losses by step and the final parameters as one vector.

  Args:
    folder: of the checkpoints.
    layout: None is one device.
    stop: the step after which to be interrupted.
    **changes: of CONFIG.
  """
  losses = {}

  def report(news):
    losses[str(news['step'])] = news['loss']
    if news['step'] == stop:
      raise KeyboardInterrupt

  mesh = (layout or Layout()).mesh(None if layout else jax.devices()[:1])
  try:
    fitted = fit(
      dataclasses.replace(CONFIG, **changes),
      CFG,
      'logits',
      Batches(),
      (),
      str(folder),
      mesh=mesh,
      report=report,
    )
  except KeyboardInterrupt:
    return losses, None
  return losses, np.concatenate(
    [np.asarray(x).ravel() for x in jax.tree.leaves(fitted.params)]
  )


def models(mesh):
  """A proposer and a verifier, cut over the mesh as samplers do."""

  def cut(head, seed):
    whole = testing.random_params(SHALLOW, head, seed)
    params = jax.tree.map(
      lambda x, a: jax.device_put(x, a.sharding),
      whole,
      abstract.params(SHALLOW, head, mesh),
    )
    return Model(
      copies.params(params, SHALLOW, head, mesh),
      copies.config(SHALLOW, mesh.shape['model']),
    )

  ids = np.arange(SHALLOW.vocab_size)
  return Models(
    proposer=cut('logits', 0),
    verifier=cut('value', 1),
    step_end=(ids % 5 == 2) | (ids == 1),
    end=ids == 1,
    generation=Generation(max_tokens=12, max_step_tokens=4),
    mesh=mesh,
  )


def sample(mesh):
  """What each strategy writes, by its name."""
  made = models(mesh)
  # One length, one chunk, one line: few programs.
  scheduler = testing.scheduler(made, cache_len=16, line=16, chunk=16)
  return {
    name: [
      testing.tokens(solution)
      for solution in testing.run(
        scheduler,
        made,
        [
          (q, strategy.plan(q, 8), strategy.slots(8))
          for q in testing.questions(made, *PROMPTS)
        ],
      )
    ]
    for name, strategy in STRATEGIES.items()
  }


def main(folder):
  """Trains on, from a checkpoint that is there, and from the beginning."""
  found = {'sampled': sample(partitioning.make_mesh(data=2, model=4))}
  vectors = {}
  for index, (name, layout) in enumerate(EIGHT.items()):
    found[name], vectors[name] = train(
      folder / ('begun' if index == 0 else 'own'),
      layout,
      remat=('full', 'dots')[index],
    )
  np.savez(folder / 'vectors.npz', **vectors)
  (folder / 'found.json').write_text(json.dumps(found))


if __name__ == '__main__':
  main(pathlib.Path(sys.argv[2]))
