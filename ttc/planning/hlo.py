"""A compiled program as text, read into computations and instructions.

XLA's own counts take the body of a loop once, however often it runs; here
each computation knows its loops, and each loop how often it turns.
"""

from collections.abc import Iterator
import dataclasses
import functools
import math
import re

_SHAPE = re.compile(r'([a-z]+\d*(?:e\d+m\d+\w*)?)\[([\d,<=]*)\](\{[^}]*\})?')
_HEAD = re.compile(r'(ENTRY )?%?([\w.\-]+) \(.*\{$')
_NAMED = re.compile(r'(ROOT )?%([\w.\-]+) = ')
_CALLED = re.compile(
  r'(?:calls|to_apply|body|condition|branch_computations)=\{?((?:%[\w.\-]+'
  r'(?:, )?)+)'
)
_BITS = re.compile(r'[a-z]+(\d+)')


@dataclasses.dataclass(frozen=True)
class Array:
  """One array of a shape.

  Attributes:
    dtype: as XLA writes it.
    dims: its axes.
    fast: whether it lies in memory of the core, and not in HBM.
  """

  dtype: str
  dims: tuple[int, ...]
  fast: bool

  @property
  def bytes(self) -> int:
    if self.dtype == 'pred':
      return math.prod(self.dims)
    bits = _BITS.match(self.dtype)
    return math.prod(self.dims) * int(bits[1]) // 8 if bits else 0


@dataclasses.dataclass(frozen=True)
class Instruction:
  """One line of a computation.

  Attributes:
    name: in its computation.
    op: e.g. 'fusion'.
    shape: the arrays that it makes.
    operands: names of what it takes.
    called: names of the computations that it runs.
    text: all that stands behind the operands.
    root: whether it is the computation's result.
  """

  name: str
  op: str
  shape: tuple[Array, ...]
  operands: tuple[str, ...]
  called: tuple[str, ...]
  text: str
  root: bool


@dataclasses.dataclass(frozen=True)
class Computation:
  """Instructions by name, in the order they run."""

  name: str
  instructions: dict[str, Instruction]

  @property
  def root(self) -> Instruction:
    return next(x for x in self.instructions.values() if x.root)

  @functools.cached_property
  def users(self) -> dict[str, list[Instruction]]:
    """Who takes an instruction's result."""
    users = {name: [] for name in self.instructions}
    for instruction in self.instructions.values():
      for name in instruction.operands:
        users[name].append(instruction)
    return users


@dataclasses.dataclass(frozen=True)
class Module:
  """A program.

  Attributes:
    computations: by name.
    entry: the name of the one that runs first.
  """

  computations: dict[str, Computation]
  entry: str

  @classmethod
  def parse(cls, text: str) -> 'Module':
    """Reads `compiled.as_text()`."""
    computations, entry, name, lines = {}, '', '', {}
    for line in text.splitlines():
      if head := (not line.startswith(' ') and _HEAD.match(line)):
        name, lines = head[2], {}
        entry = name if head[1] else entry
      elif line.startswith('}') and name:
        computations[name] = Computation(name, lines)
        name = ''
      elif name and (found := _NAMED.match(line.strip())):
        lines[found[2]] = _instruction(found, line.strip())
    return cls(computations, entry)

  def trips(self, loop: Instruction) -> int | None:
    """How often a `while` turns; None where only the data know.

    Loops of a fixed length count from zero and compare with a constant. Where
    the compiler unrolled one, it counts by more than one.
    """
    if known := re.search(r'"known_trip_count":\{"n":"(\d+)"', loop.text):
      return int(known[1])
    condition = self.computations[_attribute(loop, 'condition')]
    found = []
    for computation, given in self._compared(condition):
      constants = _constants(computation) | _constants(condition)
      for x in computation.instructions.values():
        if x.op == 'compare' and 'direction=LT' in x.text:
          names = [given.get(n, n) for n in x.operands]
          limits = [constants[n] for n in names if n in constants]
          counter = condition.instructions.get(names[0])
          step = _step(self.body(loop), counter) if counter else 1
          found += [-(-limit // step) for limit in limits]
    return max(found, default=None)

  def _compared(
    self, condition: Computation
  ) -> Iterator[tuple[Computation, dict[str, str]]]:
    """A condition and what is fused in it, with what parameters stand for."""
    yield condition, {}
    for fusion in condition.instructions.values():
      for name in fusion.called:
        fused = self.computations[name]
        yield (
          fused,
          {
            x.name: fusion.operands[int(x.text)]
            for x in fused.instructions.values()
            if x.op == 'parameter'
          },
        )

  def body(self, loop: Instruction) -> Computation:
    return self.computations[_attribute(loop, 'body')]


def _constants(computation: Computation) -> dict[str, int]:
  """Whole numbers by name."""
  return {
    x.name: int(x.text)
    for x in computation.instructions.values()
    if x.op == 'constant'
    and x.shape[0].dtype in ('s32', 'u32')
    and re.fullmatch(r'-?\d+', x.text)
  }


def _step(body: Computation, counter: Instruction) -> int:
  """What a loop adds to its counter each time."""
  if counter.op != 'get-tuple-element' or body.root.op != 'tuple':
    return 1
  place = int(re.search(r'index=(\d+)', counter.text)[1])
  constants, step = _constants(body), 0
  x = body.instructions[body.root.operands[place]]
  while x.op in ('add', 'copy'):
    step += sum(constants.get(name, 0) for name in x.operands)
    x = body.instructions[next(n for n in x.operands if n not in constants)]
  return step or 1


def _instruction(found: re.Match, line: str) -> Instruction:
  rest = line[found.end() :]
  end = _close(rest, 0) + 1 if rest.startswith('(') else rest.index(' ')
  shape, rest = rest[:end], rest[end:].lstrip()
  op, _, rest = rest.partition('(')
  end = _close('(' + rest, 0) - 1
  inside, text = rest[:end], rest[end + 1 :]
  kept = inside if op in ('constant', 'parameter') else text
  called = [
    name
    for group in _CALLED.findall(text)
    for name in re.findall(r'%([\w.\-]+)', group)
  ]
  return Instruction(
    name=found[2],
    op=op,
    shape=_arrays(shape),
    operands=tuple(re.findall(r'%([\w.\-]+)', inside)),
    called=tuple(called),
    text=kept,
    root=bool(found[1]),
  )


def _arrays(shape: str) -> tuple[Array, ...]:
  return tuple(
    Array(
      dtype,
      tuple(int(x.lstrip('<=')) for x in dims.split(',') if x),
      'S(1)' in layout,
    )
    for dtype, dims, layout in _SHAPE.findall(shape)
  )


def _close(text: str, start: int) -> int:
  """Where the parenthesis that opens at `start` closes."""
  depth = 0
  for match in re.finditer(r'[()]', text[start:]):
    depth += 1 if match[0] == '(' else -1
    if not depth:
      return start + match.start()
  raise ValueError(f'{text[:80]!r} has a parenthesis that never closes.')


def _attribute(instruction: Instruction, name: str) -> str:
  return re.search(rf'{name}=%([\w.\-]+)', instruction.text)[1]
