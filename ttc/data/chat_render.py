"""Renders a chat template, in a process of its own and under limits.

    python -m ttc.data.chat_render '{"seconds": 1, "megabytes": 512, ...}'

A chat template is a program that comes with a checkpoint. jinja's sandbox keeps
it from calling what it should not; the limits keep it from taking all time and
memory. The first line of input is {"template", "variables", "date"}; each
further one is a list of messages. Output lines are {"text"} or {"error"}, the
first {"ready": true}. A process that reached a limit of time is gone.

The environment is that of transformers (`apply_chat_template`), but for the
date, which is given: a prompt must not depend on the day.
"""

import datetime
import json
import re
import resource
import signal
import sys
from typing import Any

_GENERATION = re.compile(r'(\{%[-+]?\s*+)(end)?generation(\s*+[-+]?%\})')


def main(limits: dict[str, float]) -> int:
  """Answers standard input line by line; returns the exit code."""
  try:
    import jinja2  # noqa: F401 (its own limits follow)
  except ImportError as error:
    _reply({'error': f'it needs jinja2 ({error}); run pip install jinja2'})
    return 1
  size = int(limits['megabytes']) << 20
  resource.setrlimit(resource.RLIMIT_AS, (size, size))
  for name in ('RLIMIT_CORE', 'RLIMIT_FSIZE', 'RLIMIT_NPROC'):
    resource.setrlimit(getattr(resource, name), (0, 0))
  template = None
  for line in sys.stdin:
    signal.setitimer(signal.ITIMER_PROF, limits['seconds'])
    try:
      asked = json.loads(line)
      if template is None:
        template, variables = _compiled(**asked), asked['variables']
        reply = {'ready': True}
      else:
        text = template.render(
          messages=asked,
          tools=None,
          documents=None,
          add_generation_prompt=True,
          **variables,
        )
        reply = {'text': text}
        if len(text) > limits['characters']:
          reply = {'error': f'it makes a text of {len(text)} characters'}
    except MemoryError:
      reply = {'error': f'it takes more than {limits["megabytes"]} MB'}
    except RecursionError:
      reply = {'error': 'it calls itself without an end'}
    except Exception as error:  # whatever a program may raise
      reply = {'error': f'{type(error).__name__}: {error}'[:500]}
    signal.setitimer(signal.ITIMER_PROF, 0)
    _reply(reply)
    if template is None:
      return 1
  return 0


def _compiled(template: str, variables: dict, date: str):
  """The template of jinja in the environment of transformers."""
  import jinja2
  from jinja2 import sandbox

  del variables
  environment = sandbox.ImmutableSandboxedEnvironment(
    trim_blocks=True,
    lstrip_blocks=True,
    extensions=['jinja2.ext.loopcontrols'],
  )
  today = datetime.datetime.fromisoformat(date)

  def raise_exception(message: str):
    raise jinja2.TemplateError(message)

  environment.filters['tojson'] = _json
  environment.globals['raise_exception'] = raise_exception
  environment.globals['strftime_now'] = today.strftime
  # There it marks what a model is trained on; here it is its body.
  return environment.from_string(
    _GENERATION.sub(lambda m: f'{m[1]}{m[2] or ""}with{m[3]}', template)
  )


def _json(
  value: Any,
  ensure_ascii: bool = False,
  indent: int | None = None,
  separators: tuple[str, str] | None = None,
  sort_keys: bool = False,
) -> str:
  # jinja's own filter escapes what HTML has a meaning for.
  return json.dumps(
    value,
    ensure_ascii=ensure_ascii,
    indent=indent,
    separators=separators,
    sort_keys=sort_keys,
  )


def _reply(reply: dict) -> None:
  sys.stdout.write(f'{json.dumps(reply)}\n')
  sys.stdout.flush()


if __name__ == '__main__':
  sys.exit(main(json.loads(sys.argv[1])))
