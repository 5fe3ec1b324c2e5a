# SPDX-License-Identifier: GPL-2.0
"""Connects a running command to this process's standard input and output, as ssh does."""

import os
import select
import shutil
import signal
import sys
import termios
import threading
import tty

from .errors import NodeDied
from .link import STDERR

INPUT_CHUNK = 4096


def write_output(kind, data):
    stream = (sys.stderr if kind == STDERR else sys.stdout).buffer
    stream.write(data)
    stream.flush()


def attach(start, terminal):
    """Start a command by start(on_output) and stay with it to its end; returns its status.

    With terminal the local terminal goes raw, so that every key, Ctrl-C too, goes to the node. Without,
    Ctrl-C sends the command SIGINT; a second one gives up.
    """
    wake, wake_in = os.pipe()
    saved = termios.tcgetattr(0) if terminal else None
    command = start(write_output)
    threading.Thread(target=lambda: (command.done.wait(), os.write(wake_in, b'x')), daemon=True).start()
    try:
        if terminal:
            tty.setraw(0, termios.TCSANOW)
            send_size(command)
            signal.signal(signal.SIGWINCH, lambda *_: send_size(command))
        pump_input(command, wake)
    finally:
        if terminal:
            signal.signal(signal.SIGWINCH, signal.SIG_DFL)
            termios.tcsetattr(0, termios.TCSADRAIN, saved)
    if command.status is None:
        raise NodeDied('the node died, or the session ended')
    return command.status


def send_size(command):
    size = shutil.get_terminal_size()
    try:
        command.resize(size.lines, size.columns)
    except NodeDied:
        pass


def pump_input(command, wake):
    """Pass standard input on until the command ends."""
    sources = [wake, 0]
    interrupted = False
    while not command.done.is_set():
        try:
            ready = select.select(sources, [], [])[0]
            if 0 in ready:
                data = os.read(0, INPUT_CHUNK)
                if data:
                    command.write(data, timeout=1e6)
                else:
                    command.close_stdin()
                    sources.remove(0)
        except NodeDied:
            return
        except KeyboardInterrupt:
            if interrupted:
                raise
            interrupted = True
            command.signal(signal.SIGINT)
