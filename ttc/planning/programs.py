"""One device program, compiled for chips that are not here."""

from collections.abc import Callable
import dataclasses
import re
from typing import Any

import jax
from jax.sharding import Mesh
import numpy as np

from ttc.models import partitioning
from ttc.planning.costs import Costs

_SIZE = r'([\d.]+)([BKMGT]?)'
# What the TPU compiler says of a program that does not fit.
_ALONE = re.compile(rf'total memory required for HLO temporaries \({_SIZE}\)')
_TOGETHER = re.compile(rf'Used {_SIZE} of {_SIZE} hbm')
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
    trace: `jax.jit(...).trace` of them.
    arguments: tree of ShapeDtypeStructs.
    mesh: that it runs on.
  """

  name: str
  trace: Callable[[], jax.stages.Traced]
  arguments: Any
  mesh: Mesh

  def compile(self) -> Compiled:
    """Compiles it; one that does not fit has no costs.

    Raises:
      RuntimeError: it does not compile for another reason than memory.
    """
    given = nbytes(self.arguments)
    with partitioning.use(self.mesh):
      traced = self.trace()
      lowered = traced.lower()
    try:
      compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
      needed = _needed(str(error), given)
      if needed is None:
        raise RuntimeError(
          f'The program {self.name!r} does not compile: {error}'
        ) from error
      return Compiled(Memory(given, 0, needed, True), Costs())
    stats = compiled.memory_analysis()
    memory = Memory(
      stats.argument_size_in_bytes,
      stats.output_size_in_bytes - stats.alias_size_in_bytes,
      stats.temp_size_in_bytes + stats.generated_code_size_in_bytes,
    )
    try:
      text = compiled.as_text()
    except jax.errors.JaxRuntimeError:
      # libtpu wrote what this JAX cannot read: an async-update of three
      # operands, met in training 7B on v5p.
      return Compiled(memory, Costs.traced(traced.jaxpr, self.mesh.size))
    return Compiled(memory, Costs.of(text))


def nbytes(tree: Any) -> int:
  """Bytes of sharded arrays on a device, from their shapes alone."""

  def one(x):
    shape = x.sharding.shard_shape(x.shape) if x.sharding else x.shape
    if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
      return 8 * int(np.prod(shape, dtype=np.int64))
    return int(np.prod(shape, dtype=np.int64)) * x.dtype.itemsize

  return sum(one(x) for x in jax.tree.leaves(tree))


def _needed(message: str, given: int) -> float | None:
  """Temporaries that a program would need, from the compiler's refusal."""
  if alone := _ALONE.search(message):
    return float(alone[1]) * _UNITS[alone[2]]
  if together := _TOGETHER.search(message):
    return max(0, float(together[1]) * _UNITS[together[2]] - given)
  return None
