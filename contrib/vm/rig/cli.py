# SPDX-License-Identifier: GPL-2.0
"""The command line of the rig."""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from . import run as runner
from . import session, terminal
from .cluster import ICOUNT, REPO, Cluster
from .errors import KernelReport, RigError

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

  vm shell                                       a shell on a fresh node; exit powers it off
  vm up --nodes 3 --disk n1:4G                   a session: nodes stay up until `vm down`
  vm exec n1 'lsblk; dmesg | tail'               a command on a node (input, output and status as with ssh)
  vm shell n2                                    a shell on a node
  vm kill n1 && vm start n1                      power loss, then power on with the same disks
  vm net cut n1 n2; vm net heal                  the network between two nodes
  vm net shape n1 n2 --delay 20 --loss 0.01
  vm down                                        power off; fails if a kernel complained

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


def cluster_options(parser, timeout):
    group = parser.add_argument_group('machines')
    group.add_argument('--nodes', type=int, default=1, metavar='N', help='how many machines: n1 ... nN (default 1)')
    group.add_argument('--netns', type=int, default=0, metavar='N',
                       help='instead: one machine, "vm", with N network namespaces n1 ... nN as nodes')
    group.add_argument('--kernel', action='append', default=[], metavar='[NODE=]K',
                       help='6.1 (default), 6.12, 6.1-debug, or a path: an image, or a folder with an image and '
                            'lib/modules')
    group.add_argument('--modules', action='append', default=[], metavar='[NODE=]DIR',
                       help='modules folder (.../lib/modules/RELEASE) of a kernel given as an image')
    group.add_argument('--memory', action='append', default=[], metavar='[NODE=]MIB',
                       help='default 1024; 2048 for debug kernels')
    group.add_argument('--cpus', action='append', default=[], metavar='[NODE=]N', help='default 2')
    group.add_argument('--disk', action='append', default=[], metavar='[NODE:]SIZE',
                       help='add a sparse disk (512M, 4G), or a copy of a raw image file; may be repeated')
    group.add_argument('--net', action='append', default=[], metavar='NAME:NODES',
                       help='a network of some nodes (default: one of all); network k is 192.168.(50+k).0/24')
    group.add_argument('--mtu', type=int, default=9000, metavar='BYTES',
                       help='of the networks, up to 65000 (default 9000)')
    group.add_argument('--append', default='', metavar='ARGS', help='more kernel command line')
    group.add_argument('--icount', nargs='?', const=ICOUNT, default='', metavar='VALUE',
                       help=f'guest time counts instructions: one CPU and qemu -icount (default {ICOUNT})')
    group.add_argument('--kvm', action='store_true', help='hardware virtualisation instead of emulation')
    group = parser.add_argument_group('the run')
    group.add_argument('--env', action='append', default=[], metavar='NAME[=VALUE]',
                       help='environment of the scripts; without a value, taken from here')
    group.add_argument('--timeout', type=float, default=timeout, metavar='S',
                       help=f'time limit of the whole (default {timeout})')
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


def session_name(args):
    return args.session or session.default_name()


def command_up(args):
    name = session_name(args)
    if name in session.names():
        raise RigError(f'session {name} runs already; `vm down` ends it')
    args.out = str(output_folder(args, f'session-{name}').resolve())
    options = args.raw[:]
    session.start_server(name, options, Path(args.out))
    return command_status(args)


def command_serve(args):
    """The server process of a session: reports on --ready-fd, then serves."""
    runner.handle_signals()
    cluster = make_cluster(args, args.out, None)
    try:
        cluster.start()
        server = session.Server(args.session, cluster)
        with os.fdopen(args.ready_fd, 'w') as ready:
            ready.write('up')
        server.serve(args.owner)
    finally:
        cluster.close()
    return 0


def command_status(args):
    answer = session.ask(session_name(args), do='status')
    print(f'session {answer["session"]}: share {answer["share"]}, consoles in {answer["out"]}')
    for node in answer['nodes']:
        disks = ' '.join(node['disks']) or '-'
        print(f'  {node["name"]:6} {node["state"]:7} {node["address"] or "-":15} {node["kernel"]:24} '
              f'{node["memory"]} MiB, {node["cpus"]} CPUs, disks {disks}')
    if answer['reports']:
        print(f'  {answer["reports"]} kernel reports; see `vm check`')
    return 0


def command_exec(args):
    words = args.command[1:] if args.command[:1] == ['--'] else args.command
    if not words:
        raise RigError('no command given')
    command = words if len(words) > 1 else words[0]
    return exec_in_session(args, command, args.tty)


def exec_in_session(args, command, tty):
    tty = tty and os.isatty(0)
    env = {'TERM': os.environ.get('TERM', 'linux')} if tty else {}
    request = {'do': 'exec', 'node': args.node, 'command': command, 'env': {**env, **parse_env(args.env)},
               'cwd': os.getcwd(), 'terminal': tty}
    return terminal.attach(lambda out: session.remote_command(session_name(args), request, out), tty)


def command_shell(args):
    if args.node:
        return exec_in_session(args, ['/bin/bash', '-l'], True)
    runner.handle_signals()
    cluster = make_cluster(args, output_folder(args, 'shell'), None)
    try:
        runner.note('booting; exit the shell to power off')
        cluster.start()
        node = cluster[cluster.namespaces[0] if cluster.namespaces else 'n1']
        env = {'TERM': os.environ.get('TERM', 'linux')}
        terminal.attach(lambda out: node.spawn(['/bin/bash', '-l'], env=env, terminal=os.isatty(0), on_output=out),
                        os.isatty(0))
        cluster.check(final=False)
    except KernelReport as error:
        runner.note(str(error))
        return runner.REPORTED
    finally:
        cluster.close()
    return 0


def command_console(args):
    """Show a node's console so far, or follow it."""
    out = session.ask(session_name(args), do='status')['out']
    path = Path(out) / f'{args.node}.console'
    if not path.exists():
        raise RigError(f'no console {path}')
    argv = ['tail', '-n', '+1', *(['-f'] if args.follow else []), str(path)]
    os.execvp(argv[0], argv)


def command_power(args):
    for node in args.nodes:
        session.ask(session_name(args), do='power', action=args.action, node=node)
    return 0


def command_net(args):
    request = {name: getattr(args, name) for name in ('a', 'b', 'net', 'delay_ms', 'loss', 'path')
               if hasattr(args, name)}
    answer = session.ask(session_name(args), do='net', action=args.action, **request)
    if args.action == 'status':
        for port in answer['ports']:
            print(f'{port["net"]}: {port["node"]}: {port["from_node"]} frames out, {port["to_node"]} in, '
                  f'{port["dropped"]} dropped{"" if port["connected"] else " (off)"}')
        for link in answer['links']:
            what = 'cut' if link['cut'] else f'delay {link["delay_ms"]} ms, loss {link["loss"]}'
            print(f'{link["net"]}: {link["a"]} - {link["b"]}: {what}')
    return 0


def show_verdict(answer):
    if 'report' in answer:
        runner.note(answer['report'])
        return runner.REPORTED
    return 0


def command_check(args):
    return show_verdict(session.ask(session_name(args), do='check'))


def command_down(args):
    return show_verdict(session.ask(session_name(args), do='down', check=not args.no_check))


def command_sessions(_args):
    for name in session.names():
        print(name)
    return 0


# --- the parser ---

class Commands:
    """Adds sub-commands that share the look and the --session option."""

    def __init__(self, parser):
        self.adder = parser.add_subparsers(dest='do', metavar='COMMAND', required=True)

    def add(self, name, call, text, in_session=True, **options):
        parser = self.adder.add_parser(name, help=text, description=text[0].upper() + text[1:] + '.', **options)
        parser.set_defaults(call=call)
        if in_session:
            parser.add_argument('--session', metavar='NAME',
                                help='which session (default: $VM_SESSION, or the one of this source tree)')
        return parser


def add_run(commands):
    run = commands.add('run', command_run, 'boot nodes, run scripts or a command on them, power off', False,
                       epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    run.add_argument('--script', action='append', default=[], metavar='[NODE=]FILE',
                     help='script of a node, or of every node that has none of its own')
    run.add_argument('--out', metavar='DIR', help='folder for the consoles (default build/vm/SCRIPT)')
    run.add_argument('--console', '-c', action='store_true', help='stream the consoles too')
    run.add_argument('--quiet', '-q', action='store_true', help='no closing line')
    cluster_options(run, 600)
    run.add_argument('command', nargs='*', help='after --: a command for every node, or arguments of the scripts')


def add_session(commands):
    up = commands.add('up', command_up, 'start a session: boot nodes and leave them up')
    up.add_argument('--out', metavar='DIR', help='folder for the consoles (default build/vm/session-NAME)')
    up.add_argument('--owner', type=int, metavar='PID', help='end the session when this process ends')
    cluster_options(up, 4 * 3600)
    serve = commands.adder.add_parser('serve-session')
    serve.set_defaults(call=command_serve)
    serve.add_argument('--session')
    serve.add_argument('--out')
    serve.add_argument('--owner', type=int)
    serve.add_argument('--ready-fd', type=int)
    cluster_options(serve, 4 * 3600)
    commands.add('status', command_status, 'show the session and its nodes')
    commands.add('sessions', command_sessions, 'list the sessions that run', False)
    shell = commands.add('shell', command_shell,
                         'an interactive shell on a node of the session; without NODE, on a fresh node')
    shell.add_argument('node', nargs='?', metavar='NODE')
    shell.add_argument('--out', metavar='DIR', help=argparse.SUPPRESS)
    cluster_options(shell, 4 * 3600)
    execute = commands.add('exec', command_exec, 'run a command on a node: one argument is for bash, several are '
                                                 'the command and its arguments')
    execute.add_argument('--tty', '-t', action='store_true', help='with a terminal')
    execute.add_argument('--env', action='append', default=[], metavar='NAME[=VALUE]')
    execute.add_argument('node', metavar='NODE')
    execute.add_argument('command', nargs=argparse.REMAINDER, metavar='COMMAND')
    console = commands.add('console', command_console, "show a machine's console")
    console.add_argument('--follow', '-f', action='store_true')
    console.add_argument('node', metavar='NODE')
    commands.add('check', command_check, 'fail if a kernel of the session complained')
    down = commands.add('down', command_down, 'end the session; fail if a kernel complained')
    down.add_argument('--no-check', action='store_true', help='just end it')


def add_power(commands):
    for name, action, text in (('kill', 'kill', 'power loss: machines are gone at once, their disks stay'),
                               ('start', 'start', 'power machines on again'),
                               ('restart', 'restart', 'power loss, and on again'),
                               ('stop', 'shut_down', 'sync the disks and power off'),
                               ('pause', 'pause', 'freeze machines: alive but silent'),
                               ('resume', 'resume', 'let frozen machines go on')):
        power = commands.add(name, command_power, text)
        power.set_defaults(action=action)
        power.add_argument('nodes', nargs='+', metavar='NODE')


def add_net(commands):
    net = commands.adder.add_parser('net', help='cut, heal, slow down, capture the networks')
    actions = Commands(net)

    def add(name, text, nodes):
        parser = actions.add(name, command_net, text)
        parser.set_defaults(action=name)
        if nodes:
            parser.add_argument('a', nargs=nodes if nodes == '?' else None, metavar='NODE')
            parser.add_argument('b', nargs='?', metavar='NODE', help='default: all the others')
            parser.add_argument('--net', metavar='NET', help='on this network only')
        return parser

    add('cut', 'drop everything between two nodes, or between one and all the others', 'one')
    add('heal', 'undo cut and shape', '?')
    shape = add('shape', 'delay frames, or lose some', '?')
    shape.add_argument('--delay', dest='delay_ms', type=float, default=0, metavar='MS')
    shape.add_argument('--loss', type=float, default=0, metavar='FRACTION', help='0 to 1')
    pcap = add('pcap', 'capture into FILE; without FILE, stop', None)
    pcap.add_argument('path', nargs='?', metavar='FILE')
    add('status', 'traffic counts and links that are not whole', None)


def build_parser():
    parser = argparse.ArgumentParser(prog='vm', description=DESCRIPTION, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = Commands(parser)
    add_run(commands)
    add_session(commands)
    add_power(commands)
    add_net(commands)
    return parser


def main(argv):
    args = build_parser().parse_args(argv)
    args.raw = argv[1:]
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
