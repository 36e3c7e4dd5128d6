"""Splits LaTeX at separators outside all brackets."""

from collections.abc import Collection
import re

TOKEN = re.compile(
  r'\\(?:begin|end)\s*+\{[a-z]++\*?\}|\\[A-Za-z]++|\\.|<=|>=|!=|==|.',
  re.DOTALL,
)
OPEN = frozenset(('(', '[', '{', r'\{', r'\langle', r'\lfloor', r'\lceil'))
_CLOSE = frozenset((')', ']', '}', r'\}', r'\rangle', r'\rfloor', r'\rceil'))


def encloses(tokens: list[str]) -> bool:
  """Whether the first bracket closes at the last token and not before."""
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
  """Splits a text, and returns its parts and the separators between them."""
  parts, signs, level, start, end = [], [], 0, 0, 0
  for token in TOKEN.findall(text):  # every character is in one token
    end += len(token)
    level += _step(token)
    if level == 0 and token in separators:
      parts.append(text[start : end - len(token)])
      signs.append(token)
      start = end
  return [*parts, text[start:]], signs


def split(text: str, separators: Collection[str]) -> list[str]:
  """The parts of a text between separators."""
  if not any(separator in text for separator in separators):
    return [text]
  return split_keeping(text, separators)[0]
