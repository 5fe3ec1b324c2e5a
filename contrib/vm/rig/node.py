# SPDX-License-Identifier: GPL-2.0
"""A node: one emulated machine (Machine), or one network namespace of such a machine (Namespace).

Both run commands the same way; only a Machine can be started, killed and paused.
"""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import kernel as kernels
from .console import Console
from .errors import CommandFailed, NodeDied, RigError, RigTimeout
from .launch import kill, launch
from .link import Link
from .tsc import host_khz

# Everything that emulated CPUs on a busy host could trip without a fault of the kernel's is given more time;
# what needs no emulation (mitigations, TSC calibration) is left out, because it costs the most time.
COMMAND_LINE = ('console=ttyS0 loglevel=7 printk.devkmsg=on panic=-1 oops=panic nokaslr net.ifnames=0 '
                'mitigations=off tsc=reliable no_timer_check random.trust_cpu=on audit=0 apparmor=0 '
                'watchdog_thresh=30 rcupdate.rcu_cpu_stall_timeout=60')

PROBE_BLOCKED = 'echo w >/proc/sysrq-trigger; echo l >/proc/sysrq-trigger; echo t >/proc/sysrq-trigger'


@dataclass
class Settings:
    """What one emulated machine is made of."""
    kernel: kernels.Kernel
    memory: int = 1024
    cpus: int = 2
    disks: list = field(default_factory=list)     # files, in the order of /dev/vda, /dev/vdb, ...
    nics: list = field(default_factory=list)      # Nic, in the order of eth0, eth1, ...
    hosts: str = ''
    mtu: int = 9000
    expose: list = field(default_factory=list)
    append: str = ''
    icount: str = ''
    kvm: bool = False
    boot_timeout: float = 180


@dataclass
class Nic:
    """A network device: its network's name, hub socket, and addresses."""
    net: str
    socket: Path
    mac: str
    address: str


class Runner:
    """What machines and namespaces share: running commands.

    A command is either a list of arguments or a string for bash.
    """

    def argv(self, command):
        return ['/bin/bash', '-c', command] if isinstance(command, str) else [str(arg) for arg in command]

    def spawn(self, command, env=None, cwd=None, **options):
        """Start a command; returns a link.Command (wait, write, close_stdin, signal, status)."""
        return self.link().start(self.argv(command), {**self.env, **(env or {})}, cwd or self.cwd, **options)

    def run(self, command, timeout=60, check=True, input=None, **options):
        """Run a command to its end and return its Result; unless check=False, a status other than 0 raises."""
        running = self.spawn(command, **options)
        if input:
            running.write(input.encode() if isinstance(input, str) else input, timeout)
        running.close_stdin()
        try:
            result = running.wait(timeout)
        except RigTimeout:
            self.dump_blocked()
            raise RigTimeout(f'{self.name}: {command!r} did not end within {timeout:g} s; '
                             'its machine\'s console shows where tasks are blocked') from None
        if check and result.status:
            raise CommandFailed(self.name, command, result)
        return result

    def wait_for(self, condition, timeout=60):
        """Poll until condition() is true; whether it became so while the node ran and in time."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline or not self.running():
                return False
            time.sleep(0.05)
        return True


class Machine(Runner):
    """One emulated machine. Its disks and its console file live across restarts."""

    def __init__(self, name, work, out, settings, on_line=None):
        self.name = name
        self.work = work
        self.settings = settings
        self.console = Console(name, out / f'{name}.console', on_line)
        self.errors = out / f'{name}.qemu'
        self.env = {}
        self.cwd = '/'
        self.process = None
        self.agent = None
        self.console_thread = None
        self.boot_seconds = 0.0
        self.starts = 0
        self.paused = False
        self.lock = threading.RLock()

    # --- power ---

    def start(self, wait=True):
        """Power on. With wait, returns when commands can run."""
        with self.lock:
            if self.running():
                raise RigError(f'{self.name}: already running')
            self.starts += 1
            self.paused = False
            stem = self.work / f'{self.name}.{self.starts}'
            initramfs = Path(f'{stem}.initramfs')
            initramfs.write_bytes(kernels.node_initramfs(self.settings.kernel, self.conf()))
            self.agent = Link(self.name, f'{stem}.agent')
            self.booted_at = time.monotonic()
            with open(self.errors, 'ab') as errors:
                self.process = launch(self.command_line(stem), stdout=subprocess.PIPE, stderr=errors)
            fd = os.dup(self.process.stdout.fileno())
            self.process.stdout.close()
            self.console_thread = self.console.attach(fd)
            threading.Thread(target=self.watch, args=(self.process, self.agent), daemon=True,
                             name=f'watch-{self.name}').start()
        if wait:
            self.wait_up()

    def watch(self, process, agent):
        """Turn the end of qemu into the end of everything that waits for the node."""
        process.wait()
        agent.close()

    def wait_up(self, again=True):
        deadline = self.booted_at + self.settings.boot_timeout
        while not self.agent.hello.wait(0.05):
            if not self.running():
                if again and self.died_early():
                    self.start(wait=False)
                    return self.wait_up(again=False)
                raise NodeDied(f'{self.name}: the machine ended during boot\n{self.last_words()}')
            if time.monotonic() > deadline:
                self.kill()
                raise RigTimeout(f'{self.name}: no boot within {self.settings.boot_timeout:g} s\n'
                                 f'{self.last_words()}')
        self.boot_seconds = time.monotonic() - self.booted_at

    def died_early(self):
        """Whether the machine ended before its first process: emulation sometimes trips over the kernel's patching
        of its own code, and that tells nothing about what is tested. What it said is forgotten then."""
        self.console_thread.join(2)
        if self.settings.kvm or self.console.first_process:
            return False
        self.console.forget_boot()
        print(f'vm: {self.name} died before its first process (see its console); it is booted once more',
              file=sys.stderr)
        return True

    def last_words(self):
        self.console_thread.join(2)
        qemu = self.errors.read_text(errors='replace')[-2000:].splitlines()
        lines = self.console.last_lines(25) or ['the kernel printed nothing']
        status = self.process.poll()
        how = {None: [], 0: ['the machine was reset or powered off']}.get(status, [f'qemu ended with status {status}'])
        return '\n'.join([*lines, *qemu, *how])

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """Power loss: the machine is gone at once; what reached its disks stays."""
        with self.lock:
            if self.process:
                kill(self.process)
                self.agent.close()
                self.console_thread.join(10)

    def shut_down(self, timeout=60):
        """Power off in an orderly way, as far as the disks are concerned: sync, then power off."""
        self.run('sync; busybox poweroff -f & sleep 1000', timeout=timeout, check=False)

    def restart(self):
        self.kill()
        self.start()

    def pause(self):
        """Freeze the machine, as seen from outside: it answers nothing and its clock stands."""
        self.qmp('stop')
        self.paused = True

    def resume(self):
        self.qmp('cont')
        self.paused = False

    # --- qemu ---

    def conf(self):
        s = self.settings
        nics = ' '.join(f'eth{i}={nic.address}' for i, nic in enumerate(s.nics) if nic.address)
        installed = Path('/lib/modules', s.kernel.release).resolve() == s.kernel.modules.resolve()
        values = {'RIG_NODE': self.name, 'RIG_MODULES': '' if installed else str(s.kernel.modules),
                  'RIG_EXPOSE': ' '.join(map(str, s.expose)), 'RIG_NICS': nics, 'RIG_MTU': str(s.mtu),
                  'RIG_HOSTS': s.hosts}
        return ''.join(f'{name}={shlex.quote(value)}\n' for name, value in values.items())

    def command_line(self, stem):
        s = self.settings
        argv = ['qemu-system-x86_64', '-name', f'lustre-vm-{self.name}', '-machine', 'pc', '-m', s.memory,
                '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
                '-kernel', kernels.boot_image(s.kernel), '-initrd', f'{stem}.initramfs',
                '-append', ' '.join([COMMAND_LINE, *self.tsc_option(), s.append]).strip(),
                '-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console',
                '-chardev', f'socket,id=qmp,path={stem}.qmp,server=on,wait=off', '-mon', 'chardev=qmp,mode=control',
                '-device', 'virtio-serial-pci', '-chardev', f'socket,id=agent,path={stem}.agent',
                '-device', 'virtserialport,chardev=agent,name=rig.agent',
                '-virtfs', 'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap',
                '-virtfs', f'local,path={self.work}/share,mount_tag=share,security_model=none,multidevs=remap']
        argv += self.cpu_options()
        for i, disk in enumerate(s.disks):
            argv += ['-drive', f'file={disk},id=disk{i},if=none,format=raw,cache=unsafe,discard=unmap',
                     '-device', f'virtio-blk-pci,drive=disk{i},serial={self.name}-disk{i}']
        for i, nic in enumerate(s.nics):
            argv += ['-netdev', f'stream,id=net{i},server=off,addr.type=unix,addr.path={nic.socket}',
                     '-device', f'virtio-net-pci,netdev=net{i},mac={nic.mac},host_mtu={s.mtu}']
        return argv

    def tsc_option(self):
        """The rate of the guest's time stamp counter, which it cannot measure well on a busy host."""
        if self.settings.kvm:
            return []
        khz = 1_000_000 if self.settings.icount else host_khz()
        return [f'tsc_early_khz={khz}'] if khz else []

    def cpu_options(self):
        s = self.settings
        if s.kvm:
            return ['-accel', 'kvm', '-cpu', 'host', '-smp', s.cpus]
        # 5-level page tables only make every emulated page walk longer.
        if s.icount:
            return ['-accel', 'tcg,thread=single', '-icount', s.icount, '-cpu', 'max,la57=off', '-smp', 1]
        return ['-accel', 'tcg,thread=multi,tb-size=256', '-cpu', 'max,la57=off', '-smp', s.cpus]

    def qmp(self, command, **arguments):
        """Send qemu one monitor command."""
        if not self.running():
            raise NodeDied(f'{self.name}: the node is not running')
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(self.work / f'{self.name}.{self.starts}.qmp'))
            stream = sock.makefile('rw')
            stream.readline()
            for request in ({'execute': 'qmp_capabilities'}, {'execute': command, 'arguments': arguments}):
                stream.write(json.dumps(request) + '\n')
                stream.flush()
                while True:
                    answer = json.loads(stream.readline())
                    if 'error' in answer:
                        raise RigError(f'{self.name}: qemu {command}: {answer["error"]["desc"]}')
                    if 'return' in answer:
                        break

    # --- commands ---

    def link(self):
        if not self.running():
            raise NodeDied(f'{self.name}: the node is not running')
        return self.agent

    def dump_blocked(self):
        """Have the kernel print where its tasks are; if the agent is dead, an NMI prints where the CPUs are."""
        try:
            self.agent.start(['/bin/sh', '-c', PROBE_BLOCKED]).wait(20)
        except (RigError, OSError):
            try:
                self.qmp('inject-nmi')
                time.sleep(3)
            except (RigError, OSError):
                pass

    def signal_all(self, number=signal.SIGTERM):
        for command in list(self.agent.commands.values()):
            command.signal(number)


class Namespace(Runner):
    """A node that is a network, mount and host-name namespace within a machine."""

    def __init__(self, name, machine):
        self.name = name
        self.machine = machine
        self.env = {}
        self.cwd = '/'

    def spawn(self, command, env=None, cwd=None, **options):
        # Entering the mount namespace leads to its root folder, so a shell goes where the caller is.
        run = f'/run/rig/ns/{self.name}'
        enter = ['nsenter', f'--net={run}.net', f'--uts={run}.uts', f'--mount={run}.mnt', '--',
                 '/bin/sh', '-c', 'cd "$0" 2>/dev/null; exec "$@"', cwd or self.cwd]
        return super().spawn([*enter, *self.argv(command)], env=env, **options)

    def link(self):
        return self.machine.link()

    def dump_blocked(self):
        self.machine.dump_blocked()

    def running(self):
        return self.machine.running()

    def not_a_machine(self, *_args, **_options):
        raise RigError(f'{self.name} is a network namespace; only a machine has power to lose')

    start = kill = restart = pause = resume = not_a_machine
