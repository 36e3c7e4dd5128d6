"""Plans as text for people, and as plain JSON."""

from collections.abc import Iterator, Mapping
import dataclasses
from typing import Any

from ttc.planning.measure import Measured
from ttc.planning.plan import Plan
from ttc.planning.topology import Topology

_GIB, _HOUR = 2**30, 3600


def facts(
  stages: Mapping[str, Plan], where: Topology, price: float | None
) -> dict[str, Any]:
  """Plans as plain JSON: bytes per device, seconds, FLOPs, chip-hours, USD."""
  chip = dataclasses.asdict(where.chip)
  return {
    'topology': where.name,
    'chips': where.chips,
    'hosts': where.hosts,
    'chip': chip,
    'fits': all(plan.fits for plan in stages.values()),
    'stages': {name: _facts(x, where, price) for name, x in stages.items()},
  }


def _facts(x: Plan, where: Topology, price: float | None) -> dict[str, Any]:
  hours = x.bound.seconds * where.chips / _HOUR
  return {
    'mesh': x.mesh,
    'resident': x.resident,
    'fits': x.fits,
    'advice': x.advice,
    'seconds': x.bound.seconds,
    'limit': x.bound.limit,
    'chip_hours': hours,
    'usd': None if price is None else hours * price,
    'largest': dataclasses.asdict(x.largest),
    'programs': [_program(p) for p in x.programs],
  }


def _program(p: Measured) -> dict[str, Any]:
  numbers = {
    name: getattr(p, name)
    for name in (
      'name',
      'arguments',
      'estimate',
      'outputs',
      'temporaries',
      'beside',
      'overflow',
      'peak',
    )
  }
  return numbers | {
    'flops': p.costs.flops,
    'bytes': p.costs.bytes,
    'collectives': {
      f'{kind.kind} of {kind.devices}': count
      for kind, count in sorted(
        p.costs.collectives.items(), key=lambda item: str(item[0])
      )
    },
    'partial': p.costs.partial,
    'unknown': p.costs.unknown,
    'seconds': p.bound.seconds,
    'limit': p.bound.limit,
  }


def table(
  stages: Mapping[str, Plan], where: Topology, price: float | None
) -> str:
  """Plans as text for people; `price` is USD per chip-hour."""
  hbm = where.chip.hbm
  lines = [
    f'{where.name}: {where.chips} chips on {where.hosts} hosts; a device has '
    f'{hbm / _GIB:.2f} GiB, {where.chip.flops / 1e12:.0f} TFLOP/s, '
    f'{where.chip.bandwidth / 1e9:.0f} GB/s'
  ]
  for name, x in stages.items():
    lines += ['', *_stage(name, x, where, price)]
  return '\n'.join(lines)


def _limit(p: Measured) -> str:
  if not p.costs.flops and p.costs.partial:
    return 'not known: JAX cannot read the program back'
  if p.costs.partial:
    return f'{p.bound.limit}, of what is known: bytes and collectives are not'
  if p.costs.unknown:
    return f'{p.bound.limit}, with one turn of a loop that the data end'
  return p.bound.limit


def _stage(
  name: str, x: Plan, where: Topology, price: float | None
) -> Iterator[str]:
  hbm = where.chip.hbm
  sizes = ' '.join(f'{axis}={size}' for axis, size in x.mesh.items())
  yield f'{name} ({sizes})'
  yield '  resident GiB  ' + ', '.join(
    f'{what} {size / _GIB:.2f}' for what, size in x.resident.items()
  )
  if x.programs:
    yield (
      f'  {"program":<16}{"argum.":>8}{"temp.":>8}{"peak":>8}{"of HBM":>8}'
      f'{"TFLOP":>10}{"GB moved":>10}{"ms":>10}  limit'
    )
  for p in x.programs:
    size = lambda n: f'{n / _GIB:.2f}'
    yield (
      f'  {p.name:<16}{size(p.arguments):>8}'
      f'{size(p.temporaries + p.outputs):>8}{size(p.peak):>8}'
      f'{100 * p.peak / hbm:>7.0f}%'
      + (
        '  the compiler refuses it'
        if p.overflow
        else f'{p.costs.flops / 1e12:>10.2f}{p.costs.bytes / 1e9:>10.1f}'
        f'{1e3 * p.bound.seconds:>10.2f}  {_limit(p)}'
      )
    )
    for kind, count in p.costs.collectives.items():
      if count > 1e6:
        yield (
          f'{"":<18}{kind.kind} among {kind.devices}: {count / 1e9:.3f} GB'
        )
  hours = x.bound.seconds / _HOUR
  money = '' if price is None else f', ${hours * where.chips * price:,.2f}'
  if any(p.costs.partial and not p.costs.flops for p in x.programs):
    yield '  how long the stage takes is not known'
  elif x.bound.seconds:
    yield (
      f'  whole stage at least {hours:.3f} h, {hours * where.chips:.2f} '
      f'chip-hours{money}; limited by {x.bound.limit}'
    )
  if x.largest.most:
    yield (
      f'  largest that fits: {x.largest.binding}={x.largest.most} (now '
      f'{x.largest.now})'
    )
  if x.advice:
    yield f'  DOES NOT FIT: change {x.advice}'
