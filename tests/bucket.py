"""A Google Cloud Storage of the tests' own, spoken to over HTTP.

It knows what gcsfs and TensorStore ask for: objects that are read, listed,
uploaded in one or several pieces, copied and deleted, whole or not at all.
It keeps them in memory and counts what it was asked.
"""

from collections import Counter
import contextlib
import email
import http.server
import itertools
import json
import re
import threading
from urllib import parse

_OBJECT = re.compile(r'/(?:download/)?storage/v1/b/([^/]+)/o/([^/]+)')
_BUCKET = re.compile(r'/storage/v1/b/([^/]+)/o')
_COPY = re.compile(
  r'/storage/v1/b/([^/]+)/o/([^/]+)/(?:rewriteTo|copyTo)/b/([^/]+)/o/([^/]+)'
)
_UPLOAD = re.compile(r'/upload/storage/v1/b/([^/]+)/o')


class Bucket:
  """What the server holds.

  Attributes:
    objects: (generation, content) by 'bucket/name'.
    read: how often the content was asked for, by 'bucket/name'.
    full: whether uploads are refused.
    refusal: the HTTP status by which everything that is asked is refused.
  """

  def __init__(self):
    self.objects, self.read, self.full = {}, Counter(), False
    self.refusal = None
    self._generations = itertools.count(1)
    self._uploads, self._lock = {}, threading.Lock()

  def names(self, prefix: str = '') -> list[str]:
    return sorted(n for n in self.objects if n.startswith(prefix))

  def put(self, name: str, data: bytes, generation: str | None = None) -> bool:
    """Whether the object was replaced; not if it has another generation."""
    with self._lock:
      have = self.objects.get(name, (0, b''))[0]
      if generation not in (None, str(have)):
        return False
      self.objects[name] = next(self._generations), data
      return True

  def described(self, name: str) -> dict:
    generation, data = self.objects[name]
    bucket, _, key = name.partition('/')
    return {
      'kind': 'storage#object',
      'bucket': bucket,
      'name': key,
      'size': str(len(data)),
      'generation': str(generation),
      'metageneration': '1',
      'updated': '2030-01-01T00:00:00.000Z',
      'timeCreated': '2030-01-01T00:00:00.000Z',
      'contentType': 'application/octet-stream',
    }

  def listed(self, bucket: str, query: dict[str, str]) -> dict:
    prefix, delimiter = query.get('prefix', ''), query.get('delimiter', '')
    items, prefixes = [], {}
    for name in self.names(f'{bucket}/{prefix}'):
      key = name.partition('/')[2]
      if not (
        query.get('startOffset', '')
        <= key
        < query.get('endOffset', '\U0010ffff')
      ):
        continue
      head, found, _ = key[len(prefix) :].partition(delimiter or '\0')
      if found:
        prefixes[prefix + head + delimiter] = None
      else:
        items.append(self.described(name))
    return {
      'kind': 'storage#objects',
      'items': items,
      'prefixes': list(prefixes),
    }

  def begin(self, name: str) -> int:
    """A resumable upload; the object is not there before its last piece."""
    with self._lock:
      self._uploads[len(self._uploads)] = [name, b'']
      return len(self._uploads) - 1

  def add(self, upload: int, data: bytes, last: bool) -> str | None:
    """The name of the object, once it is there."""
    self._uploads[upload][1] += data
    if not last:
      return None
    name, whole = self._uploads[upload]
    self.put(name, whole)
    return name


class _Handler(http.server.BaseHTTPRequestHandler):
  protocol_version = 'HTTP/1.1'
  bucket: Bucket

  def log_message(self, *_):
    """Says nothing."""

  def handle_one_request(self):
    with contextlib.suppress(ConnectionError):
      super().handle_one_request()

  def do_GET(self):
    path, query = self._asked()
    if status := self.bucket.refusal:
      self._json({'error': {'code': status, 'message': 'Not you'}}, status)
    elif found := _OBJECT.fullmatch(path):
      self._object(_name(*found.groups()), query)
    elif found := _BUCKET.fullmatch(path):
      self._json(self.bucket.listed(found[1], query))
    elif re.fullmatch(r'/storage/v1/b/[^/]+', path):
      self._json({'kind': 'storage#bucket', 'name': path.rsplit('/', 1)[1]})
    else:
      self._json({}, 404)

  def do_POST(self):
    path, query = self._asked()
    data = self.rfile.read(int(self.headers.get('Content-Length') or 0))
    if found := _COPY.fullmatch(path):
      self.bucket.put(
        _name(found[3], found[4]),
        self.bucket.objects[_name(found[1], found[2])][1],
      )
      self._json(
        {
          'done': True,
          'resource': self.bucket.described(_name(found[3], found[4])),
        }
      )
    elif path.startswith('/resumable/'):
      self._piece(int(path.rsplit('/', 1)[1]), data)
    elif path == '/batch/storage/v1':
      self._batch(data)
    elif found := _UPLOAD.fullmatch(path):
      self._upload(found[1], query, data)
    else:
      self._json({}, 404)

  def do_DELETE(self):
    path, _ = self._asked()
    name = _name(*_OBJECT.fullmatch(path).groups())
    gone = self.bucket.objects.pop(name, None)
    self._send(204 if gone else 404, b'', {})

  def _asked(self):
    split = parse.urlsplit(self.path)
    return split.path, dict(parse.parse_qsl(split.query))

  def _object(self, name, query):
    if name not in self.bucket.objects:
      self._json({'error': {'code': 404, 'message': 'No such object'}}, 404)
      return
    if query.get('alt') != 'media':
      self._json(self.bucket.described(name))
      return
    self.bucket.read[name] += 1
    generation, data = self.bucket.objects[name]
    headers = {'X-Goog-Generation': str(generation)}
    span = re.fullmatch(r'bytes=(\d+)-(\d*)', self.headers.get('Range', ''))
    if not span:
      self._send(200, data, headers)
    elif int(span[1]) >= len(data):
      self._send(416, b'', headers)
    else:
      end = min(int(span[2] or len(data) - 1), len(data) - 1)
      headers['Content-Range'] = f'bytes {span[1]}-{end}/{len(data)}'
      self._send(206, data[int(span[1]) : end + 1], headers)

  def _upload(self, bucket, query, data):
    if self.bucket.full:
      self._json({'error': {'code': 403, 'message': 'No room is left'}}, 403)
    elif query['uploadType'] == 'resumable':
      name = query.get('name') or json.loads(data)['name']
      upload = self.bucket.begin(f'{bucket}/{name}')
      host = self.headers['Host']
      self._send(200, b'', {'Location': f'http://{host}/resumable/{upload}'})
    else:
      name = query.get('name')
      if query['uploadType'] == 'multipart':
        described, content = _parts(self.headers['Content-Type'], data)
        name, data = json.loads(described)['name'], content
      wanted = query.get('ifGenerationMatch')
      if not self.bucket.put(f'{bucket}/{name}', data, wanted):
        self._json({'error': {'code': 412, 'message': 'Another one'}}, 412)
        return
      self._json(self.bucket.described(f'{bucket}/{name}'))

  def _piece(self, upload, data):
    span, _, size = self.headers['Content-Range'].split()[-1].partition('/')
    name = self.bucket.add(upload, data, last=size != '*')
    if name:
      self._json(self.bucket.described(name))
    else:
      self._send(308, b'', {'Range': f'bytes=0-{span.partition("-")[2]}'})

  def _batch(self, data):
    answers = []
    for number, part in enumerate(_parts(self.headers['Content-Type'], data)):
      _, path, *_ = part.decode().split()
      found = _OBJECT.fullmatch(parse.urlsplit(path).path)
      gone = self.bucket.objects.pop(_name(*found.groups()), None)
      answers.append(
        '--b\r\nContent-Type: application/http\r\n'
        f'Content-ID: <response-{number}>\r\n\r\n'
        f'HTTP/1.1 {"204 No Content" if gone else "404 Not Found"}\r\n\r\n'
      )
    self._send(
      200,
      ''.join([*answers, '--b--']).encode(),
      {'Content-Type': 'multipart/mixed; boundary=b'},
    )

  def _json(self, value, status=200):
    self._send(
      status, json.dumps(value).encode(), {'Content-Type': 'application/json'}
    )

  def _send(self, status, data, headers):
    self.send_response(status)
    for key, value in headers.items():
      self.send_header(key, value)
    self.send_header('Content-Length', str(len(data)))
    self.end_headers()
    self.wfile.write(data)


def _name(bucket: str, key: str) -> str:
  return f'{bucket}/{parse.unquote(key)}'


def _parts(content_type: str, data: bytes) -> list[bytes]:
  """The bodies of a multipart message."""
  head = f'Content-Type: {content_type}\r\n\r\n'.encode()
  message = email.message_from_bytes(head + data)
  return [part.get_payload(decode=True) for part in message.get_payload()]


@contextlib.contextmanager
def serving():
  """Yields (bucket, environment that leads gcsfs and TensorStore to it)."""
  bucket = Bucket()
  handler = type('Handler', (_Handler,), {'bucket': bucket})
  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
  server.daemon_threads = True
  threading.Thread(target=server.serve_forever, daemon=True).start()
  host = f'http://127.0.0.1:{server.server_port}'
  try:
    yield (
      bucket,
      {
        'STORAGE_EMULATOR_HOST': host,
        'TENSORSTORE_GCS_HTTP_URL': host,
        'GOOGLE_AUTH_TOKEN_FOR_TESTING': 'none',
        'GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT': 'false',  # asks another service
      },
    )
  finally:
    server.shutdown()
    server.server_close()
