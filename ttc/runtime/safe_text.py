r"""Untrusted text made harmless for a terminal or a page.

The text of models, questions and command lines may hold control characters
that recolour, overwrite or reorder what a reader sees, and lone surrogates,
which no UTF-8 file can hold.
"""

import html
import re

# C0 controls except tab and newline, DEL and the C1 controls (ESC and CSI
# command terminals); line and paragraph separators; the marks, embeddings,
# overrides and isolates of bidirectional text; and surrogates, all of which are
# lone in a str.
_CHARACTERS = (
  r'\x00-\x08\x0b-\x1f\x7f-\x9f'
  r'\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff'
)
_UNSAFE = re.compile(f'[{_CHARACTERS}]')
_UNSAFE_OR_BREAK = re.compile(rf'[{_CHARACTERS}\t\n]')
_NAMES = {'\t': r'\t', '\n': r'\n', '\r': r'\r'}


def printable(
  text: str, limit: int | None = None, *, one_line: bool = False
) -> str:
  r"""Replaces characters that must not reach a terminal or a page.

  Args:
    text: any text.
    limit: largest number of characters of the result, at least 1; the last is
      an ellipsis where text was cut. None for no limit.
    one_line: whether tabs and newlines are replaced too.

  Returns:
    The text with escapes such as \x1b, \u202e or \ud800 for such characters.
    It can be encoded as UTF-8. Backslashes stay as they are, because answers
    are full of them, so the original cannot be recovered.
  """
  unsafe = _UNSAFE_OR_BREAK if one_line else _UNSAFE
  # Escapes are never shorter than what they replace, so no more than `limit`
  # characters are needed, and one to see that there are more.
  kept = text if limit is None else text[: limit + 1]
  shown = unsafe.sub(_escape, kept)
  if limit is not None and len(shown) > limit:
    shown = shown[: limit - 1] + '…'
  return shown


def quoted(value: object, limit: int = 100) -> str:
  """A value from a file, on one line of at most so many characters."""
  return printable(repr(value), limit, one_line=True)


def message(error: Exception) -> str:
  """The text of an error, without the number of one whose message is ours."""
  own = isinstance(error, OSError) and not error.filename and error.strerror
  return own or str(error)


def as_html(text: str) -> str:
  """Text as HTML: without markup, and `printable`."""
  return html.escape(printable(text))


def _escape(match: re.Match[str]) -> str:
  character = match[0]
  code = ord(character)
  return _NAMES.get(
    character, f'\\x{code:02x}' if code < 256 else f'\\u{code:04x}'
  )
