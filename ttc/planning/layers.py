"""Costs of a deep model, extrapolated from two shallow ones.

Every unrolled layer adds the same to the costs and memory of a program. So the
programs of two shallow models determine those of any depth: exactly for FLOPs,
arguments and collectives, within a few percent for temporaries and bytes, since
a small model can keep more in the core's own memory.
"""

from collections.abc import Callable, Iterable
import math

from ttc.models.config import TransformerConfig
from ttc.planning.programs import Compiled, Memory


def sample(cfgs: Iterable[TransformerConfig]) -> tuple[int, int] | None:
  """Depths of the shallow models to compile.

  Args:
    cfgs: the models, which are compiled with the same number of layers.

  Returns:
    (n, 2 n), where n is a multiple of the period in which each model's kinds of
    layers (with or without a sliding window) repeat. None if a model is not
    deeper than 2 n, so that extrapolation saves nothing.
  """
  cfgs = tuple(cfgs)
  few = math.lcm(2, *(_period(cfg) for cfg in cfgs))
  if min(cfg.num_layers for cfg in cfgs) <= 2 * few:
    return None
  return few, 2 * few


def extend(
  few: Compiled, more: Compiled, counts: tuple[int, int], layers: int
) -> Compiled:
  """Extrapolates memory and costs of a program to a deeper model.

  Args:
    few: the program with counts[0] layers.
    more: the program with counts[1] layers.
    counts: the two numbers of layers.
    layers: number of layers of the model.

  Returns:
    The program with `layers` layers; `overflow` is set if it is in either.
  """
  # Layers beyond the shallow model, in units of the difference between the two.
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
  """Number of layers after which the pattern of sliding windows repeats."""
  kinds = cfg.sliding or (False,)
  repeats: Callable[[int], bool] = lambda n: all(
    kind == kinds[i % n] for i, kind in enumerate(kinds)
  )
  return next(n for n in range(1, len(kinds) + 1) if repeats(n))
