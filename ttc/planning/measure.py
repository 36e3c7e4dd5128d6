"""Programs of a stage held against a chip: memory, costs, bounds, what fits."""

from collections.abc import Callable, Sequence
import dataclasses

from ttc.planning import layers
from ttc.planning.costs import Costs
from ttc.planning.programs import Compiled, nbytes, Program
from ttc.planning.roofline import Bound
from ttc.planning.sampling import Sampling
from ttc.planning.training import Training
from ttc.runtime.chips import Chip

_SPARE = 0.97  # of a chip's memory that a proposal fills
_MANY = 2**20  # rows that nobody asks for


@dataclasses.dataclass(frozen=True)
class Measured:
  """One program on one device, in bytes, FLOPs and seconds.

  Attributes:
    name: of the program.
    arguments: as the compiler lays them out.
    estimate: the same from shapes and shardings alone; what the compiler
      found unused is counted.
    outputs: what does not take an argument's place.
    temporaries: what it needs between.
    beside: what lies in memory and it does not see.
    overflow: whether the compiler refused it, for it does not fit.
    costs: FLOPs, bytes and collectives.
    bound: how long it takes at least.
  """

  name: str
  arguments: float
  estimate: float
  outputs: float
  temporaries: float
  beside: float
  overflow: bool
  costs: Costs
  bound: Bound

  @classmethod
  def of(
    cls,
    program: Program,
    compiled: Compiled,
    beside: float,
    estimate: float,
    chip: Chip,
  ) -> 'Measured':
    memory = compiled.memory
    return cls(
      program.name,
      memory.arguments,
      estimate,
      memory.outputs,
      memory.temporaries,
      beside,
      memory.overflow,
      compiled.costs,
      Bound.of(compiled.costs, chip),
    )

  @property
  def peak(self) -> float:
    """Bytes in use while it runs."""
    return (
      max(self.arguments, self.estimate)
      + self.outputs
      + self.temporaries
      + self.beside
    )


def training(work: Training, chip: Chip) -> list[Measured]:
  """Compiles the programs of a training, whole."""
  return [
    Measured.of(
      program, program.compile(), beside, nbytes(program.arguments), chip
    )
    for program, beside in work.programs()
  ]


def sampling(
  work: Sampling, chip: Chip, wanted: Callable[[str], bool] = lambda _: True
) -> list[Measured]:
  """Compiles the programs of a sampler, of a few layers where it has many.

  Args:
    work: the sampler.
    chip: what it runs on.
    wanted: which programs, by name.
  """
  whole = [(p, beside) for p, beside in work.programs() if wanted(p.name)]
  counts = layers.sample(work.cfgs.values())
  if counts is None:
    return [
      Measured.of(p, p.compile(), beside, nbytes(p.arguments), chip)
      for p, beside in whole
    ]
  shallow = [
    [p.compile() for p, _ in work.with_layers(n).programs() if wanted(p.name)]
    for n in counts
  ]
  found = []
  for (p, beside), few, more in zip(whole, *shallow, strict=True):
    compiled = layers.extend(few, more, counts, work.layers(p.name))
    found.append(Measured.of(p, compiled, beside, nbytes(p.arguments), chip))
  return found


def peak(programs: Sequence[Measured]) -> float:
  """Bytes of the program that needs most."""
  return max(program.peak for program in programs)


def largest(
  now: tuple[int, float],
  other: tuple[int, float],
  resident: Callable[[int], float],
  hbm: float,
) -> int:
  """How many rows fit where two numbers of them took so many temporaries.

  Args:
    now, other: (rows, bytes beside what is resident).
    resident: bytes of what lives through a stage of so many rows.
    hbm: bytes that there are.

  Returns:
    0 where not even one row fits.
  """
  (rows, used), (more, then) = now, other
  each = max(0.0, (then - used) / (more - rows))
  fits = lambda n: resident(n) + used + each * (n - rows) <= _SPARE * hbm
  low, high = 0, 1
  while fits(high) and high < _MANY:
    low, high = high, 2 * high
  while high - low > 1:
    middle = (low + high) // 2
    low, high = (middle, high) if fits(middle) else (low, middle)
  return low
