"""Which names of hosts mean this machine alone."""

import ipaddress


def is_loopback(name: str) -> bool:
  """Whether a name can be reached from this machine alone."""
  try:
    return ipaddress.ip_address(name.strip('[]')).is_loopback
  except ValueError:
    return name.lower() == 'localhost'


def without_port(authority: str) -> str:
  """The host of a `Host` header, such as [::1] of [::1]:8000."""
  name, colon, port = authority.rpartition(':')
  return name if colon and port.isdigit() else authority
