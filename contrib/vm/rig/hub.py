# SPDX-License-Identifier: GPL-2.0
"""The hub: one process that is every network between the nodes.

Each network device of each node is a Unix-domain stream socket that qemu connects to; a frame on it is a
32-bit big-endian length and the Ethernet frame. Networks are learning switches. Between every two nodes of a
network there is a link that can be cut, slowed or made lossy at run time.

The rig talks to it over a socket, one JSON object a line:
    {"do": "cut"|"heal", "a": "n1", "b": "n2", "net": null}      b null: all the others; net null: every network
    {"do": "shape", "a":, "b":, "net":, "delay_ms": 5, "loss": 0.01}
    {"do": "pcap", "path": "file" or null}
    {"do": "status"}
and gets one object a line back.

Invariants: frames of one link keep their order; a queue to a node that does not read is bounded (frames are
dropped and counted, as a switch does); ends when the rig's socket closes.
"""

import argparse
import heapq
import json
import os
import random
import selectors
import socket
import struct
import sys
import time

QUEUE_LIMIT = 8 << 20
READ_SIZE = 1 << 20
MAX_FRAME = 1 << 17
PCAP_HEADER = struct.pack('<IHHiIII', 0xA1B2C3D4, 2, 4, 0, 0, MAX_FRAME, 1)


class Port:
    """One network device of one node."""

    def __init__(self, net, node, path):
        self.net, self.node = net, node
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.listener.setblocking(False)
        self.sock = None
        self.input = bytearray()
        self.output = []
        self.queued = 0
        self.writing = False
        self.dropped = 0
        self.received = 0
        self.sent = 0

    def status(self):
        return {'net': self.net, 'node': self.node, 'connected': self.sock is not None,
                'from_node': self.received, 'to_node': self.sent, 'dropped': self.dropped}


class Capture:
    """A pcap file of every frame that nodes sent and the hub did not cut off."""

    def __init__(self, path):
        self.file = open(path, 'wb', buffering=1 << 18)
        self.file.write(PCAP_HEADER)

    def frame(self, data):
        now = time.time()
        self.file.write(struct.pack('<IIII', int(now), int(now % 1 * 1e6), len(data), len(data)))
        self.file.write(data)


class Hub:
    def __init__(self, control, ports, seed):
        self.selector = selectors.DefaultSelector()
        self.control = control
        self.control_input = b''
        self.random = random.Random(seed)
        self.nets = {}
        self.where = {}
        self.shapes = {}
        self.delayed = []
        self.sequence = 0
        self.captures = {}
        self.selector.register(control, selectors.EVENT_READ, self.on_control)
        for port in ports:
            self.nets.setdefault(port.net, []).append(port)
            self.where[port.net] = {}
            self.selector.register(port.listener, selectors.EVENT_READ, lambda mask, port=port: self.on_accept(port))

    # --- links ---

    def links(self, a, b, net):
        """The links a command means, as (network, node, node) with the nodes in order."""
        known = {port.node for ports in self.nets.values() for port in ports}
        for node in (a, b):
            if node is not None and node not in known:
                raise ValueError(f'no node {node} on any network')
        if net is not None and net not in self.nets:
            raise ValueError(f'no network {net}')
        for name, ports in self.nets.items():
            if net not in (None, name):
                continue
            for x in ports:
                for y in ports:
                    if x.node < y.node and (a is None or a in (x.node, y.node)) and (
                            b is None or b in (x.node, y.node)):
                        yield name, x.node, y.node

    def command(self, request):
        do = request['do']
        if do == 'status':
            return {'ports': [port.status() for ports in self.nets.values() for port in ports],
                    'links': [{'net': n, 'a': a, 'b': b, **shape} for (n, a, b), shape in self.shapes.items()]}
        if do == 'pcap':
            self.capture(request['path'])
            return {}
        for link in list(self.links(request.get('a'), request.get('b'), request.get('net'))):
            if do == 'heal':
                self.shapes.pop(link, None)
            elif do == 'cut':
                self.shapes[link] = {'cut': True, 'delay_ms': 0, 'loss': 0}
            elif do == 'shape':
                self.shapes[link] = {'cut': False, 'delay_ms': request['delay_ms'], 'loss': request['loss']}
            else:
                raise ValueError(f'unknown command {do}')
        return {}

    def capture(self, path):
        for capture in self.captures.values():
            capture.file.close()
        self.captures = {}
        if path:
            base, extension = os.path.splitext(path)
            for net in self.nets:
                self.captures[net] = Capture(path if len(self.nets) == 1 else f'{base}.{net}{extension}')

    def on_control(self, _mask):
        data = self.control.recv(1 << 16)
        if not data:
            self.capture(None)
            sys.exit(0)
        *lines, self.control_input = (self.control_input + data).split(b'\n')
        for line in lines:
            try:
                answer = self.command(json.loads(line))
            except (ValueError, KeyError, OSError) as error:
                answer = {'error': str(error)}
            self.control.sendall(json.dumps(answer).encode() + b'\n')

    # --- ports ---

    def on_accept(self, port):
        if port.sock:
            self.disconnect(port)
        port.sock = port.listener.accept()[0]
        port.sock.setblocking(False)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            port.sock.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
        self.selector.register(port.sock, selectors.EVENT_READ, lambda mask: self.on_port(port, mask))

    def disconnect(self, port):
        self.selector.unregister(port.sock)
        port.sock.close()
        port.sock, port.output, port.queued, port.writing = None, [], 0, False
        port.input.clear()

    def on_port(self, port, mask):
        if mask & selectors.EVENT_WRITE:
            self.flush(port)
        if mask & selectors.EVENT_READ and port.sock:
            try:
                data = port.sock.recv(READ_SIZE)
            except BlockingIOError:
                return
            except OSError:
                data = b''
            if not data:
                self.disconnect(port)
                return
            self.take(port, data)

    def take(self, port, data):
        """Cut the stream into frames and forward them; runs of frames to one port go on as one piece."""
        buffer = port.input
        buffer += data
        view = bytes(buffer)
        at, end = 0, len(view)
        run_start, run_to = 0, None
        plain = not self.shapes and not self.captures
        while end - at >= 4:
            size = int.from_bytes(view[at:at + 4], 'big')
            if size > MAX_FRAME:
                self.disconnect(port)
                return
            after = at + 4 + size
            if after > end:
                break
            port.received += 1
            to = self.route(port, view[at + 4:at + 16])
            if not plain or len(to) != 1 or to != run_to:
                self.pass_run(run_to, view, run_start, at)
                run_start, run_to = at, to if plain and len(to) == 1 else None
                if run_to is None:
                    self.forward(port, to, view[at:after])
                    run_start = after
            at = after
        self.pass_run(run_to, view, run_start, at)
        del buffer[:at]

    def pass_run(self, to, view, start, end):
        if to and end > start:
            self.enqueue(to[0], view[start:end])

    def route(self, port, addresses):
        """The ports a frame goes to, by its destination; learns where its source is."""
        table = self.where[port.net]
        source = addresses[6:12]
        if table.get(source) is not port:
            table[source] = port
        target = table.get(addresses[:6])
        if target is not None and not addresses[0] & 1:
            return [target] if target is not port else []
        return [other for other in self.nets[port.net] if other is not port]

    def forward(self, port, to, frame):
        delivered = False
        for other in to:
            shape = self.shapes.get((port.net, *sorted((port.node, other.node))))
            if shape is None:
                self.enqueue(other, frame)
            elif shape['cut'] or self.random.random() < shape['loss']:
                other.dropped += 1
                continue
            else:
                self.sequence += 1
                when = time.monotonic() + shape['delay_ms'] / 1000
                heapq.heappush(self.delayed, (when, self.sequence, other, frame))
            delivered = True
        if delivered and port.net in self.captures:
            self.captures[port.net].frame(frame[4:])

    def enqueue(self, port, data):
        if port.sock is None or port.queued > QUEUE_LIMIT:
            port.dropped += 1
            return
        port.output.append(data)
        port.queued += len(data)
        port.sent += 1
        if not port.writing:
            self.flush(port)

    def flush(self, port):
        while port.output:
            try:
                sent = port.sock.sendmsg(port.output[:64])
            except BlockingIOError:
                break
            except OSError:
                self.disconnect(port)
                return
            port.queued -= sent
            while sent:
                if sent >= len(port.output[0]):
                    sent -= len(port.output.pop(0))
                else:
                    port.output[0] = port.output[0][sent:]
                    sent = 0
        if bool(port.output) != port.writing:
            port.writing = bool(port.output)
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if port.writing else 0)
            self.selector.modify(port.sock, events, self.selector.get_key(port.sock).data)

    def release_delayed(self):
        """Send on what has waited long enough; returns how long to sleep at most."""
        while self.delayed:
            wait = self.delayed[0][0] - time.monotonic()
            if wait > 0:
                return wait
            _, _, port, frame = heapq.heappop(self.delayed)
            self.enqueue(port, frame)
        return None

    def run(self):
        while True:
            timeout = self.release_delayed()
            events = self.selector.select(timeout)
            for key, mask in events:
                if key.fileobj.fileno() >= 0:
                    key.data(mask)
            for capture in self.captures.values():
                capture.file.flush()


def main():
    parser = argparse.ArgumentParser(description='The hub process of the VM rig; started by the rig only.')
    parser.add_argument('--control-fd', type=int, required=True)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('port', nargs='+', help='NET,NODE,SOCKET')
    args = parser.parse_args()
    ports = [Port(*text.split(',', 2)) for text in args.port]
    Hub(socket.socket(fileno=args.control_fd), ports, args.seed).run()


if __name__ == '__main__':
    main()
