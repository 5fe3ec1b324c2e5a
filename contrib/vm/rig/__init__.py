# SPDX-License-Identifier: GPL-2.0
"""The VM rig: real kernels in emulated machines, for tests. `contrib/vm/vm --help` is the command line of it.

    import sys; sys.path.insert(0, 'contrib/vm')
    from rig import Cluster
"""

from .cluster import Cluster
from .errors import CommandFailed, KernelReport, NodeDied, RigError, RigTimeout
from .link import Result

__all__ = ['Cluster', 'CommandFailed', 'KernelReport', 'NodeDied', 'Result', 'RigError', 'RigTimeout']
