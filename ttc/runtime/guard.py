"""The guard of a run: which callers belong to it, by nonce or by address."""

from collections.abc import Sequence
import hmac
import ipaddress
import socket
import threading

NONCE = 'TTC_JOIN_NONCE'  # environment variable with the run's secret
_LOOKUP_S = 2.0  # between lookups of host names that have no address yet

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Guard:
  """Decides which callers belong to the run.

  With a nonce, those that know it. Without one, those that call from this
  machine or from a known host of the run. A private address or one of the same
  network is not enough: others may use it.

  Attributes:
    looking: whether some known host has no address yet. The name of a pod of
      Kubernetes resolves only once it runs, which may be later than this.
  """

  def __init__(self, nonce: str = '', hosts: Sequence[str] = ()):
    """Starts to look up the hosts, in a background thread.

    Args:
      nonce: the run's secret; '' if there is none.
      hosts: names or addresses of the run's hosts as far as they are known;
        used only without a nonce.
    """
    self._nonce = nonce
    self._addresses: set[Address] = set()
    self._closed = threading.Event()
    self.looking = bool(hosts) and not nonce
    if self.looking:
      threading.Thread(
        target=self._look_up, args=(list(hosts),), daemon=True
      ).start()

  def allows(self, peer: Address, own: Address) -> bool:
    """Whether a connection may send its hello.

    Args:
      peer: address of the caller.
      own: address of this machine that it called.
    """
    return (
      bool(self._nonce)
      or peer.is_loopback
      # Only this machine itself calls from the address that it calls.
      or peer == own
      or peer in self._addresses
    )

  def recognizes(self, nonce: str) -> bool:
    """Whether a hello has the nonce of the run, where it has one."""
    # compare_digest takes text in ASCII only, and a peer may send any.
    mine, other = (
      text.encode('utf-8', 'surrogatepass') for text in (self._nonce, nonce)
    )
    return not self._nonce or hmac.compare_digest(mine, other)

  def close(self) -> None:
    """Ends the lookups."""
    self._closed.set()

  def _look_up(self, hosts: list[str]) -> None:
    while hosts and not self._closed.is_set():
      hosts = [host for host in hosts if not self._resolve(host)]
      if hosts:
        self._closed.wait(_LOOKUP_S)
    self.looking = False

  def _resolve(self, host: str) -> bool:
    """Adds the addresses of a host; False if it has none yet."""
    try:
      found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
      return False
    self._addresses |= {address(place[0]) for *_, place in found}
    return True


def address(text: str) -> Address:
  """The address of a socket; IPv4 also where an IPv6 socket maps it.

  Args:
    text: such as '10.0.0.2', '::ffff:10.0.0.2' or 'fe80::1%eth0'.
  """
  parsed = ipaddress.ip_address(text.partition('%')[0])
  return getattr(parsed, 'ipv4_mapped', None) or parsed
