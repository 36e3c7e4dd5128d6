"""The package as a graph: which module imports which.

    python -m tests.house

prints how many imports lead from the command to the two hearts of the program.
"""

import ast
import functools
import pathlib

REPOSITORY = pathlib.Path(__file__).parents[1]
FILES = sorted((REPOSITORY / 'ttc').rglob('*.py'))
CODE = [path for path in FILES if path.name != '__init__.py']
COMMAND = 'ttc.cli.main'
HEARTS = ('ttc.training.loop', 'ttc.inference.scheduler')


def module(path: pathlib.Path) -> str:
  """The dotted name of a file."""
  parts = path.relative_to(REPOSITORY).with_suffix('').parts
  return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


MODULES = {module(path) for path in FILES}


def imports(path: pathlib.Path):
  """Every module that a file imports, wherever in it."""
  for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f'{path}: relative import'
      for alias in node.names:
        full = f'{node.module}.{alias.name}'
        yield full if full in MODULES else node.module


@functools.cache
def graph() -> dict[str, tuple[str, ...]]:
  """The modules of ttc that each module of ttc imports."""
  return {
    module(path): tuple(sorted({m for m in imports(path) if m in MODULES}))
    for path in CODE
  }


def circles() -> list[tuple[str, ...]]:
  """Chains of imports that come back to where they began."""
  found, done = [], set()

  def visit(chain: tuple[str, ...]) -> None:
    for child in graph().get(chain[-1], ()):
      if child in chain:
        found.append((*chain[chain.index(child) :], child))
      elif child not in done:
        visit((*chain, child))
    done.add(chain[-1])

  for name in graph():
    if name not in done:
      visit((name,))
  return found


@functools.cache
def longest(start: str, end: str) -> tuple[str, ...]:
  """The longest chain of imports from one module to another; () if none."""
  if start == end:
    return (end,)
  chains = [longest(child, end) for child in graph().get(start, ())]
  best = max(chains, key=len, default=())
  return (start, *best) if best else ()


if __name__ == '__main__':
  for heart in HEARTS:
    chain = longest(COMMAND, heart)
    print(f'{len(chain) - 1} imports to {heart}: {" > ".join(chain)}')
