# SPDX-License-Identifier: GPL-2.0
"""The networks between nodes, as tests handle them: cut, heal, shape, pcap, status.

HubNetwork joins machines through the hub process. NamespaceNetwork is the bridge within one machine; it does the
same with what every kernel has, so it needs no module.
"""

import json
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

from .errors import RigError
from .launch import kill, launch


class HubNetwork:
    """The networks between the nodes, and the hub process that they run through."""

    def __init__(self, work, members, seed):
        self.work = work
        self.members = members
        self.control = None
        self.process = None
        self.input = b''
        self.lock = threading.Lock()
        if any(members.values()):
            self.start(seed)

    def start(self, seed):
        self.control, theirs = socket.socketpair()
        ports = [f'{net},{node},{self.socket(net, node)}' for net, nodes in self.members.items() for node in nodes]
        self.process = launch([sys.executable, '-I', Path(__file__).with_name('hub.py'), '--control-fd',
                               theirs.fileno(), '--seed', seed, *ports], pass_fds=[theirs.fileno()])
        theirs.close()
        self.ask(do='status')

    def socket(self, net, node):
        return self.work / f'net-{net}-{node}'

    def ask(self, **request):
        """Have the hub do something; returns its answer."""
        if self.control is None:
            raise RigError('this cluster has no network between machines')
        with self.lock:
            self.control.settimeout(30)
            try:
                self.control.sendall(json.dumps(request).encode() + b'\n')
                while b'\n' not in self.input:
                    data = self.control.recv(1 << 16)
                    if not data:
                        raise RigError('the network hub died')
                    self.input += data
            except OSError as error:
                raise RigError(f'the network hub does not answer: {error}') from None
            line, self.input = self.input.split(b'\n', 1)
        answer = json.loads(line)
        if 'error' in answer:
            raise RigError(f'network: {answer["error"]}')
        return answer

    def cut(self, a, b=None, net=None):
        """Drop everything between two nodes, or between one and all the others; on one network or all."""
        self.ask(do='cut', a=a, b=b, net=net)

    def heal(self, a=None, b=None, net=None):
        """Undo cut and shape; without arguments, everywhere."""
        self.ask(do='heal', a=a, b=b, net=net)

    def shape(self, a=None, b=None, net=None, delay_ms=0, loss=0):
        """Delay each frame, and lose a fraction (0 to 1) of them, between nodes."""
        self.ask(do='shape', a=a, b=b, net=net, delay_ms=delay_ms, loss=loss)

    def pcap(self, path):
        """Write all further frames to a pcap file (one a network, if there are several); None stops it."""
        self.ask(do='pcap', path=str(Path(path).resolve()) if path else None)

    def status(self):
        return self.ask(do='status')

    def close(self):
        if self.process:
            self.control.close()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
            kill(self.process)


class NamespaceNetwork:
    """The one network, "lan", between the namespaces of a machine."""

    # An address that no device has: frames to it reach nobody.
    NOBODY = '02:00:00:00:00:fe'

    def __init__(self, cluster):
        self.cluster = cluster
        self.cuts = set()
        self.shapes = {}
        self.capture = None

    def pairs(self, a, b, net):
        names = self.cluster.namespaces
        for node in (a, b):
            if node is not None and node not in names:
                raise RigError(f'no node {node} on any network')
        if net not in (None, 'lan'):
            raise RigError(f'no network {net}')
        return [(x, y) for x in names for y in names if x < y and a in (None, x, y) and b in (None, x, y)]

    def cut(self, a, b=None, net=None):
        """Make each of two nodes send the other's frames to nobody."""
        for pair in self.pairs(a, b, net):
            for here, there in (pair, pair[::-1]):
                self.cluster[here].run(f'ip neigh replace {self.cluster.address(there)} lladdr {self.NOBODY} '
                                       'dev eth0 nud permanent')
            self.cuts.add(pair)

    def heal(self, a=None, b=None, net=None):
        for pair in self.pairs(a, b, net):
            if pair in self.cuts:
                for here, there in (pair, pair[::-1]):
                    self.cluster[here].run(f'ip neigh del {self.cluster.address(there)} dev eth0')
                self.cuts.discard(pair)
        for node in list(self.shapes):
            if b is None and a in (None, node):
                self.cluster[node].run('tc qdisc del dev eth0 root')
                del self.shapes[node]

    def shape(self, a=None, b=None, net=None, delay_ms=0, loss=0):
        """Delay or lose what a node sends (kernel module sch_netem); to all, for a pair cannot be told apart."""
        if b is not None:
            raise RigError('between namespaces, shape is for all that a node sends: name one node only')
        self.pairs(a, b, net)
        for node in [a] if a else self.cluster.namespaces:
            self.cluster[node].run(f'tc qdisc replace dev eth0 root netem limit 100000 delay {delay_ms}ms '
                                   f'loss {loss * 100}%')
            self.shapes[node] = {'delay_ms': delay_ms, 'loss': loss}

    def pcap(self, path):
        """Capture the bridge with dumpcap; the file is complete after pcap(None) or the cluster's end."""
        self.end_capture()
        if path:
            machine = self.cluster['vm']
            machine.run('command -v dumpcap || { echo "dumpcap is not installed (package wireshark-common)" >&2; '
                        'exit 1; }')
            command = machine.spawn('exec dumpcap -q -P -s 0 -i rig0 -w /share/.rig/capture.pcap')
            file = self.cluster.share / '.rig/capture.pcap'
            if not machine.wait_for(lambda: file.exists() and file.stat().st_size > 0, 60):
                raise RigError('dumpcap does not start: ' + command.err.decode(errors='replace'))
            self.capture = (command, file, Path(path))

    def end_capture(self):
        if self.capture:
            command, file, path = self.capture
            self.capture = None
            if not command.done.is_set():
                command.signal(2)
                command.done.wait(30)
            shutil.copyfile(file, path)

    def status(self):
        links = [{'net': 'lan', 'a': a, 'b': b, 'cut': True} for a, b in sorted(self.cuts)]
        links += [{'net': 'lan', 'a': node, 'b': 'all', 'cut': False, **shape} for node, shape in self.shapes.items()]
        return {'ports': [], 'links': links}

    def close(self):
        self.end_capture()
