# SPDX-License-Identifier: GPL-2.0
"""What can go wrong in the rig, as exceptions."""


class RigError(Exception):
    """The rig could not do what was asked; the message says why and what to do."""


class NodeDied(RigError):
    """A node's qemu ended while something was still wanted from the node."""


class RigTimeout(RigError):
    """A time limit passed."""


class CommandFailed(RigError):
    """A command on a node ended with a status other than 0."""

    def __init__(self, node, argv, result):
        self.node, self.argv, self.result = node, argv, result
        text = f'{node}: {argv!r} ended with status {result.status}'
        tail = (result.err or result.out).strip()
        super().__init__(text + ('\n' + tail[-4000:] if tail else ''))


class KernelReport(RigError):
    """A kernel console showed what no healthy run shows, or did not show what was expected."""
