# SPDX-License-Identifier: GPL-2.0
"""The command line of the rig."""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from . import run as runner
from .cluster import ICOUNT, REPO, Cluster
from .errors import RigError

DESCRIPTION = '''\
Real Linux kernels in small emulated machines (qemu, no KVM needed), for tests.

A node boots in a few seconds into the host's own user land: the host's root file system is its root, read-only
over 9p below a tmpfs, so every host path works on a node, changes are private to it and vanish. Scripts and
commands run as root in the folder you are in. /share is a folder that all nodes and the host share. Nodes
reach each other as n1, n2, ... (192.168.50.1, ...) through a hub of the rig's own; nothing leaves the machine.
'''

EXAMPLES = '''\
examples:
  vm run -- uname -a                             boot, run one command, power off
  vm run --kernel 6.12 --script t.sh             a script on a 6.12 kernel
  vm run --nodes 2 --script n1=server.sh --script n2=client.sh --disk n1:4G
  vm run --netns 4 --script t.sh                 four nodes within one kernel
  vm run --net a:n1,n2 --net b:n2,n3 --nodes 3 --pcap lan.pcap --script t.sh
  vm run --expect 'WARNING: .*my_function' -- insmod ./warns.ko
  vm run --icount -- ./benchmark                 guest time counts instructions

in a script: $RIG_NODE (my name), $RIG_NODES (all), $RIG_IP, $RIG_DISKS, $RIG_SHARE (/share), $RIG_REPO;
  rig-barrier NAME waits until every node has come to NAME.

exit status of vm run: 0; or that of the first script that failed; or
  120  a kernel complained (oops, WARNING, lockdep, KASAN, hung task, leak, ...), or --expect did not come
  124  the time limit passed           125  the rig failed, or a node died
  130  interrupted
'''


def split_node(text, mark='='):
    """'n1=value' -> ('n1', value); 'value' -> (None, value)."""
    node, found, value = text.partition(mark)
    return (node, value) if found and node.isidentifier() else (None, text)


def by_node(items, mark='='):
    """A list of [NODE=]VALUE as a dict; the last one wins."""
    return dict(split_node(item, mark) for item in items)


def lists_by_node(items, mark):
    result = {}
    for item in items:
        node, value = split_node(item, mark)
        result.setdefault(node, []).append(value)
    return result


def parse_nets(items):
    nets = {}
    for item in items:
        name, _, nodes = item.partition(':')
        if not name.isidentifier() or not nodes:
            raise RigError(f'--net {item}: expected NAME:NODE,NODE...')
        nets[name] = nodes.split(',')
    return nets


def parse_env(items):
    env = {}
    for item in items:
        name, found, value = item.partition('=')
        env[name] = value if found else os.environ.get(name, '')
    return env


def cluster_options(parser):
    group = parser.add_argument_group('machines')
    group.add_argument('--nodes', type=int, default=1, metavar='N', help='how many machines: n1 ... nN (default 1)')
    group.add_argument('--netns', type=int, default=0, metavar='N',
                       help='instead: one machine, "vm", with N network namespaces n1 ... nN as nodes')
    group.add_argument('--kernel', action='append', default=[], metavar='[NODE=]K',
                       help='6.1 (default), 6.12, or a path: an image, or a folder with an image and lib/modules')
    group.add_argument('--modules', action='append', default=[], metavar='[NODE=]DIR',
                       help='modules folder (.../lib/modules/RELEASE) of a kernel given as an image')
    group.add_argument('--memory', action='append', default=[], metavar='[NODE=]MIB', help='default 1024')
    group.add_argument('--cpus', action='append', default=[], metavar='[NODE=]N', help='default 2')
    group.add_argument('--disk', action='append', default=[], metavar='[NODE:]SIZE',
                       help='add a sparse disk (512M, 4G), or a copy of a raw image file; may be repeated')
    group.add_argument('--net', action='append', default=[], metavar='NAME:NODES',
                       help='a network of some nodes (default: one of all); network k is 192.168.(50+k).0/24')
    group.add_argument('--mtu', type=int, default=1500, help='MTU of the networks (up to 65000)')
    group.add_argument('--append', default='', metavar='ARGS', help='more kernel command line')
    group.add_argument('--icount', nargs='?', const=ICOUNT, default='', metavar='VALUE',
                       help=f'guest time counts instructions: one CPU and qemu -icount (default {ICOUNT})')
    group.add_argument('--kvm', action='store_true', help='hardware virtualisation instead of emulation')
    group = parser.add_argument_group('the run')
    group.add_argument('--env', action='append', default=[], metavar='NAME[=VALUE]',
                       help='environment of the scripts; without a value, taken from here')
    group.add_argument('--timeout', type=float, default=600, metavar='S', help='time limit of the whole (default 600)')
    group.add_argument('--boot-timeout', type=float, default=180, metavar='S', help='of a boot (default 180)')
    group.add_argument('--allow', action='append', default=[], metavar='REGEX',
                       help='excuse kernel reports that match (searched in the whole report)')
    group.add_argument('--expect', action='append', default=[], metavar='REGEX',
                       help='as --allow, and fail unless one comes')
    group.add_argument('--pcap', metavar='FILE', help='capture the networks (FILE.NET.pcap if there are several)')
    group.add_argument('--seed', type=int, default=1, help='of the frames that a lossy link loses')


def make_cluster(args, out, on_line):
    return Cluster(nodes=args.nodes, netns=args.netns, kernel=by_node(args.kernel), modules=by_node(args.modules),
                   memory=by_node(args.memory), cpus=by_node(args.cpus), disks=lists_by_node(args.disk, ':'),
                   nets=parse_nets(args.net), mtu=args.mtu, icount=args.icount, kvm=args.kvm, append=args.append,
                   allow=args.allow, expect=args.expect, env=parse_env(args.env), timeout=args.timeout,
                   boot_timeout=args.boot_timeout, pcap=args.pcap, out=out, on_line=on_line, seed=args.seed,
                   start=False)


def output_folder(args, label):
    """Where the consoles go: --out, or build/vm/LABEL in the tree; emptied of an earlier run's files."""
    path = Path(args.out) if args.out else REPO / 'build/vm' / label
    path.mkdir(parents=True, exist_ok=True)
    for old in [*path.glob('*.console'), *path.glob('*.qemu')]:
        old.unlink()
    return path


def jobs_for(args, cluster):
    """One job a node: its script, or the script or command for all."""
    names = cluster.namespaces or list(cluster.nodes)
    scripts = by_node(args.script)
    for node in scripts:
        if node is not None:
            cluster[node]
    jobs = []
    for name in names:
        script = scripts.get(name, scripts.get(None))
        if script:
            jobs.append(runner.Job(name, [*runner.install_script(cluster, name, script), *args.command]))
        elif args.command and not scripts:
            jobs.append(runner.Job(name, args.command if len(args.command) > 1 else args.command[0]))
    return jobs


def command_run(args):
    if not args.script and not args.command:
        raise RigError('nothing to run: give --script FILE or -- COMMAND')
    for _, path in map(split_node, args.script):
        if not os.path.isfile(path):
            raise RigError(f'{path}: no such script')
    label = Path(split_node(args.script[0])[1]).stem if args.script else 'run'
    out = output_folder(args, label)
    printer = runner.Printer(prefix=max(args.nodes, args.netns) > 1)
    started = time.monotonic()
    status = runner.run(lambda: make_cluster(args, out, printer.console if args.console else None),
                        lambda cluster: jobs_for(args, cluster), printer)
    if not args.quiet:
        result = 'ok' if status == 0 else f'FAILED with status {status}'
        runner.note(f'{result} after {time.monotonic() - started:.1f} s; consoles in {os.path.relpath(out)}')
    return status


def build_parser():
    parser = argparse.ArgumentParser(prog='vm', description=DESCRIPTION, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='do', metavar='COMMAND', required=True)
    run = commands.add_parser('run', help='boot nodes, run scripts or a command on them, power off',
                              epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    run.add_argument('--script', action='append', default=[], metavar='[NODE=]FILE',
                     help='script of a node, or of every node that has none of its own')
    run.add_argument('--out', metavar='DIR', help='folder for the consoles (default build/vm/SCRIPT)')
    run.add_argument('--console', '-c', action='store_true', help='stream the consoles too')
    run.add_argument('--quiet', '-q', action='store_true', help='no closing line')
    cluster_options(run)
    run.add_argument('command', nargs='*', help='after --: a command for every node, or arguments of the scripts')
    run.set_defaults(call=command_run)
    return parser


def main(argv):
    args = build_parser().parse_args(argv)
    if not shutil.which('qemu-system-x86_64'):
        runner.note('qemu-system-x86 is not installed (see contrib/packages.txt)')
        return runner.RIG_FAILED
    try:
        return args.call(args)
    except RigError as error:
        runner.note(str(error))
        return runner.RIG_FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return runner.INTERRUPTED
