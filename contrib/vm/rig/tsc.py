# SPDX-License-Identifier: GPL-2.0
"""The rate of the host's time stamp counter, which an emulated CPU's counter follows.

A guest measures that rate at boot. On a busy host the emulated CPU may not run for a while in the middle of the
measurement; the guest then believes a rate that is wrong several times over, its clock runs fast or slow by as
much, and timeouts and stalls come out of nowhere. So the rig measures on the host, where that can be done
right, and tells the guest (tsc_early_khz).
"""

import ctypes
import functools
import mmap
import platform
import time

# rdtsc; shl rdx, 32; or rax, rdx; ret
READ_TSC = bytes.fromhex('0f31 48c1e220 4809d0 c3')
INTERVAL_NS = 30_000_000
TRIES = 2000


def sample(read):
    """The counter and the time at which it was read, taken where the two lie closest together."""
    best = None
    quick = 0
    for _ in range(TRIES):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        counter = read()
        gap = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) - before
        if best is None or gap < best[0]:
            best = (gap, counter, before + gap // 2)
        quick += gap < 2000
        if quick >= 5:
            break
    return best[1], best[2]


@functools.lru_cache
def host_khz():
    """Measured rate in kHz, or None on a host that is no x86_64 or forbids executable memory."""
    if platform.machine() != 'x86_64':
        return None
    try:
        code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return None
    code.write(READ_TSC)
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(address)
    first, started = sample(read)
    time.sleep(INTERVAL_NS / 1e9)
    last, ended = sample(read)
    return round((last - first) * 1_000_000 / (ended - started))
