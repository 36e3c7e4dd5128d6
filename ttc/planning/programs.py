"""Ahead-of-time compilation of one device program for a described slice."""

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
# Messages of the TPU compiler about a program that does not fit: its
# temporaries alone exceed HBM, or all that it needs together does.
_ALONE = re.compile(rf'total memory required for HLO temporaries \({_SIZE}\)')
_TOGETHER = re.compile(rf'Used {_SIZE} of {_SIZE} hbm')
_UNITS = {'': 1, 'B': 1, 'K': 2**10, 'M': 2**20, 'G': 2**30, 'T': 2**40}


@dataclasses.dataclass(frozen=True)
class Memory:
  """HBM that a program needs on one device, in bytes.

  Attributes:
    arguments: its arguments.
    outputs: its outputs, but for those that reuse a donated argument.
    temporaries: intermediate results, and the program's own code.
    overflow: whether the compiler gave up because the program does not fit;
      the numbers are then lower bounds.
  """

  arguments: float
  outputs: float
  temporaries: float
  overflow: bool = False

  @property
  def peak(self) -> float:
    """Bytes in use while the program runs, resident arrays left out."""
    return self.arguments + self.outputs + self.temporaries


@dataclasses.dataclass(frozen=True)
class Compiled:
  """Memory and costs of a compiled program."""

  memory: Memory
  costs: Costs


@dataclasses.dataclass(frozen=True)
class Program:
  """A function and the shapes, dtypes and shardings of its arguments.

  Attributes:
    name: name of the program, e.g. 'train step'.
    trace: calls `jax.jit(...).trace` with the arguments.
    arguments: tree of `jax.ShapeDtypeStruct`s with shardings.
    mesh: mesh of the described devices.
  """

  name: str
  trace: Callable[[], jax.stages.Traced]
  arguments: Any
  mesh: Mesh

  def compile(self) -> Compiled:
    """Compiles the program.

    Returns:
      Its memory and costs. A program that does not fit has `overflow` set and
      costs of zero.

    Raises:
      RuntimeError: it does not compile for another reason than memory.
    """
    argument_bytes = nbytes(self.arguments)
    with partitioning.use(self.mesh):
      traced = self.trace()
      lowered = traced.lower()
    try:
      compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
      needed = _needed(str(error), argument_bytes)
      if needed is None:
        raise RuntimeError(
          f'The program {self.name!r} does not compile: {error}'
        ) from error
      return Compiled(Memory(argument_bytes, 0, needed, True), Costs())
    # Aliased bytes are those of donated arguments that outputs reuse.
    stats = compiled.memory_analysis()
    memory = Memory(
      stats.argument_size_in_bytes,
      stats.output_size_in_bytes - stats.alias_size_in_bytes,
      stats.temp_size_in_bytes + stats.generated_code_size_in_bytes,
    )
    try:
      text = compiled.as_text()
    except jax.errors.JaxRuntimeError:
      # libtpu wrote HLO that this version of JAX cannot parse: an async-update
      # of three operands, seen when training 7B on v5p. FLOPs are still known.
      return Compiled(memory, Costs.traced(traced.jaxpr, self.mesh.size))
    return Compiled(memory, Costs.of(text))


def nbytes(tree: Any) -> int:
  """Bytes per device of a tree of sharded arrays.

  Args:
    tree: arrays or structs; one without a sharding counts in full.
  """

  def leaf_bytes(x):
    shape = x.sharding.shard_shape(x.shape) if x.sharding else x.shape
    # A key is an opaque dtype; the default implementation has 2 uint32 words.
    if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
      return 8 * int(np.prod(shape, dtype=np.int64))
    return int(np.prod(shape, dtype=np.int64)) * x.dtype.itemsize

  return sum(leaf_bytes(x) for x in jax.tree.leaves(tree))


def _needed(message: str, argument_bytes: int) -> float | None:
  """Bytes of temporaries that a refused program would need.

  Args:
    message: of the compiler.
    argument_bytes: those of the program's arguments.

  Returns:
    None if the message is not about memory.
  """
  if alone := _ALONE.search(message):
    return float(alone[1]) * _UNITS[alone[2]]
  if together := _TOGETHER.search(message):
    return max(0, float(together[1]) * _UNITS[together[2]] - argument_bytes)
  return None
