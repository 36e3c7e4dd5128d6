"""Numbers of a deep model from two shallow ones.

Layers that are written one after the other add the same to every number of a
program. So a program of a few layers and one of twice as many give the rest,
exactly for FLOPs, arguments and collectives. Temporaries and bytes come within
a few percent: what a small model keeps near the core, a large one cannot.
"""

from collections.abc import Callable, Iterable
import math

from ttc.models.config import TransformerConfig
from ttc.planning.programs import Compiled, Memory


def sample(cfgs: Iterable[TransformerConfig]) -> tuple[int, int] | None:
  """Numbers of layers to compile; None where all of them are as quick.

  Where layers take turns (sliding ones and others), both numbers hold whole
  turns of all models.
  """
  cfgs = tuple(cfgs)
  few = math.lcm(2, *(_period(cfg) for cfg in cfgs))
  if min(cfg.num_layers for cfg in cfgs) <= 2 * few:
    return None
  return few, 2 * few


def extend(
  few: Compiled, more: Compiled, counts: tuple[int, int], layers: int
) -> Compiled:
  """What a program of `layers` layers comes to.

  Args:
    few, more: the program with so many layers.
    counts: which numbers these are.
    layers: of the model.
  """
  times = (layers - counts[0]) / (counts[1] - counts[0])
  between = lambda a, b: max(0.0, a + (b - a) * times)
  fields = ('arguments', 'outputs', 'temporaries')
  memory = Memory(
    *(
      between(getattr(few.memory, name), getattr(more.memory, name))
      for name in fields
    ),
    few.memory.overflow or more.memory.overflow,
  )
  return Compiled(memory, few.costs + (more.costs + few.costs * -1) * times)


def _period(cfg: TransformerConfig) -> int:
  """Layers after which the kinds repeat."""
  kinds = cfg.sliding or (False,)
  repeats: Callable[[int], bool] = lambda n: all(
    kind == kinds[i % n] for i, kind in enumerate(kinds)
  )
  return next(n for n in range(1, len(kinds) + 1) if repeats(n))
