# SPDX-License-Identifier: GPL-2.0
"""Starts the rig's child processes so that none can outlive the rig.

Each child gets SIGKILL from the kernel when its parent ends, however the parent ends (PR_SET_PDEATHSIG). The
kernel means the parent *thread* by that, so all children are started by one thread that lives as long as the
process, whichever thread asks.
"""

import concurrent.futures
import os
import queue
import signal
import subprocess
import threading


class Launcher:
    def __init__(self):
        self.requests = queue.Queue()
        self.pid = 0
        self.lock = threading.Lock()

    def serve(self):
        while True:
            future, argv, options = self.requests.get()
            try:
                future.set_result(subprocess.Popen(argv, **options))
            except BaseException as error:
                future.set_exception(error)

    def start(self, argv, **options):
        with self.lock:
            if self.pid != os.getpid():
                self.pid = os.getpid()
                threading.Thread(target=self.serve, name='launcher', daemon=True).start()
        future = concurrent.futures.Future()
        self.requests.put((future, ['setpriv', '--pdeathsig', 'KILL', '--', *argv],
                           {'start_new_session': True, 'stdin': subprocess.DEVNULL, **options}))
        return future.result(30)


LAUNCHER = Launcher()


def launch(argv, **options):
    """As subprocess.Popen, in a process group of its own, and ending with this process."""
    return LAUNCHER.start([str(arg) for arg in argv], **options)


def kill(process):
    """End a launched process and its group at once, and wait for it."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait(30)
