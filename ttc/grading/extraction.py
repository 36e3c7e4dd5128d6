r"""Extracts the final answer from a model's response.

Looked for in this order: the last \boxed{}; what the last <answer> holds, which
comes first where no box follows it; the text after the last `####` or under the
last heading `# Answer`; what follows the last "answer is", "answer:" or a line
that starts with "A:"; the last number. Of a text that thinks first, only what
follows the last `</think>` is read, unless nothing does. Tokens that end a
turn, which some engines leave there, are no part of a text.

Responses may have any length. Each pattern and loop here takes time linear in
it (tests/grading/growth_test.py), about a second for ten megabytes.
"""

import collections
import dataclasses
import re

_BOX = re.compile(r'\\(?:boxed|fbox)(?![A-Za-z])\s*+')
_BARE = re.compile(r'\\[A-Za-z]++(?:\d|\{[^{}]{0,60}\}){0,2}|[^\s$\\{}.,;]++')
_BRACE = re.compile(r'\\.|[{}]', re.DOTALL)
_MARK = re.compile(
  r'####[ \t]*+|(?:^|\n)#++[ \t]*+(?i:answer)[ \t]*+:?+[ \t]*+\n++'
)
_PHRASE = re.compile(
  r'\banswer\b[*_\s]*+(?:\b(?:is|are|was|equals|would be|will be|must be)\b'
  r'(?:\s++(?:therefore|thus|then|simply|given by)\b)?[ \t]*+:?+|:|=)[*_\s]*+'
  r'|(?:^|\n)[ \t]*+[*_]*+a(?:ns(?:wer)?)?[*_]*+[:=][*_]*+[ \t]*+',
  re.IGNORECASE,
)
_NUMBER = re.compile(
  r'(?<![\w.])[-−]?\$?'
  r'(?:\\[dt]?frac\{-?\d{1,30}\}\{\d{1,30}\}'
  r'|(?:\d{1,3}(?:,\d{3}){1,10}(?![\d,])|\d{1,60}(?!\d))(?:\.\d{1,60}(?!\d))?'
  r'(?:/\d{1,30}(?![\d.])|[eE][-+−]?\d{1,4}(?!\w))?|\.\d{1,60}(?!\d))(?:\\?%)?+'
)
_DELIMITER = re.compile(r'\$\$?|\\[()\[\]]')
_CLOSING = {'$': '$', '$$': '$', r'\(': r'\)', r'\[': r'\]'}
_SENTENCE_END = re.compile(r'[.!?](?=\s|$|["”])|;\s')
_WORD = re.compile(r'(?<![\\A-Za-z])[A-Za-z]{3,}')
_HOPE = re.compile(r'I hope (?:it|this) is correct\.?\s*+$', re.IGNORECASE)
_THOUGHT = '</think>'
_TAG = '<answer>', '</answer>'
_TURN_END = re.compile(
  r'<(?:[|｜][^<>|｜\s]{1,40}[|｜]|/s|eos|pad|end_of_turn|turn\|)>'
)
_TAIL = 20_000  # characters at the end in which a last number is looked for
_FEW = 4  # words of an answer that is not within a sentence
_MAX_SAID = 2000  # characters after "the answer is" that are read


@dataclasses.dataclass(frozen=True)
class Extraction:
  r"""What a text answers.

  Attributes:
    answer: the answer's text, or None where there is none.
    how: 'boxed', 'marked', 'said' or 'number'; '' where there is none.
    cut: whether the text ends inside a \boxed{ that never closes, which is
      what the token limit leaves behind.
  """

  answer: str | None
  how: str = ''
  cut: bool = False


def extract(text: str) -> Extraction:
  """The answer of a whole response."""
  text = said_aloud(text)
  strong = _strong(text)
  if strong is not None:
    return strong
  said = _after_last(_PHRASE, text)
  if said is not None:
    answer = _said(said)
    if answer:
      return Extraction(answer, 'said')
  number = _last_number(text[-_TAIL:])
  return Extraction(number, 'number' if number else '')


def unwrap(text: str) -> Extraction:
  """The answer in a text that is one, boxed or marked perhaps."""
  text = said_aloud(text)
  strong = _strong(text)
  if strong is not None:
    return strong
  stripped = text.strip()
  return Extraction(stripped or None, 'bare' if stripped else '')


def said_aloud(text: str) -> str:
  """What follows the thinking in a text, up to the end of the turn."""
  text = text[: _turn_end(text)]
  if _THOUGHT not in text:
    return text
  rest = text.rpartition(_THOUGHT)[2]
  return rest if rest.strip() else text


def _turn_end(text: str) -> int:
  """Where a text ends, without the tokens that end a turn."""
  end = len(text)
  while text.find('>', max(end - 50, 0), end) >= 0:
    while end and text[end - 1].isspace():
      end -= 1
    start = text.rfind('<', max(end - 50, 0), end)
    if start < 0 or not _TURN_END.fullmatch(text, start, end):
      break
    end = start
  return end


def _strong(text: str) -> Extraction | None:
  r"""What the last tag holds, or else the last box, or what is at a mark."""
  tag = text.rfind(_TAG[0])
  if tag >= 0 and 'box' not in text[tag:]:
    tagged = _tagged(text[tag + len(_TAG[0]) :].partition(_TAG[1])[0])
    if tagged:
      return Extraction(tagged, 'marked')
  box = _last_box(text) if 'box' in text else None
  if box is not None:
    return box
  marked = _after_last(_MARK, text) if '#' in text else None
  if marked is None:
    return None
  line = marked.strip().split('\n', 1)[0].strip()
  # #### The answer is 12; but not #### A: a dog
  said = _after_last(_PHRASE, line) if 'answer' in line.lower() else None
  return Extraction((said and _said(said)) or line or None, 'marked')


def _tagged(text: str) -> str | None:
  """The answer in a tag, which may say more in words."""
  text = text.strip()[:_MAX_SAID]
  said = _after_last(_PHRASE, text)
  if said is None and len(_WORD.findall(text)) <= _FEW:
    return text.strip('*_ ') or None
  return _said(text if said is None else said)


def _last_box(text: str) -> Extraction | None:
  """What the last box holds.

  One that never closes is cut, and no earlier one stands for it: the text was
  about to say something else.
  """
  for start in reversed([match.end() for match in _BOX.finditer(text)]):
    if text[start : start + 1] == '{':
      end = _closing(text, start)
      if end is None:
        return Extraction(None, cut=True)
      return Extraction(text[start + 1 : end].strip() or None, 'boxed')
    if start == len(text):
      return Extraction(None, cut=True)
    bare = _BARE.match(text, start)
    if bare:
      return Extraction(bare.group(), 'boxed')
  return None


def _closing(text: str, start: int) -> int | None:
  """Where the brace that opens at `start` closes; escaped ones are text."""
  depth = 0
  for match in _BRACE.finditer(text, start):
    if match.group() == '{':
      depth += 1
    elif match.group() == '}':
      depth -= 1
      if not depth:
        return match.start()
  return None


def _after_last(pattern: re.Pattern, text: str) -> str | None:
  last = _last(pattern, text)
  return None if last is None else text[last.end() :]


def _last(pattern: re.Pattern, text: str) -> re.Match | None:
  matches = collections.deque(pattern.finditer(text), maxlen=1)
  return matches[0] if matches else None


def _said(text: str) -> str | None:
  """The answer that a sentence goes on with after "the answer is"."""
  text = _HOPE.sub('', text.strip()[:_MAX_SAID]).rstrip()
  line = text.split('\n', 1)[0].strip()
  if not line or line in ('$$', r'\['):  # a formula on lines of its own
    line = ' '.join(text.split('\n\n', 1)[0].split())
  formulas = _formulas(line.lstrip('*_ '))
  if formulas and formulas[0][0] == 0:
    return formulas[0][1].strip()
  sentence = _SENTENCE_END.split(line, maxsplit=1)[0]
  formulas = _formulas(sentence)
  if formulas:
    return formulas[-1][1].strip()
  sentence = sentence.strip().strip('*_:').rstrip('.,').strip()
  if len(_WORD.findall(sentence)) <= _FEW:
    return sentence or None
  return _last_number(sentence)


def _formulas(line: str) -> list[tuple[int, str]]:
  r"""Start and contents of each $...$, \(...\) and \[...\] that closes."""
  formulas, start, opening, inside = [], 0, '', 0
  # Looked up once: to search on for each opening that never closes would take
  # quadratic time.
  last = {closing: line.rfind(closing) for closing in _CLOSING.values()}
  for match in _DELIMITER.finditer(line):
    closes = opening and match[0].startswith(_CLOSING[opening])
    if closes and match.start() > inside:
      formulas.append((start, line[inside : match.start()]))
      opening = ''
    elif not opening or (closes and opening[0] == '$'):  # $$$5$$$
      closable = last.get(_CLOSING.get(match[0]), -1) > match.end()
      opening = match[0] if closable else ''
      start, inside = match.span()
  return formulas


def _last_number(text: str) -> str | None:
  last = _last(_NUMBER, text)
  return None if last is None else last.group().replace('$', '')
