"""One device program, compiled for chips that are not here."""

from collections.abc import Callable
import dataclasses
import re
from typing import Any

import jax
import numpy as np

from ttc.planning.costs import Costs

_SIZE = r'([\d.]+)([BKMGT]?)'
# What the TPU compiler says of a program that does not fit: the first form is
# of one array that is too large, the second of all of them together.
_TOO_MUCH = (
    re.compile(rf'total memory required for HLO temporaries \({_SIZE}\)'),
    re.compile(rf'Used {_SIZE} of {_SIZE} hbm'),
    re.compile(rf'[Tt]otal hbm usage >= {_SIZE}'),
)
_UNITS = {'': 1, 'B': 1, 'K': 2**10, 'M': 2**20, 'G': 2**30, 'T': 2**40}


@dataclasses.dataclass(frozen=True)
class Memory:
  """Bytes on a device.

  Attributes:
    arguments: what a program is given.
    outputs: what it makes that does not take an argument's place.
    temporaries: what it needs between; its own code included.
    overflow: whether the compiler gave up, for it needs so much or more.
  """

  arguments: float
  outputs: float
  temporaries: float
  overflow: bool = False

  @property
  def peak(self) -> float:
    return self.arguments + self.outputs + self.temporaries


@dataclasses.dataclass(frozen=True)
class Compiled:
  """What the compiler made of a program."""

  memory: Memory
  costs: Costs


@dataclasses.dataclass(frozen=True)
class Program:
  """A function and the shapes, dtypes and shardings of its arguments.

  Attributes:
    name: e.g. 'train step'.
    lower: `jax.jit(...).lower` of them, inside the mesh that it needs.
    arguments: tree of ShapeDtypeStructs.
  """

  name: str
  lower: Callable[[], jax.stages.Lowered]
  arguments: Any

  def compile(self) -> Compiled:
    """Compiles it; one that does not fit has no costs.

    Raises:
      RuntimeError: it does not compile for another reason than memory.
    """
    given = nbytes(self.arguments)
    try:
      compiled = self.lower().compile()
    except jax.errors.JaxRuntimeError as error:
      needed = _needed(str(error))
      if needed is None:
        raise RuntimeError(
            f'The program {self.name!r} does not compile: {error}') from error
      return Compiled(Memory(given, 0, max(0, needed - given), True), Costs())
    stats = compiled.memory_analysis()
    memory = Memory(
        stats.argument_size_in_bytes,
        stats.output_size_in_bytes - stats.alias_size_in_bytes,
        stats.temp_size_in_bytes + stats.generated_code_size_in_bytes)
    return Compiled(memory, Costs.of(compiled.as_text()))


def nbytes(tree: Any) -> int:
  """Bytes of sharded arrays on a device, from their shapes alone."""

  def one(x):
    shape = x.sharding.shard_shape(x.shape) if x.sharding else x.shape
    if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
      return 8 * int(np.prod(shape, dtype=np.int64))
    return int(np.prod(shape, dtype=np.int64)) * x.dtype.itemsize

  return sum(one(x) for x in jax.tree.leaves(tree))


def _needed(message: str) -> float | None:
  """Bytes that a program would need, from the compiler's refusal."""
  found = [match for pattern in _TOO_MUCH
           if (match := pattern.search(message))]
  if not found:
    return None
  return max(float(m[1]) * _UNITS[m[2]] for m in found)


def as_shapes(tree: Any, sharding: Any = None) -> Any:
  """Arrays as shapes and dtypes, all on one sharding if there is one."""
  return jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)


