// SPDX-License-Identifier: GPL-2.0
// Probe: HAVE_COPY_SPLICE_READ
// Differs: the kernel splices through read_iter by copy_splice_read().
// Absent: .copy_splice_read. undeclared
#include <linux/fs.h>

const struct file_operations probe_fops = {.splice_read = copy_splice_read};
