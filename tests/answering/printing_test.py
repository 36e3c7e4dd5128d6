"""Replies in words and as JSON, whatever a model wrote."""

import json
import random
import re

import pytest

from ttc.answering import printing
from ttc.answering.replies import BELIEF, Reply

_COMMANDS = re.compile(
  '[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]'
)
_HOSTILE = '\x1b]0;owned\x07 \x9b2J \r over \x7f \u202egnp.exe \u2066 \ud800 é'


def _reply(text, answer=None, **changes):
  attempts = (
    {'answer': answer, 'text': text, 'truncated': True, 'values': [0.25, 0.5]},
    {'answer': answer, 'text': text, 'truncated': False, 'values': [0.75]},
  )
  given = dict(
    question=text,
    answer=answer,
    text=text,
    confidence=0.625,
    measure=BELIEF,
    score=0.75,
    stop='accepted',
    generations=2,
    tokens=99.5,
    flops=1.5e9,
    chosen=1,
    attempts=attempts,
  )
  return Reply(**given | changes)


def test_in_words():
  shown = printing.text(_reply('one\ntwo', '4\n5'), show=True).splitlines()
  assert shown == [
    'question    one',
    '            two',
    'answer      4',
    '            5',
    'confidence  0.62, calibrated belief; the verifier gives it 0.75',
    'stopped     accepted',
    'cost        2 generations, 100 tokens executed, 1.50e+09 FLOPs',
    '',
    'attempt 1 of 2, cut short, steps 0.25 0.50',
    '  one',
    '  two',
    '',
    'attempt 2 of 2, chosen, steps 0.75',
    '  one',
    '  two',
  ]
  none = printing.text(_reply('?', score=None), show=False)
  assert 'answer      none could be read\n' in none
  assert 'verifier' not in none
  assert 'attempt' not in none


@pytest.mark.parametrize('show', [False, True])
def test_nothing_commands_the_terminal(show):
  draw = random.Random(0)
  texts = [_HOSTILE, *(chr(code) for code in range(256))]
  texts += [''.join(draw.choices(_HOSTILE, k=20)) for _ in range(20)]
  for text in texts:
    reply = _reply(text, text)
    words, line = printing.text(reply, show), printing.as_json(reply, show)
    assert not _COMMANDS.search(words)
    words.encode()
    assert line.isascii()
    assert not _COMMANDS.search(line)
    assert '\n' not in line
    facts = json.loads(line)
    assert (facts['answer'], facts['text']) == (text, text)
    if show:
      assert [a['text'] for a in facts['attempts']] == [text] * 2
      assert facts['attempts'][0]['values'] == [0.25, 0.5]
    else:
      assert 'attempts' not in facts
