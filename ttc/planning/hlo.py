"""A parser for the HLO text of compiled programs.

XLA's own cost analysis counts the body of a loop once, however often it runs.
This parser finds the loops and their numbers of iterations.
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
  """One array of an instruction's result.

  Attributes:
    dtype: XLA's name of the dtype, e.g. 'bf16'.
    dims: size of each axis.
    fast: True if it is in the core's own memory, False if it is in HBM.
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
  """One instruction of a computation.

  Attributes:
    name: unique name in its computation.
    op: opcode, e.g. 'fusion'.
    shape: arrays of the result, more than one for a tuple.
    operands: names of the instructions whose results it takes.
    called: names of the computations that it runs.
    text: attributes, as text after the operands; of a constant its value, of a
      parameter its index.
    root: whether its result is that of the computation.
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
  """A computation.

  Attributes:
    name: unique name in the module.
    instructions: by name, in the order in which they run.
  """

  name: str
  instructions: dict[str, Instruction]

  @property
  def root(self) -> Instruction:
    return next(x for x in self.instructions.values() if x.root)

  @functools.cached_property
  def users(self) -> dict[str, list[Instruction]]:
    """The instructions that take an instruction's result, by its name."""
    users = {name: [] for name in self.instructions}
    for instruction in self.instructions.values():
      for name in instruction.operands:
        users[name].append(instruction)
    return users


@dataclasses.dataclass(frozen=True)
class Module:
  """A compiled program.

  Attributes:
    computations: computations by name.
    entry: name of the computation that runs first.
  """

  computations: dict[str, Computation]
  entry: str

  @classmethod
  def parse(cls, text: str) -> 'Module':
    """Parses the text of `compiled.as_text()`."""
    computations, entry, name, lines = {}, '', '', {}
    for line in text.splitlines():
      if head := (not line.startswith(' ') and _HEAD.match(line)):
        name, lines = head[2], {}
        entry = name if head[1] else entry
      # Attributes of a Pallas kernel span lines, of which one begins with '}}'.
      elif name and line.startswith('}') and not line.startswith('}}'):
        computations[name] = Computation(name, lines)
        name = ''
      elif name and (match := _NAMED.match(line.strip())):
        lines[match[2]] = _instruction(match, line.strip())
    return cls(computations, entry)

  def trips(self, loop: Instruction) -> int | None:
    """Number of iterations of a `while`; None if it depends on the data.

    The text may state it. Else it is derived from the condition: loops of fixed
    length count up from zero and compare with a constant. A loop that the
    compiler has unrolled counts in steps of more than one.
    """
    if known := re.search(r'"known_trip_count":\{"n":"(\d+)"', loop.text):
      return int(known[1])
    condition = self.computations[_attribute(loop, 'condition')]
    counts = []
    for computation, arguments in self._compared(condition):
      constants = _constants(computation) | _constants(condition)
      for x in computation.instructions.values():
        if x.op == 'compare' and 'direction=LT' in x.text:
          names = [arguments.get(n, n) for n in x.operands]
          limits = [constants[n] for n in names if n in constants]
          counter = condition.instructions.get(names[0])
          step = _step(self.body(loop), counter) if counter else 1
          counts += [-(-limit // step) for limit in limits]
    return max(counts, default=None)

  def _compared(
    self, condition: Computation
  ) -> Iterator[tuple[Computation, dict[str, str]]]:
    """The computations of a condition: itself and its fusions.

    Yields:
      (computation, names in the condition by names of its parameters).
    """
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
    """The computation that a `while` repeats."""
    return self.computations[_attribute(loop, 'body')]


def _constants(computation: Computation) -> dict[str, int]:
  """Values of integer constants by name."""
  return {
    x.name: int(x.text)
    for x in computation.instructions.values()
    if x.op == 'constant'
    and x.shape[0].dtype in ('s32', 'u32')
    and re.fullmatch(r'-?\d+', x.text)
  }


def _step(body: Computation, counter: Instruction) -> int:
  """The amount that a loop adds to its counter per iteration, 1 if unclear."""
  if counter.op != 'get-tuple-element' or body.root.op != 'tuple':
    return 1
  place = int(re.search(r'index=(\d+)', counter.text)[1])
  # Follows the counter's next value back through additions of constants.
  constants, step = _constants(body), 0
  x = body.instructions[body.root.operands[place]]
  while x.op in ('add', 'copy'):
    step += sum(constants.get(name, 0) for name in x.operands)
    x = body.instructions[next(n for n in x.operands if n not in constants)]
  return step or 1


def _instruction(match: re.Match, line: str) -> Instruction:
  """Parses one line, `[ROOT] %name = shape op(operands), attributes`."""
  rest = line[match.end() :]
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
    name=match[2],
    op=op,
    shape=_arrays(shape),
    operands=tuple(re.findall(r'%([\w.\-]+)', inside)),
    called=tuple(called),
    text=kept,
    root=bool(match[1]),
  )


def _arrays(shape: str) -> tuple[Array, ...]:
  # '<=n' is a bounded dynamic size. S(1) in a layout is the core's own memory.
  return tuple(
    Array(
      dtype,
      tuple(int(x.lstrip('<=')) for x in dims.split(',') if x),
      'S(1)' in layout,
    )
    for dtype, dims, layout in _SHAPE.findall(shape)
  )


def _close(text: str, start: int) -> int:
  """Index of the parenthesis that closes the one at `start`."""
  depth = 0
  for match in re.finditer(r'[()]', text[start:]):
    depth += 1 if match[0] == '(' else -1
    if not depth:
      return start + match.start()
  raise ValueError(f'{text[:80]!r} has a parenthesis that never closes.')


def _attribute(instruction: Instruction, name: str) -> str:
  return re.search(rf'{name}=%([\w.\-]+)', instruction.text)[1]
