# SPDX-License-Identifier: GPL-2.0
"""Sessions: a cluster that stays up between `vm` commands, kept by a server process.

The server listens on a Unix-domain socket. A client sends one JSON object on a line and gets one back. After
`exec` both sides go over to the frames of link.py: the server passes them on between the client and the node's
agent, so the client sees exactly the protocol that the agent speaks.

A session is named; the default name belongs to this source tree, so that trees do not meddle with each other.
The server ends at `vm down`, at the session's time limit, or when killed, and the nodes with it.
"""

import json
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
from hashlib import sha256
from pathlib import Path

from .cluster import REPO
from .errors import KernelReport, NodeDied, RigError
from .link import EXIT, RESIZE, SIGNAL, STDIN, Command, FrameReader, frame
from .node import Machine

POWER = ('start', 'kill', 'restart', 'shut_down', 'pause', 'resume')
NET = ('cut', 'heal', 'shape', 'pcap', 'status')
NODE_GONE = 0x7FFFFFFF


def default_name():
    return os.environ.get('VM_SESSION') or f'{REPO.name}-{sha256(str(REPO).encode()).hexdigest()[:6]}'


def folder():
    path = Path(os.environ.get('VM_TMP', '/tmp')) / f'lustre-vm-sessions-{os.getuid()}'
    path.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_uid != os.getuid():
        raise RigError(f'{path} belongs to somebody else')
    return path


def names():
    """The sessions that run now; sockets of dead ones are deleted."""
    found = []
    for path in sorted(folder().glob('*.sock')):
        try:
            connect(path.stem).close()
            found.append(path.stem)
        except RigError:
            path.unlink(missing_ok=True)
    return found


# --- client ---

def connect(name):
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(str(folder() / f'{name}.sock'))
    except OSError:
        sock.close()
        raise RigError(f'no session {name} runs; start one with `vm up`') from None
    return sock


def read_line(sock):
    line = b''
    while not line.endswith(b'\n'):
        byte = sock.recv(1)
        if not byte:
            raise RigError('the session ended')
        line += byte
    return line


def ask(name, **request):
    """Send a session one request; returns its answer."""
    with connect(name) as sock:
        return ask_on(sock, request)


def ask_on(sock, request):
    sock.sendall(json.dumps(request).encode() + b'\n')
    answer = json.loads(read_line(sock))
    if 'error' in answer:
        raise RigError(answer['error'])
    return answer


class RemoteLink:
    """Stands in for a node's Link at the client's end of an exec."""

    def __init__(self, name, sock):
        self.name = name
        self.sock = sock
        self.lock = threading.Lock()

    def send(self, kind, channel, payload=b''):
        with self.lock:
            try:
                self.sock.sendall(frame(kind, channel, payload))
            except OSError:
                raise NodeDied('the session ended') from None


def remote_command(name, request, on_output):
    """Start a command in a session; returns a link.Command whose frames go through the server."""
    sock = connect(name)
    ask_on(sock, request)
    command = Command(RemoteLink(request['node'], sock), 0, on_output)
    threading.Thread(target=receive, args=(sock, command), daemon=True).start()
    return command


def receive(sock, command):
    reader = FrameReader()
    try:
        while data := sock.recv(1 << 18):
            for kind, _, payload in reader.feed(data):
                if kind == EXIT and struct.unpack('<i', payload)[0] == NODE_GONE:
                    command.finish(None)
                else:
                    command.deliver(kind, payload)
    except OSError:
        pass
    if not command.done.is_set():
        command.finish(None)


# --- server ---

class Relay:
    """Passes a command's frames on to the client; a queue keeps a slow client from holding up the node's link."""

    def __init__(self, link, channel, sock):
        self.link, self.channel, self.sock = link, channel, sock
        self.frames = queue.Queue(maxsize=4096)
        self.ended = threading.Event()
        threading.Thread(target=self.pump, daemon=True).start()

    def deliver(self, kind, payload):
        if not self.ended.is_set():
            self.frames.put((kind, payload))

    def finish(self, _status):
        self.deliver(EXIT, struct.pack('<i', NODE_GONE))

    def signal(self, number):
        self.link.send(SIGNAL, self.channel, bytes([number]))

    def pump(self):
        kind = None
        while kind != EXIT:
            kind, payload = self.frames.get()
            if not self.ended.is_set():
                try:
                    self.sock.sendall(frame(kind, 0, payload))
                except OSError:
                    self.ended.set()
        self.ended.set()
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Server:
    def __init__(self, name, cluster):
        self.name = name
        self.cluster = cluster
        self.ending = threading.Event()
        self.path = folder() / f'{name}.sock'
        self.listener = socket.socket(socket.AF_UNIX)
        self.path.unlink(missing_ok=True)
        self.listener.bind(str(self.path))
        self.listener.listen(16)

    def serve(self, owner=None):
        """Serve until `down`, the cluster's time limit, or the end of the process that owns the session."""
        threading.Thread(target=self.accept, daemon=True).start()
        while not self.ending.wait(0.5):
            if self.cluster.expired or (owner and not os.path.exists(f'/proc/{owner}')):
                break
        self.path.unlink(missing_ok=True)

    def accept(self):
        while True:
            sock = self.listener.accept()[0]
            threading.Thread(target=self.client, args=(sock,), daemon=True).start()

    def client(self, sock):
        with sock:
            try:
                request = json.loads(read_line(sock))
            except (RigError, ValueError, OSError):
                return
            try:
                if request['do'] == 'exec':
                    self.execute(sock, request)
                    return
                answer = getattr(self, 'do_' + request.pop('do'))(**request) or {}
            except (RigError, OSError, TypeError, AttributeError) as error:
                answer = {'error': str(error)}
            try:
                sock.sendall(json.dumps(answer).encode() + b'\n')
            except OSError:
                pass
        if answer.get('ended'):
            self.ending.set()

    def execute(self, sock, request):
        """Start the command, then pass the client's frames on until either side is done."""
        node = self.cluster[request['node']]
        try:
            relay = node.spawn(request['command'], env=request['env'], cwd=request['cwd'],
                               terminal=request['terminal'],
                               make=lambda link, channel, _: Relay(link, channel, Held(sock)))
        except RigError as error:
            sock.sendall(json.dumps({'error': str(error)}).encode() + b'\n')
            return
        sock.sendall(b'{}\n')
        relay.sock.release()
        reader = FrameReader()
        try:
            while data := sock.recv(1 << 16):
                for kind, _, payload in reader.feed(data):
                    if kind in (STDIN, SIGNAL, RESIZE):
                        relay.link.send(kind, relay.channel, payload)
        except (OSError, ValueError, NodeDied):
            pass
        if not relay.ended.is_set():
            relay.ended.set()
            self.end_command(relay)

    @staticmethod
    def end_command(relay):
        """The client is gone: so goes its command."""
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
            try:
                relay.signal(number)
            except NodeDied:
                return
            threading.Event().wait(1)

    # --- requests ---

    def do_status(self):
        nodes = []
        for name, node in self.cluster.nodes.items():
            machine = getattr(node, 'machine', node)
            settings = machine.settings
            nodes.append({'name': name, 'state': state(node), 'address': self.cluster.address(name),
                          'kernel': settings.kernel.release, 'memory': settings.memory, 'cpus': settings.cpus,
                          'disks': self.cluster.disk_names.get(name, [])})
        return {'session': self.name, 'nodes': nodes, 'share': str(self.cluster.share),
                'out': str(self.cluster.out), 'reports': len(self.cluster.reports())}

    def do_power(self, action, node):
        if action not in POWER:
            raise RigError(f'no action {action}')
        getattr(self.cluster[node], action)()

    def do_net(self, action, **arguments):
        if action not in NET:
            raise RigError(f'no action {action}')
        return getattr(self.cluster.net, action)(**arguments)

    def do_check(self):
        return self.verdict()

    def do_down(self, check=True):
        answer = self.verdict() if check else {}
        self.cluster.close()
        return {**answer, 'ended': True}

    def verdict(self):
        try:
            self.cluster.check()
        except KernelReport as error:
            return {'report': str(error)}
        return {}


class Held:
    """A socket on which sendall() waits until the server has sent its own answer."""

    def __init__(self, sock):
        self.sock = sock
        self.ready = threading.Event()
        self.release = self.ready.set

    def sendall(self, data):
        self.ready.wait()
        self.sock.sendall(data)

    def shutdown(self, how):
        self.sock.shutdown(how)


def state(node):
    if not node.running():
        return 'off'
    return 'paused' if isinstance(node, Machine) and node.paused else 'up'


def start_server(name, argv, out):
    """Start the server of a new session and wait until its nodes are up. argv: the options of `vm up`."""
    ready, ready_in = os.pipe()
    log = open(out / 'session.log', 'wb')
    server = subprocess.Popen([sys.executable, Path(__file__).resolve().parent.parent / 'vm', 'serve-session',
                               '--session', name, '--out', str(out), '--ready-fd', str(ready_in), *argv],
                              pass_fds=[ready_in], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                              start_new_session=True)
    os.close(ready_in)
    try:
        with os.fdopen(ready) as pipe:
            if pipe.read() != 'up':
                server.wait(60)
                raise RigError((out / 'session.log').read_text(errors='replace').strip())
    except KeyboardInterrupt:
        server.terminate()
        server.wait(60)
        raise
