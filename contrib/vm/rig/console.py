# SPDX-License-Identifier: GPL-2.0
"""Reads a node's console: saves it, streams it, and finds the kernel's complaints in it.

A Report is a complaint with the lines that belong to it. Every report fails the run unless a pattern that the
user gave says that it may (`allow`) or must (`expect`) come; the pattern is searched in the whole report, so it
may name a function of the stack trace. An expected report that does not come fails the run too.
"""

import os
import re
import threading
import time
from dataclasses import dataclass, field

# A line that opens a report. Each alternative is a message of the kernel that no healthy run shows.
TROUBLE = re.compile('|'.join((
    r'\bBUG:? ',                        # oops, KASAN, sleeping in atomic, soft lockup, bad page, "BUG cache (...)"
    r'kernel BUG at',
    r'\bOops\b',
    r'WARNING: ',                       # WARN(), lockdep, suspicious RCU usage, kmemleak's own
    r'general protection fault',
    r'[Uu]nable to handle',
    r'double fault',
    r'Kernel panic',
    r'INFO: task .* blocked for more than',
    r'INFO: (possible|trying to register|lockdep is turned off|inconsistent|rcu)',
    r'rcu: INFO: ',                     # stalls
    r'rcu: .*(starved|stall)',
    r'UBSAN: ',
    r'KFENCE: |KCSAN: |KMSAN: |ODEBUG: |DMA-API: ',
    r'kmemleak: \d+ new suspected memory leak',
    r'kmemleak: unreferenced object',
    r'Slab cache still has objects',
    r'Objects remaining',
    r'refcount_t: ',
    r'(list_add|list_del|kernel stack|slab) corruption',
    r'stack-protector: ',
    r'scheduling while atomic',
    r'sleeping function called from invalid context',
    r'DEBUG_LOCKS_WARN_ON',
    r'unregister_netdevice: waiting for',
    r'VFS: Busy inodes after unmount',
    r'page allocation failure',
    r'Out of memory: Kill',
    r'(EXT4|LDISKFS)-fs error',
    r'JBD2: .*(corrupt|error)',
    r'rig: (boot failed|leak|taint)',   # the rig's own init and final checks
)))

# Lines that contain the words above and mean nothing.
HARMLESS = re.compile('|'.join((
    r'^Kernel command line: ',
    r'Unknown kernel command line parameters',
    r'^(Spectre V[12]|MDS|TAA|MMIO Stale Data|RETBleed|Register File Data Sampling) ?: ',
    r'^rcu: \s*RCU CPU stall warnings',
)))

# Until a kernel says this, it runs nothing that was not there before us.
FIRST_PROCESS = 'Run /init as init process'

STAMP = re.compile(r'^\[ *\d+\.\d+\](\[ *[TC]\d+\])? ?')
TRACE_END = re.compile(r'---\[ end (trace|Kernel panic)')
# What may follow a stack trace within a report: KASAN's and lockdep's details, an oops's registers.
AFTER_TRACE = re.compile(r'\s|$|Modules linked|---\[|CR2|RIP|RSP|Code|R[A-Z0-9]+:|FS:|CS:|Call Trace|'
                         r'Allocated|Freed|Last potentially|The buggy|Memory state|=====|page|>')
MAX_LINES = 300
MAX_UNTRACED = 12


@dataclass
class Report:
    """One complaint of a kernel."""
    node: str
    lines: list = field(default_factory=list)
    ended: bool = False
    in_trace: bool = False
    after_trace: bool = False

    @property
    def text(self):
        return '\n'.join(self.lines)

    def head(self, count=60):
        more = len(self.lines) - count
        return '\n'.join(self.lines[:count] + ([f'... {more} more lines'] if more > 0 else []))


class Scanner:
    """Groups a console's lines into reports.

    Within a report everything belongs to it until its end mark ("---[ end trace"), the end of its stack trace
    followed by an unrelated line, or MAX_LINES: one complaint often prints several lines that look like one.
    """

    def __init__(self, node):
        self.node = node
        self.reports = []
        self.current = None
        self.previous = ''

    def line(self, raw):
        text = STAMP.sub('', raw)
        trouble = bool(TROUBLE.search(text)) and not HARMLESS.search(text)
        if self.current and (len(self.current.lines) >= MAX_LINES or self.is_over(text, trouble)):
            self.current = None
        if self.current is None:
            if trouble:
                self.open()
            else:
                self.previous = raw
                return False
        report = self.current
        report.lines.append(raw)
        if 'Call Trace:' in text or '<TASK>' in text:
            report.in_trace, report.after_trace = True, False
        if '</TASK>' in text:
            report.after_trace = True
        if TRACE_END.search(text):
            report.ended = True
        return trouble

    def is_over(self, text, trouble):
        report = self.current
        if report.ended or 'rig: final check' in text or (len(report.lines) > MAX_UNTRACED and not report.in_trace):
            return True
        if report.after_trace:
            return trouble or not AFTER_TRACE.match(text)
        return trouble and not report.in_trace and self.starts_anew(text)

    def starts_anew(self, text):
        """Whether a troubling line opens a second report though the first had no trace yet."""
        return len(self.current.lines) > 1 and not re.search(r'cut here|Oops|#PF|kmem_cache_destroy', text)

    def open(self):
        self.current = Report(self.node)
        self.reports.append(self.current)
        if 'cut here' in self.previous or self.previous.endswith('====='):
            self.current.lines.append(self.previous)


class Verdict:
    """What the user allows and expects the kernels of a run to say."""

    def __init__(self, allow=(), expect=()):
        self.allow = [re.compile(pattern) for pattern in allow]
        self.expect = [re.compile(pattern) for pattern in expect]

    def judge(self, reports):
        """Returns (reports that are not excused, expected patterns that no report matched)."""
        missing = [p.pattern for p in self.expect if not any(p.search(r.text) for r in reports)]
        bad = [r for r in reports if not any(p.search(r.text) for p in self.allow + self.expect)]
        return bad, missing

    def excuses(self, report):
        return any(p.search(report.text) for p in self.allow + self.expect)


class Console:
    """The console of one node; lives across the node's restarts."""

    def __init__(self, name, path, on_line=None):
        self.name = name
        self.path = path
        self.on_line = on_line
        self.scanner = Scanner(name)
        self.lock = threading.Condition()
        self.tail = []
        self.first_process = False  # whether this boot has come that far
        self.past = []              # reports of earlier boots
        self.file = open(path, 'ab', buffering=0)

    def attach(self, fd):
        """Read the console from a new qemu's output until it closes."""
        with self.lock:
            self.past += self.scanner.reports
            self.scanner, self.first_process = Scanner(self.name), False
        thread = threading.Thread(target=self.pump, args=(fd,), name=f'console-{self.name}', daemon=True)
        thread.start()
        return thread

    def pump(self, fd):
        rest = b''
        while True:
            try:
                data = os.read(fd, 1 << 16)
            except OSError:
                data = b''
            if not data:
                break
            self.file.write(data)
            *lines, rest = (rest + data).split(b'\n')
            for line in lines:
                self.take(line)
        if rest:
            self.take(rest)
        os.close(fd)

    def take(self, raw):
        text = raw.decode(errors='replace').rstrip('\r')
        with self.lock:
            self.scanner.line(text)
            self.first_process |= FIRST_PROCESS in text
            self.tail.append(text)
            del self.tail[:-400]
            self.lock.notify_all()
        if self.on_line:
            self.on_line(self.name, text)

    def wait_for(self, text, timeout):
        """Wait until a line with the text has come (looks at recent lines too)."""
        deadline = time.monotonic() + timeout
        with self.lock:
            while not any(text in line for line in self.tail):
                if not self.lock.wait(max(0, deadline - time.monotonic())):
                    return False
        return True

    def last_lines(self, count):
        with self.lock:
            return self.tail[-count:]

    def reports(self):
        with self.lock:
            return self.past + self.scanner.reports

    def forget_boot(self):
        """What this boot reported does not count."""
        with self.lock:
            self.scanner = Scanner(self.name)
