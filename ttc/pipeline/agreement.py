"""Whether all processes of a run were given the same work."""

from typing import Any

from ttc.pipeline import fingerprint
from ttc.runtime.coordinator import JoinError
from ttc.runtime.process_group import Processes


def check(processes: Processes, what: str, table: dict[str, Any]) -> None:
  """Compares a table between processes; each of them calls this.

  Args:
    processes: of the run.
    what: the table holds, for example 'bindings'.
    table: names and values, plain JSON.

  Raises:
    JoinError: hosts disagree; names the process and the entries.
  """
  # The whole table travels only where its digest differs.
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
