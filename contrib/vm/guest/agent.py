# SPDX-License-Identifier: GPL-2.0
"""The rig's agent inside a node: process 1, one poll loop, runs commands for the host.

It speaks frames over one virtio-serial port: a header '<IBI' (payload length, type, channel) and the payload.
Each command has a channel of its own; see rig/link.py for the host's side and the meaning of the types.

It is started with `python3 -I -S` and imports only what is built into the interpreter, because every module
read over 9p costs boot time.

Invariants: never blocks except in poll() and when the host does not drain the port; reaps every orphan; a
command's exit status is sent after all the output it produced.
"""

import _signal as signal
import errno
import fcntl
import os
import select
from _struct import Struct, pack, unpack

HELLO, EXEC, STDIN, STDOUT, STDERR, EXIT, SIGNAL, RESIZE, CREDIT = range(1, 10)
HEADER = Struct('<IBI')
CHUNK = 65536
DRAIN_READS = 16
TIOCSCTTY, TIOCSWINSZ, TIOCSPTLCK, TIOCGPTN = 0x540E, 0x5414, 0x40045431, 0x80045430


class Command:
    """A running command: its process, the descriptors we hold for it, and input not yet written."""

    def __init__(self, channel):
        self.channel = channel
        self.pid = 0
        self.stdin = -1
        self.outputs = {}
        self.pending = bytearray()
        self.stdin_closing = False
        self.exited = False


def find_port():
    """The virtio-serial port named rig.agent (there is no udev to make a link for it)."""
    base = '/sys/class/virtio-ports'
    for entry in os.listdir(base):
        with open(base + '/' + entry + '/name', 'rb') as name:
            if name.read().strip() == b'rig.agent':
                return '/dev/' + entry
    raise RuntimeError('no virtio-serial port named rig.agent')


def open_pty():
    """A pseudo-terminal pair, as os.openpty() without its search of the file system."""
    master = os.open('/dev/ptmx', os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, TIOCSPTLCK, pack('i', 0))
    number = unpack('i', fcntl.ioctl(master, TIOCGPTN, b'\0' * 4))[0]
    return master, os.open('/dev/pts/%d' % number, os.O_RDWR | os.O_NOCTTY)


def execute(argv, env):
    """execvpe() without the imports that os.execvpe() does at the first call."""
    if '/' in argv[0]:
        os.execve(argv[0], argv, env)
    for folder in env.get('PATH', '/usr/bin:/bin').split(':'):
        try:
            os.execve(folder + '/' + argv[0], argv, env)
        except (FileNotFoundError, NotADirectoryError):
            continue
    raise FileNotFoundError(errno.ENOENT, 'command not found')


def become(argv, env, cwd, fds, terminal):
    """In the child: take the descriptors, a session of its own, and turn into the command. Never returns."""
    try:
        os.setsid()
        for target, fd in enumerate(fds):
            os.dup2(fd, target)
        if terminal:
            fcntl.ioctl(0, TIOCSCTTY, 0)
        os.closerange(3, 1024)
        for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        try:
            os.chdir(cwd)
        except OSError:
            os.chdir('/')
        execute(argv, env)
    except OSError as error:
        os.write(2, ('%s: %s\n' % (argv[0], error.strerror)).encode())
        os._exit(127 if error.errno == errno.ENOENT else 126)
    except BaseException as error:
        os.write(2, ('rig agent: %r\n' % (error,)).encode())
    os._exit(126)


class Agent:
    def __init__(self):
        self.port = os.open(find_port(), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.input = bytearray()
        self.commands = {}
        self.by_pid = {}
        self.readers = {}
        self.writers = {}
        self.poll = select.poll()
        self.poll.register(self.port, select.POLLIN)
        self.wake, wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
        self.poll.register(self.wake, select.POLLIN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def send(self, kind, channel, payload=b''):
        data = memoryview(HEADER.pack(len(payload), kind, channel) + payload)
        while data:
            try:
                data = data[os.write(self.port, data):]
            except BlockingIOError:
                waiter = select.poll()
                waiter.register(self.port, select.POLLOUT)
                waiter.poll(1000)

    def receive(self):
        try:
            data = os.read(self.port, CHUNK)
        except BlockingIOError:
            return
        self.input += data
        while len(self.input) >= HEADER.size:
            length, kind, channel = HEADER.unpack_from(self.input)
            if len(self.input) < HEADER.size + length:
                return
            payload = bytes(self.input[HEADER.size:HEADER.size + length])
            del self.input[:HEADER.size + length]
            self.handle(kind, channel, payload)

    def handle(self, kind, channel, payload):
        if kind == EXEC:
            self.start(channel, payload)
            return
        command = self.commands.get(channel)
        if command is None:
            return
        if kind == STDIN:
            if payload:
                command.pending += payload
            elif command.stdin in self.readers:
                command.pending += b'\x04'
            else:
                command.stdin_closing = True
            self.feed(command)
        elif kind == SIGNAL and not command.exited:
            try:
                os.killpg(command.pid, payload[0])
            except ProcessLookupError:
                pass
        elif kind == RESIZE and command.stdin >= 0:
            rows, columns = unpack('<HH', payload)
            fcntl.ioctl(command.stdin, TIOCSWINSZ, pack('HHHH', rows, columns, 0, 0))

    def start(self, channel, payload):
        """EXEC payload: mode, cwd, count of arguments, arguments..., NAME=value..., all NUL-separated."""
        mode, cwd, count, *rest = payload.decode('utf-8', 'surrogateescape').split('\0')
        argv, env = rest[:int(count)], dict(item.split('=', 1) for item in rest[int(count):])
        command = Command(channel)
        if mode == 'pty':
            master, slave = open_pty()
            fds = (slave, slave, slave)
            ours = {master: STDOUT}
            command.stdin = master
        else:
            stdin, command.stdin = os.pipe2(os.O_CLOEXEC)
            out, out_in = os.pipe2(os.O_CLOEXEC)
            err, err_in = os.pipe2(os.O_CLOEXEC)
            fds = (stdin, out_in, err_in)
            ours = {out: STDOUT, err: STDERR}
        command.pid = os.fork()
        if command.pid == 0:
            become(argv, env, cwd, fds, mode == 'pty')
        for fd in set(fds):
            os.close(fd)
        os.set_blocking(command.stdin, False)
        for fd, stream in ours.items():
            os.set_blocking(fd, False)
            command.outputs[fd] = stream
            self.readers[fd] = command
            self.poll.register(fd, select.POLLIN)
        self.commands[channel] = command
        self.by_pid[command.pid] = command

    def feed(self, command):
        """Write pending input; what the command's pipe does not take waits for POLLOUT."""
        written = 0
        while command.pending and command.stdin >= 0:
            try:
                count = os.write(command.stdin, command.pending[:CHUNK])
            except BlockingIOError:
                break
            except OSError:
                count = len(command.pending)
            written += count
            del command.pending[:count]
        if written:
            self.send(CREDIT, command.channel, pack('<I', written))
        terminal = command.stdin in self.readers
        if command.stdin >= 0:
            waiting = bool(command.pending)
            if waiting != (command.stdin in self.writers):
                self.watch_stdin(command, waiting, terminal)
            if command.stdin_closing and not waiting and not terminal:
                os.close(command.stdin)
                command.stdin = -1

    def watch_stdin(self, command, waiting, terminal):
        if waiting:
            self.writers[command.stdin] = command
            self.poll.register(command.stdin, select.POLLOUT | (select.POLLIN if terminal else 0))
        else:
            del self.writers[command.stdin]
            if terminal:
                self.poll.register(command.stdin, select.POLLIN)
            else:
                self.poll.unregister(command.stdin)

    def drain(self, fd, reads=1):
        """Forward output; after the command's end only discard it, so that its daemons need not die of SIGPIPE."""
        command = self.readers[fd]
        for _ in range(reads):
            try:
                data = os.read(fd, CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b''
            if not data:
                self.forget_output(command, fd)
                return
            if not command.exited:
                self.send(command.outputs[fd], command.channel, data)

    def forget_output(self, command, fd):
        del self.readers[fd]
        del command.outputs[fd]
        self.writers.pop(fd, None)
        self.poll.unregister(fd)
        os.close(fd)
        if fd == command.stdin:
            command.stdin = -1

    def reap(self):
        os.read(self.wake, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            command = self.by_pid.pop(pid, None)
            if command is not None:
                self.finish(command, status)

    def finish(self, command, status):
        for fd in list(command.outputs):
            self.drain(fd, DRAIN_READS)
        command.exited = True
        if command.stdin >= 0 and command.stdin not in self.readers:
            if command.stdin in self.writers:
                self.watch_stdin(command, False, False)
            os.close(command.stdin)
            command.stdin = -1
        self.send(EXIT, command.channel, pack('<i', os.waitstatus_to_exitcode(status)))
        del self.commands[command.channel]

    def run(self):
        with open('/proc/uptime', 'rb') as uptime:
            self.send(HELLO, 0, os.uname().release.encode() + b'\0' + uptime.read().split()[0])
        while True:
            for fd, events in self.poll.poll():
                if fd == self.port:
                    self.receive()
                elif fd == self.wake:
                    self.reap()
                else:
                    if events & (select.POLLOUT | select.POLLERR) and fd in self.writers:
                        self.feed(self.writers[fd])
                    if events & (select.POLLIN | select.POLLHUP | select.POLLERR) and fd in self.readers:
                        self.drain(fd)


os.umask(0o022)
Agent().run()
