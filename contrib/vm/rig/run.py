# SPDX-License-Identifier: GPL-2.0
"""Runs scripts on the nodes of a cluster and turns everything that can happen into one exit status."""

import os
import shutil
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from .errors import KernelReport, NodeDied, RigError
from .link import STDERR

# Exit statuses beside the scripts' own.
REPORTED, TIMED_OUT, RIG_FAILED, INTERRUPTED = 120, 124, 125, 130

GRACE = 20.0


class Printer:
    """Writes the output of several nodes line by line, each line whole and with its node's name."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.rest = {}
        self.broken = False
        self.lock = threading.Lock()

    def sink(self, node):
        return lambda kind, data: self.take(node, kind, data)

    def take(self, node, kind, data):
        stream = (sys.stderr if kind == STDERR else sys.stdout).buffer
        with self.lock:
            if self.prefix:
                *lines, self.rest[node, kind] = (self.rest.get((node, kind), b'') + data).split(b'\n')
                data = b''.join(f'{node}| '.encode() + line + b'\n' for line in lines)
            try:
                stream.write(data)
                stream.flush()
            except OSError:
                self.broken = True

    def finish(self):
        for (node, kind), rest in list(self.rest.items()):
            if rest:
                self.take(node, kind, b'\n')

    def console(self, node, line):
        with self.lock:
            sys.stderr.write(f'{node}# {line}\n')
            sys.stderr.flush()


@dataclass
class Job:
    """What runs on one node."""
    node: str
    command: object
    running: object = None
    status: int = None


def note(text):
    sys.stderr.write(f'vm: {text}\n')
    sys.stderr.flush()


def install_script(cluster, node, path):
    """Copy a script to the share, whence it runs; it need not be executable or visible to the node."""
    target = cluster.share / '.rig' / f'{node}-{Path(path).name}'
    shutil.copyfile(path, target)
    target.chmod(0o755)
    script = f'/share/.rig/{target.name}'
    with open(path, 'rb') as file:
        return [script] if file.read(2) in (b'#!', b'\x7fE') else ['/bin/bash', script]


def run_jobs(cluster, jobs, printer):
    """Run all jobs at once; returns the first failure's status, or 0.

    When one fails, the others are told through the share (rig-barrier gives up) and have GRACE seconds left.
    """
    for job in jobs:
        node = cluster[job.node]
        job.running = node.spawn(job.command, on_output=printer.sink(job.node))
        job.running.close_stdin()
    first, give_up = 0, None
    while any(job.status is None for job in jobs):
        if printer.broken:
            raise BrokenPipeError('nobody reads our output')
        for job in jobs:
            if job.status is None and job.running.done.wait(0.02):
                job.status = job.running.status if job.running.status is not None else RIG_FAILED
                if job.running.status is None and not cluster.expired:
                    note_death(cluster[job.node])
                if job.status and not first:
                    first, give_up = job.status, time.monotonic() + GRACE
                    (cluster.share / '.rig/failed').touch()
                    note_failure(job, len(jobs))
        if give_up and time.monotonic() > give_up:
            for job in jobs:
                if job.status is None:
                    job.running.signal(signal.SIGKILL)
                    note(f'{job.node}: killed, {GRACE:g} s after another node failed')
            give_up = None
    return first


def note_death(node):
    note(f'{node.name}: the node died while its script ran')
    machine = getattr(node, 'machine', node)
    if not machine.console.reports():
        note('\n' + machine.last_words())


def note_failure(job, count):
    if job.running.status is not None and count > 1:
        note(f'{job.node}: script failed with status {job.status}')


def judge(cluster, status):
    """The run's status, given the scripts': kernel reports and the time limit come first."""
    if cluster.expired:
        note(f'time limit of {cluster.timeout:g} s: ended; see where tasks are blocked in {cluster.out}')
        return TIMED_OUT
    try:
        cluster.check(final=not status)
    except KernelReport as error:
        note(str(error))
        return REPORTED
    if cluster.expired:
        return TIMED_OUT
    return status


def terminate(number, _frame):
    raise SystemExit(128 + number)


def handle_signals():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, terminate)


def run(make_cluster, make_jobs, printer):
    """`vm run`: make the cluster, run the jobs, judge, clean up. Returns the exit status."""
    handle_signals()
    cluster = None
    try:
        cluster = make_cluster()
        cluster.start()
        status = run_jobs(cluster, make_jobs(cluster), printer)
        printer.finish()
        return judge(cluster, status)
    except (RigError, OSError) as error:
        note(str(error))
        return judge_failure(cluster)
    except KeyboardInterrupt:
        note('interrupted')
        return INTERRUPTED
    finally:
        if cluster:
            cluster.close()


def judge_failure(cluster):
    """The rig itself failed, perhaps because a kernel did."""
    if cluster is None:
        return RIG_FAILED
    status = judge(cluster, RIG_FAILED)
    return status
