#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Makes configure from configure.ac. Needs autoconf only.
set -e
cd "$(dirname "$0")"
autoconf -f
rm -rf autom4te.cache
