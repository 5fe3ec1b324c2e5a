# SPDX-License-Identifier: GPL-2.0
#
# How ext4 becomes ldiskfs, as text.  prepare runs these rules over every file it takes from the
# kernel, so that the result loads beside ext4: every name the running kernel shows (file system
# type, sysfs, /proc, tracing, slabs, work queues, messages) then differs.  No rule adds or removes
# a line: line N of a generated file is line N of the kernel's.
#
# prepare checks the result and stops when a rule no longer does its work.

# Three families keep their names: the superblock magic, which is the kernel's (linux/magic.h), and
# two that the preprocessor pastes together from "ext" and a number.
s/\bEXT4(_SUPER_MAGIC|_FEATURE_(RO_|IN)?COMPAT_SUPP)\b/@EXT@\1/g
s/_unknown_ext4_/_unknown_@ext@_/g
s/EXT4/LDISKFS/g
s/ext4/ldiskfs/g
s/@EXT@/EXT4/g
s/@ext@/ext4/g

# ext4 also answers for ext2 and ext3; ldiskfs is one file system type only.
s/^MODULE_ALIAS(_FS)?\("ext[23]"\);$//
s/^\t(un)?register_as_ext[23]\(\);$//
