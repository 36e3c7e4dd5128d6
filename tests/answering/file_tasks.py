"""A task whose files of questions are gone, as where only its models are."""

from tests.data import toys
from ttc.data.jsonl import Rows
from ttc.data.questions import Questions
from ttc.data.templates import Template
from ttc.data.tokenizer import Tokenizer


def task_of_files(tmp_path, **changes):
  given = dict(
    vocabulary=Tokenizer(str(toys.qwen(tmp_path / 'qwen')), '<|quad_end|>'),
    template=Template(),
    finetune=Rows(str(tmp_path / 'gone.jsonl')),
    test=Rows(str(tmp_path / 'gone.jsonl')),
    workers=0,
  )
  return Questions(**given | changes)
