"""Cuts LaTeX where no bracket is open."""

from collections.abc import Collection
import re

TOKEN = re.compile(
  r'\\(?:begin|end)\s*\{[a-z]+\*?\}|\\[A-Za-z]+|\\.|<=|>=|!=|==|.', re.DOTALL
)
OPEN = frozenset(('(', '[', '{', r'\{', r'\langle', r'\lfloor', r'\lceil'))
_CLOSE = frozenset((')', ']', '}', r'\}', r'\rangle', r'\rfloor', r'\rceil'))


def encloses(tokens: list[str]) -> bool:
  """Whether the first bracket closes at the end and no earlier."""
  level = 0
  for index, token in enumerate(tokens):
    level += _step(token)
    if level == 0:
      return index == len(tokens) - 1
  return False


def _step(token: str) -> int:
  if token in OPEN or token.startswith(r'\begin'):
    return 1
  return -1 if token in _CLOSE or token.startswith(r'\end') else 0


def split_keeping(
  text: str, separators: Collection[str]
) -> tuple[list[str], list[str]]:
  """The parts between separators outside all brackets, and the separators."""
  parts, found, level = [''], [], 0
  for token in TOKEN.findall(text):
    level += _step(token)
    if level == 0 and token in separators:
      parts.append('')
      found.append(token)
    else:
      parts[-1] += token
  return parts, found


def split(text: str, separators: Collection[str]) -> list[str]:
  """The parts between separators outside all brackets."""
  if not any(separator in text for separator in separators):
    return [text]
  return split_keeping(text, separators)[0]
