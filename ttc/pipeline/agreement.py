"""A check that all processes of a run have the same configuration."""

from typing import Any

from ttc.pipeline import fingerprint
from ttc.runtime.coordinator import JoinError
from ttc.runtime.process_group import Processes


def check(processes: Processes, what: str, table: dict[str, Any]) -> None:
  """Compares a table across processes. A collective: every process calls it.

  Args:
    processes: the processes of the run.
    what: name of the table, for example 'bindings'; the same everywhere.
    table: names and values, plain JSON.

  Raises:
    JoinError: the tables differ; the message names the process and the
      entries.
  """
  # Usually the tables agree and a digest is all that is sent. Every process
  # receives the same list of digests, so either all of them return here or
  # all of them enter the second exchange; otherwise it would never complete.
  digests = processes.meet(what, fingerprint.digest(table))
  if len(set(digests)) == 1:
    return
  tables = processes.meet(f'{what} that differ', table)
  for index, other in enumerate(tables):
    lines = fingerprint.differences(
      tables[0], other, ('in process 0', f'in process {index}')
    )
    if lines:
      raise JoinError(
        f'{processes.name(index)} differs from {processes.name(0)}:\n  '
        + '\n  '.join(lines)
        + '\nGive all processes the same files, bindings and machines.'
      )
