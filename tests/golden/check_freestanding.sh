#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks objects compiled as for a kernel: nothing undefined but our own functions and what a kernel
# has, no static constructors.
#
# usage: check_freestanding.sh OBJECT...

set -euo pipefail

# Functions every kernel exports, and the platform boundary.
allowed='memchr|memcmp|memcpy|memmove|memset|strlen|cfs_[a-z0-9_]*'

status=0
defined=$(nm -C --defined-only "$@" | sed -n 's/^[0-9a-f]* [A-Za-z] //p' | sort -u)
undefined=$(nm -C --undefined-only "$@" | sed -n 's/^ *U //p' | sort -u)
missing=$(comm -23 <(echo "$undefined") <(echo "$defined") | grep -Evx "$allowed" || true)
if [ -n "$missing" ]; then
	echo "undefined in freestanding objects:" >&2
	sed 's/^/  /' <<<"$missing" >&2
	status=1
fi
if objdump -h "$@" | grep -E '\.(init_array|ctors)'; then
	echo "static constructors in freestanding objects" >&2
	status=1
fi
exit $status
