# SPDX-License-Identifier: GPL-2.0
"""The host's side of the agent protocol: frames, and the commands that run over them.

A frame is a header '<IBI' (payload length, type, channel) and the payload:

  HELLO   from the node, once it is up: kernel release NUL uptime in seconds
  EXEC    to it: mode ("pipe" or "pty"), folder, count of arguments, arguments, NAME=value...; NUL-separated
  STDIN   to it: input; empty means end of file. No more than WINDOW bytes without CREDIT
  CREDIT  from it: '<I' input bytes the command took
  STDOUT, STDERR  from it
  SIGNAL  to it: one byte, sent to the command's process group
  RESIZE  to it: '<HH' rows, columns of the terminal
  EXIT    from it: '<i' status, negative for a signal; the last frame of the channel

The same frames run between `vm` and the session's server, see session.py.
"""

import signal
import socket
import struct
import threading
import time
from dataclasses import dataclass

from .errors import NodeDied, RigTimeout

HELLO, EXEC, STDIN, STDOUT, STDERR, EXIT, SIGNAL, RESIZE, CREDIT = range(1, 10)
HEADER = struct.Struct('<IBI')
WINDOW = 1 << 18
CHUNK = 1 << 16
MAX_FRAME = 1 << 20

GUEST_ENV = {'PATH': '/run/rig/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
             'HOME': '/root', 'LANG': 'C.UTF-8', 'TERM': 'linux'}


def frame(kind, channel, payload=b''):
    return HEADER.pack(len(payload), kind, channel) + payload


class FrameReader:
    """Cuts a byte stream into frames."""

    def __init__(self):
        self.buffer = bytearray()

    def feed(self, data):
        self.buffer += data
        while len(self.buffer) >= HEADER.size:
            length, kind, channel = HEADER.unpack_from(self.buffer)
            if length > MAX_FRAME:
                raise ValueError(f'a frame of {length} bytes')
            if len(self.buffer) < HEADER.size + length:
                return
            payload = bytes(self.buffer[HEADER.size:HEADER.size + length])
            del self.buffer[:HEADER.size + length]
            yield kind, channel, payload


@dataclass
class Result:
    """How a command ended: status (128 + signal when a signal ended it) and what it wrote."""
    status: int
    out: str
    err: str

    def __str__(self):
        return self.out


class Command:
    """A command running on a node."""

    def __init__(self, link, channel, on_output):
        self.link = link
        self.channel = channel
        self.on_output = on_output
        self.done = threading.Event()
        self.status = None
        self.credit = WINDOW
        self.credit_change = threading.Condition()
        self.out = bytearray()
        self.err = bytearray()

    def deliver(self, kind, payload):
        """Called by the link's reader thread only."""
        if kind in (STDOUT, STDERR):
            if self.on_output:
                self.on_output(kind, payload)
            else:
                (self.out if kind == STDOUT else self.err).extend(payload)
        elif kind == CREDIT:
            with self.credit_change:
                self.credit += struct.unpack('<I', payload)[0]
                self.credit_change.notify()
        elif kind == EXIT:
            status = struct.unpack('<i', payload)[0]
            self.finish(status if status >= 0 else 128 - status)

    def finish(self, status):
        """status is None when the node died."""
        self.status = status
        self.done.set()
        with self.credit_change:
            self.credit_change.notify()

    def write(self, data, timeout=60):
        """Give the command input; waits while it does not read."""
        deadline = time.monotonic() + timeout
        data = memoryview(data)
        while data and not self.done.is_set():
            with self.credit_change:
                while self.credit <= 0 and not self.done.is_set():
                    if not self.credit_change.wait(max(0, deadline - time.monotonic())):
                        raise RigTimeout(f'{self.link.name}: a command does not read its input')
                count = min(len(data), self.credit, CHUNK)
                self.credit -= count
            self.link.send(STDIN, self.channel, bytes(data[:count]))
            data = data[count:]

    def close_stdin(self):
        self.link.send(STDIN, self.channel)

    def signal(self, number):
        if not self.done.is_set():
            self.link.send(SIGNAL, self.channel, bytes([number]))

    def resize(self, rows, columns):
        self.link.send(RESIZE, self.channel, struct.pack('<HH', rows, columns))

    def wait(self, timeout=None):
        """The command's Result. At the time limit the command is killed and RigTimeout raised."""
        if not self.done.wait(timeout):
            self.signal(signal.SIGKILL)
            self.done.wait(5)
            raise RigTimeout(f'{self.link.name}: a command did not end within {timeout:g} s')
        if self.status is None:
            raise NodeDied(f'{self.link.name}: the node died while a command ran')
        return Result(self.status, self.out.decode(errors='replace'), self.err.decode(errors='replace'))


class Link:
    """The connection to one node's agent. Safe to use from any thread."""

    def __init__(self, name, path):
        self.name = name
        self.hello = threading.Event()
        self.release = ''
        self.guest_uptime = 0.0
        self.closed = False
        self.commands = {}
        self.lock = threading.Lock()
        self.send_lock = threading.Lock()
        self.next_channel = 1
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.sock = None
        threading.Thread(target=self.receive, name=f'link-{name}', daemon=True).start()

    def receive(self):
        try:
            self.sock = self.listener.accept()[0]
            self.listener.close()
            reader = FrameReader()
            while data := self.sock.recv(1 << 18):
                for item in reader.feed(data):
                    self.dispatch(*item)
        except (OSError, ValueError):
            pass
        self.close()

    def dispatch(self, kind, channel, payload):
        if kind == HELLO:
            release, uptime = payload.split(b'\0')
            self.release, self.guest_uptime = release.decode(), float(uptime)
            self.hello.set()
            return
        with self.lock:
            command = self.commands.get(channel)
            if kind == EXIT:
                self.commands.pop(channel, None)
        if command:
            command.deliver(kind, payload)

    def send(self, kind, channel, payload=b''):
        try:
            with self.send_lock:
                self.sock.sendall(frame(kind, channel, payload))
        except (OSError, AttributeError):
            raise NodeDied(f'{self.name}: the node is not running') from None

    def start(self, argv, env=None, cwd='/', terminal=False, on_output=None, make=Command):
        """Start a command. on_output(kind, bytes), if given, gets its output as it comes.

        make(link, channel, on_output) makes what gets the command's frames: it has deliver() and finish().
        """
        with self.lock:
            if self.closed:
                raise NodeDied(f'{self.name}: the node is not running')
            channel = self.next_channel
            self.next_channel += 1
            command = self.commands[channel] = make(self, channel, on_output)
        values = [f'{name}={value}' for name, value in {**GUEST_ENV, **(env or {})}.items()]
        fields = ['pty' if terminal else 'pipe', str(cwd), str(len(argv)), *argv, *values]
        self.send(EXEC, channel, '\0'.join(fields).encode('utf-8', 'surrogateescape'))
        return command

    def close(self):
        """Give up the connection; every running command ends as its node's death."""
        with self.lock:
            self.closed = True
            commands, self.commands = list(self.commands.values()), {}
        for sock in (self.listener, self.sock):
            if sock:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                sock.close()
        for command in commands:
            command.finish(None)
