"""The plan of a stage: whether it fits, how long it takes, what would fit."""

from collections.abc import Callable
import dataclasses
import functools
import math

from ttc.planning import measure
from ttc.planning.measure import Measured
from ttc.planning.roofline import Bound
from ttc.planning.sampling import Sampling
from ttc.planning.topology import Topology
from ttc.planning.training import Training

_STEP = 'train step'
_GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Largest:
  """The largest value of a gin binding that fits, with all others unchanged.

  Attributes:
    binding: name of the binding, e.g. 'Solver.rows'.
    now: its value.
    most: its largest value that fits; 0 if none does.
  """

  binding: str
  now: int
  most: int


@dataclasses.dataclass(frozen=True)
class Plan:
  """Memory and time of a stage on a slice, known before it runs.

  Attributes:
    mesh: number of devices along each axis, for samplers those of one host.
    resident: bytes per device of arrays that live as long as the stage, by
      their kind.
    programs: measurements of its programs; none if the resident arrays alone
      do not fit.
    bound: lower bound on the time of the whole stage.
    largest: largest batch or number of rows that fits.
    advice: what to change if the stage does not fit; '' if it does.
  """

  mesh: dict[str, int]
  resident: dict[str, int]
  programs: list[Measured]
  bound: Bound
  largest: Largest
  advice: str

  @property
  def fits(self) -> bool:
    """Whether the stage fits into HBM."""
    return not self.advice


def training(work: Training, topology: Topology) -> Plan:
  """Plans a training stage that runs all of its steps.

  The time bound leaves evaluations out.

  Args:
    work: the training on the devices of the slice.
    topology: the slice.

  Raises:
    RuntimeError: see `Program.compile`.
  """
  chip, config = topology.chip, work.config
  total = sum(work.resident.values())
  if total > chip.hbm:
    largest = Largest('FitConfig.batch', config.batch, 0)
    return _refused(work, largest, _smaller_training(work, topology, largest))
  programs = measure.training(work, chip)
  # Batches are multiples of this, so it is what the search counts in.
  parts = config.microbatches * work.rows
  most = _most(
    config.batch // parts,
    programs,
    chip.hbm,
    lambda rows: total,
    lambda rows: measure.training(work.with_batch(rows * parts), chip),
  )
  largest = Largest('FitConfig.batch', config.batch, parts * most)
  advice = ''
  if overflows(programs, chip.hbm):
    advice = _smaller_training(work, topology, largest)
  # One execution of the program runs `steps_per_call` steps.
  step = next(p for p in programs if p.name == _STEP)
  bound = step.bound * (config.steps / config.steps_per_call)
  return Plan(
    dict(work.mesh.shape), work.resident, programs, bound, largest, advice
  )


def sampling(
  work: Sampling,
  topology: Topology,
  grown: int,
  by_step: bool,
  read: dict[str, int],
) -> Plan:
  """Plans a sampling stage whose lanes and packed prefills are always full.

  Args:
    work: the sampler on the devices of one host; the questions are divided
      among the hosts.
    topology: the slice.
    grown: number of tokens that are sampled in the stage.
    by_step: whether rows pause at step ends, so that they grow by the short
      chunk.
    read: number of tokens to prefill, by role of the model.

  Raises:
    RuntimeError: see `Program.compile`.
  """
  chip, capacity = topology.chip, work.capacity
  resident = functools.partial(resident_at, work)
  # With a single row, so that no lower `Solver.rows` would fit either.
  if resident(1) > chip.hbm:
    largest = Largest('Solver.rows', 2 * capacity.lanes, 0)
    return _refused(work, largest, _smaller_sampling(work, topology, largest))
  programs = measure.sampling(work, chip)
  by_name = {program.name: program for program in programs}
  chunk = (min if by_step else max)(capacity.chunks)
  groups = len(topology.devices) // work.mesh.shape['model']
  # One call samples `chunk` tokens in every lane, or prefills `capacity.line`
  # tokens, in each of the `groups` copies of the model.
  bound = by_name[f'extend by {chunk}'].bound * (
    grown / (chunk * capacity.lanes * groups)
  )
  for who, tokens in read.items():
    if who in work.cfgs:
      bound += by_name[f'prefill ({who})'].bound * (
        tokens / (capacity.line * groups)
      )
  # Memory is measured again with another number of rows, for the programs
  # that can be the largest.
  large = lambda name: (
    name.startswith('prefill') or (name == f'extend by {max(capacity.chunks)}')
  )
  rows = _most(
    2 * capacity.lanes,
    [p for p in programs if large(p.name)],
    chip.hbm,
    resident,
    lambda rows: measure.sampling(work.with_rows(rows), chip, large),
  )
  largest = Largest('Solver.rows', 2 * capacity.lanes, rows)
  advice = ''
  if overflows(programs, chip.hbm):
    advice = _smaller_sampling(work, topology, largest)
  return Plan(
    dict(work.mesh.shape), work.resident, programs, bound, largest, advice
  )


def _refused(work: Training | Sampling, largest: Largest, advice: str) -> Plan:
  """Resident arrays alone exceed HBM; nothing is compiled."""
  return Plan(
    dict(work.mesh.shape), work.resident, [], Bound(0, 0, 0), largest, advice
  )


def overflows(programs: list[Measured], hbm: int) -> bool:
  """Whether one of some programs does not fit into `hbm` bytes."""
  return any(p.overflow for p in programs) or measure.peak(programs) > hbm


def _most(
  now: int,
  programs: list[Measured],
  hbm: int,
  resident: Callable[[int], float],
  again: Callable[[int], list[Measured]],
) -> int:
  """The largest number of rows that fits; 0 if not even one does.

  Args:
    now: the present number of rows.
    programs: measurements with that number.
    hbm: bytes of HBM per device.
    resident: maps a number of rows to the bytes of resident arrays.
    again: measures the programs with another number of rows.
  """
  beyond = lambda rows, programs: measure.peak(programs) - resident(rows)
  other = max(1, now // 2) if overflows(programs, hbm) else 2 * now
  if other == now:
    return 0
  return measure.largest(
    (now, beyond(now, programs)),
    (other, beyond(other, again(other))),
    resident,
    hbm,
  )


def _held(work: Sampling) -> tuple[int, int, int]:
  """Resident bytes per device of (weights, KV pools, lanes)."""
  pools = sum(x for name, x in work.resident.items() if 'pool' in name)
  lanes = work.resident.get('lanes', 0)
  return sum(work.resident.values()) - pools - lanes, pools, lanes


def resident_at(work: Sampling, rows: int) -> float:
  """Resident bytes per device for another number of rows.

  Args:
    work: the sampler.
    rows: number of rows that are sampled at once, as of `Solver.rows`.
  """
  weights, pools, lanes = _held(work)
  now, other = work.capacity, work.sizes(rows)
  # A pool has one slot more than it has rows, for padding.
  return (
    weights
    + pools * (other.slots + 1) / (now.slots + 1)
    + lanes * other.lanes / now.lanes
  )


def _smaller_training(
  work: Training, topology: Topology, largest: Largest
) -> str:
  """The binding to change, its new value, and the reason.

  Tried in this order: more sharding if resident arrays alone do not fit,
  recomputation, a smaller batch, more microbatches, more sharding or shorter
  rows.
  """
  hbm, config, shape = topology.chip.hbm, work.config, work.mesh.shape
  total = sum(work.resident.values())
  replicated = shape['data'] > 1  # so `fsdp` can shard further
  cut = f'Layout.fsdp={shape["fsdp"] * shape["data"]} (now {shape["fsdp"]})'
  if total > hbm:
    why = f'parameters and optimizer take {total / _GIB:.1f} GiB per device'
    chips = math.ceil(total * topology.chips / hbm)
    return (
      f'{cut}: {why}'
      if replicated
      else (f'--topology: {why}; {chips} chips or more would hold them')
    )
  if config.remat == 'none':
    return "FitConfig.remat='full' (now 'none')"
  if largest.most:
    return f'FitConfig.batch={largest.most} (now {largest.now})'
  if config.batch // config.microbatches > work.rows:
    return (
      f'FitConfig.microbatches={config.batch // work.rows} (now '
      f'{config.microbatches})'
    )
  return cut if replicated else f'FitConfig.seq_len (now {config.seq_len})'


def _smaller_sampling(
  work: Sampling, topology: Topology, largest: Largest
) -> str:
  """As `_smaller_training`, for a sampler."""
  host, parts = len(topology.host.devices), work.mesh.shape['model']
  weights, *_ = _held(work)
  if largest.most:
    return f'Solver.rows={largest.most} (now {largest.now})'
  if parts < host:
    rows = resident_at(work, 1) - weights
    return (
      f'Solver.model_parallel={2 * parts} (now {parts}): weights take '
      f'{weights / _GIB:.1f} GiB per device, and the {work.width} rows of '
      f'a question that live at once {rows / _GIB:.1f} GiB'
    )
  if weights < topology.chip.hbm and work.width > 1:
    return (
      f'the largest budget of Search.arms: its {work.width} rows of a '
      'question live at once'
    )
  return (
    f'--topology: weights take {weights / _GIB:.1f} GiB of each of the '
    f'{host} devices of a host'
  )
