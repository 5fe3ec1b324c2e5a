# SPDX-License-Identifier: GPL-2.0
"""A cluster: the machines of one run, their networks, disks and shared folder, and the verdict on their kernels.

    with Cluster(nodes=2, kernel='6.1', disks=['512M']) as cluster:
        cluster['n1'].run('mkfs.ext4 -q /dev/vda')
        cluster.net.cut('n1', 'n2')

Leaving the `with` block checks every kernel and raises KernelReport if one complained; whatever happens, it
leaves no process and no file but those in the output folder.
"""

import atexit
import fcntl
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import kernel as kernels
from .console import Report, Verdict
from .errors import KernelReport, NodeDied, RigError, RigTimeout
from .network import HubNetwork, NamespaceNetwork
from .node import Machine, Namespace, Nic, Settings

REPO = Path(__file__).resolve().parents[3]
ICOUNT = 'shift=0,sleep=on'
TAINTS = {5: 'bad page', 7: 'oops', 9: 'warning', 14: 'soft lockup'}

FINAL_CHECK = '''
cat /proc/sys/kernel/tainted
leaks=/sys/kernel/debug/kmemleak
# The write fails where kmemleak is not on. An object must be five seconds old to count.
if [ -e $leaks ] && echo scan 2>/dev/null >$leaks; then
    sleep 6
    echo scan >$leaks
    cat $leaks
fi
'''


def parse_size(text):
    match = re.fullmatch(r'(\d+)([KMGT]?)', text)
    if not match:
        raise RigError(f'{text}: not a size (examples: 512M, 4G)')
    return int(match[1]) << {'': 0, 'K': 10, 'M': 20, 'G': 30, 'T': 40}[match[2]]


def per_node(value, node):
    """A setting given either for all nodes or as a dict by node name (key None: the others)."""
    return value.get(node, value.get(None)) if isinstance(value, dict) else value


def default_memory(kernel):
    """MiB. Debug kernels need room for shadow memory and lock classes."""
    return 2048 if 'debug' in kernel.release else 1024


class Workspace:
    """The run's temporary folder. One that a killed rig left is deleted by the next rig: its lock is free."""

    def __init__(self):
        base = Path(os.environ.get('VM_TMP', '/tmp'))
        for old in base.glob('lustre-vm.*'):
            self.remove_if_stale(old)
        self.path = Path(tempfile.mkdtemp(dir=base, prefix='lustre-vm.'))
        self.lock = open(self.path / 'lock', 'w', encoding='ascii')
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        (self.path / 'share/.rig/barrier').mkdir(parents=True)
        os.chmod(self.path / 'share', 0o1777)

    @staticmethod
    def remove_if_stale(path):
        try:
            with open(path / 'lock', 'r', encoding='ascii') as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            pass

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)
        self.lock.close()


class Cluster:
    """All of a run. The arguments marked * are for all nodes, or a dict by node name.

    nodes        how many (n1, n2, ...), or their names
    netns        instead: one machine "vm" with this many network namespaces n1, n2, ...
    kernel *     "6.1", "6.12", or a path (see kernel.py); modules *: the modules folder of an image file
    memory *     MiB; cpus *; disks *: list of sizes ("512M") or raw image files (a copy is used); append *
    nets         {"a": ["n1", "n2"], ...}; default: one network of all nodes
    icount       guest time counts instructions (True, or the value for qemu's -icount)
    allow        patterns of kernel reports that may come;  expect: that must come
    timeout      seconds after which the cluster ends whatever happens
    out          folder for console logs (default: a temporary one, deleted at the end unless something failed)
    on_line      called with (node, line) for every console line
    """

    def __init__(self, nodes=1, netns=0, kernel='6.1', modules=None, memory=None, cpus=2, disks=(), nets=None,
                 mtu=9000, icount='', kvm=False, append='', allow=(), expect=(), env=None, timeout=1800,
                 boot_timeout=180, pcap=None, out=None, on_line=None, seed=1, start=True):
        self.started = time.monotonic()
        self.timeout = timeout
        self.expired = False
        self.closed = False
        self.verdict = Verdict(allow, expect)
        self.extra_reports = []
        self.nodes = {}
        self.machines = {}
        self.net = None
        if isinstance(nodes, int):
            nodes = [f'n{i}' for i in range(1, nodes + 1)]
        self.workspace = Workspace()
        self.work = self.workspace.path
        self.share = self.work / 'share'
        self.out = Path(out) if out else self.work / 'out'
        atexit.register(self.close)
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            self.build(nodes, netns, locals())
            self.set_env(env or {})
            threading.Thread(target=self.guard, name='guard', daemon=True).start()
            self.pcap = pcap
            if start:
                self.start()
        except BaseException:
            self.close()
            raise

    # --- making ---

    def build(self, nodes, netns, given):
        if netns:
            nodes, self.namespaces = ['vm'], [f'n{i}' for i in range(1, netns + 1)]
            members = {}
        else:
            self.namespaces = []
            members = given['nets'] or ({'lan': list(nodes)} if len(nodes) > 1 else {})
        for net, who in members.items():
            for node in who:
                if node not in nodes:
                    raise RigError(f'network {net}: no node {node}')
        self.net = HubNetwork(self.work, members, given['seed'])
        hosts = self.hosts(nodes, members)
        for index, name in enumerate(nodes, 1):
            settings = self.settings(name, index, members, given)
            settings.hosts = hosts
            machine = Machine(name, self.work, self.out, settings, given['on_line'])
            self.machines[name] = self.nodes[name] = machine
        for name in self.namespaces:
            self.nodes[name] = Namespace(name, self.machines['vm'])
        if self.namespaces:
            self.net = NamespaceNetwork(self)

    def settings(self, name, index, members, given):
        kernel = kernels.find_kernel(per_node(given['kernel'], name) or '6.1', per_node(given['modules'], name))
        icount = ICOUNT if given['icount'] is True else given['icount']
        nics = [Nic(net, self.net.socket(net, name), f'52:54:00:00:{number:02x}:{index:02x}',
                    f'192.168.{50 + number}.{index}/24')
                for number, (net, who) in enumerate(members.items()) if name in who]
        return Settings(kernel, memory=int(per_node(given['memory'], name) or default_memory(kernel)),
                        cpus=int(per_node(given['cpus'], name) or 2), disks=self.make_disks(name, given['disks']),
                        nics=nics, mtu=given['mtu'], expose=self.exposed(kernel), icount=icount,
                        append=per_node(given['append'], name) or '', kvm=given['kvm'],
                        boot_timeout=given['boot_timeout'])

    def make_disks(self, name, disks):
        """Disk files of a machine; in namespace mode, of all its namespaces in order."""
        self.disk_names = getattr(self, 'disk_names', {})
        files = []
        for owner in [name, *(self.namespaces if isinstance(disks, dict) else [])]:
            for number, disk in enumerate(per_node(disks, owner) or ()):
                path = self.work / f'{owner}-disk{number}'
                if os.path.isfile(disk):
                    shutil.copyfile(disk, path)
                else:
                    with open(path, 'wb') as file:
                        file.truncate(parse_size(disk))
                self.disk_names.setdefault(owner, []).append(f'/dev/vd{chr(ord("a") + len(files))}')
                files.append(path)
        if len(files) > 20:
            raise RigError(f'{name}: {len(files)} disks; the emulated machine has room for 20')
        return files

    @staticmethod
    def exposed(kernel):
        """Host folders that the node's own /tmp and /run must not hide."""
        wanted = {REPO, Path.cwd(), kernel.modules, Path(__file__).resolve().parents[3]}
        return sorted({path for path in wanted if path.parts[1:2] in (('tmp',), ('run',))})

    def hosts(self, nodes, members):
        lines = []
        for number, (net, who) in enumerate(members.items()):
            for node in who:
                index = list(nodes).index(node) + 1
                names = [node] if number == min(i for i, w in enumerate(members.values()) if node in w) else []
                lines.append(' '.join([f'192.168.{50 + number}.{index}', *names, f'{node}-{net}']))
        for index, node in enumerate(self.namespaces, 1):
            lines.append(f'192.168.50.{index} {node}')
        return '\n'.join(lines)

    def set_env(self, env):
        names = self.namespaces or list(self.nodes)
        for name, node in self.nodes.items():
            node.cwd = str(Path.cwd())
            node.env = {**env, 'RIG_NODE': name, 'RIG_NODES': ' '.join(names), 'RIG_SHARE': '/share',
                        'RIG_IP': self.address(name) or '', 'RIG_REPO': str(REPO),
                        'RIG_DISKS': ' '.join(self.disk_names.get(name, ()))}

    def address(self, name):
        """A node's first address, None if it has no network."""
        if name in self.namespaces:
            return f'192.168.50.{self.namespaces.index(name) + 1}'
        nics = self.machines[name].settings.nics
        return nics[0].address.split('/')[0] if nics else None

    # --- life ---

    def __getitem__(self, name):
        try:
            return self.nodes[name]
        except KeyError:
            raise RigError(f'no node {name} (there are: {", ".join(self.nodes)})') from None

    def __enter__(self):
        return self

    def __exit__(self, kind, _error, _trace):
        try:
            if kind is None:
                self.check()
        finally:
            self.close()

    def start(self):
        """Boot all machines, at once."""
        if self.pcap and not self.namespaces:
            self.net.pcap(self.pcap)
        for machine in self.machines.values():
            machine.start(wait=False)
        for machine in self.machines.values():
            machine.wait_up()
        if self.namespaces:
            self.machines['vm'].run(['/run/rig/bin/rig-namespaces', *self.namespaces])
            if self.pcap:
                self.net.pcap(self.pcap)

    def guard(self):
        """End everything at the cluster's time limit."""
        while not self.closed:
            left = self.started + self.timeout - time.monotonic()
            if left <= 0:
                self.expired = True
                for machine in self.machines.values():
                    if machine.running():
                        machine.dump_blocked()
                self.power_off()
                return
            time.sleep(min(left, 0.5))

    def power_off(self):
        for machine in self.machines.values():
            machine.kill()

    def close(self):
        """End every process and delete the temporary files. Safe to call again."""
        if self.closed:
            return
        self.closed = True
        atexit.unregister(self.close)
        try:
            if self.net:
                self.net.close()
        except RigError as error:
            sys.stderr.write(f'vm: {error}\n')
        self.power_off()
        self.workspace.remove()

    # --- verdict ---

    def check(self, final=True):
        """Raise KernelReport if a kernel said what is not excused, or did not say what is expected."""
        if final:
            with ThreadPoolExecutor(len(self.machines)) as pool:
                list(pool.map(self.examine, [m for m in self.machines.values() if m.running()]))
        bad, missing = self.verdict.judge(self.reports())
        text = [f'{report.node}: the kernel reported:\n{report.head()}' for report in bad]
        text += [f'no kernel report matched the expected {pattern!r}' for pattern in missing]
        if text:
            raise KernelReport('\n\n'.join(text))

    def reports(self):
        return [report for m in self.machines.values() for report in m.console.reports()] + self.extra_reports

    def examine(self, machine):
        """Ask a running kernel what its console may not have shown: taint and leaks."""
        mark = f'rig: final check {time.monotonic_ns()}'
        try:
            machine.run(f'echo "{mark}" >/dev/kmsg', timeout=60)
            if not machine.console.wait_for(mark, 60):
                raise RigTimeout(f'{machine.name}: the console is stuck')
            taint, *leaks = machine.run(FINAL_CHECK, timeout=300).out.splitlines()
        except (NodeDied, RigTimeout) as error:
            self.extra_reports.append(Report(machine.name, [f'rig: no final check possible: {error}']))
            return
        if leaks:
            self.extra_reports.append(Report(machine.name, ['rig: leaks found by kmemleak', *leaks]))
        why = [text for bit, text in TAINTS.items() if int(taint) >> bit & 1]
        if why and not machine.console.reports():
            self.extra_reports.append(Report(machine.name, [f'rig: the kernel is tainted ({", ".join(why)}) '
                                                            'but its console does not show why']))
