"""What model text may not do to a reader's terminal or page."""

import unicodedata

import pytest

from ttc.runtime.safe_text import printable

_WORDS = 'Ünï, 数, \N{GRINNING FACE} and \\frac{1}{2}'


@pytest.mark.parametrize(
  ('text', 'shown'),
  [
    (_WORDS, _WORDS),
    ('a\tb\nc', 'a\tb\nc'),
    ('\x1b[31mred', r'\x1b[31mred'),
    ('end\x00', r'end\x00'),
    ('over\rwritten', r'over\rwritten'),
    ('\x7f\x9b2J', r'\x7f\x9b2J'),
    ('\u202egnp.exe\u2069', r'\u202egnp.exe\u2069'),
    ('\ud800 and \udcff', r'\ud800 and \udcff'),
  ],
)
def test_what_is_shown(text, shown):
  assert printable(text) == shown
  assert printable(shown) == shown


def test_no_unsafe_character_is_left():
  every = ''.join(map(chr, range(0x110000)))
  for one_line in (False, True):
    shown = printable(every, one_line=one_line)
    shown.encode('utf-8')
    left = {c for c in shown if unicodedata.category(c) in ('Cc', 'Zl', 'Zp')}
    assert left == (set() if one_line else {'\t', '\n'})
    bidi = {'LRE', 'RLE', 'LRO', 'RLO', 'PDF', 'LRI', 'RLI', 'FSI', 'PDI'}
    assert not bidi & {unicodedata.bidirectional(c) for c in shown}


def test_one_line_and_a_limit():
  assert printable('a\tb\nc', one_line=True) == r'a\tb\nc'
  assert printable('words', 5) == 'words'
  assert printable('words', 4) == 'wor…'
  assert printable('\x1b' * 9, 6) == r'\x1b\…'
  assert len(printable('\u202e' * 10**6, 100)) == 100
