// SPDX-License-Identifier: GPL-2.0
// Probe: HAVE_FILE_LOCK_CORE
// Differs: file locks have a header, and what they share with leases is struct file_lock_core.
// Absent: linux/filelock.h: No such file|has no member named .c.
#include <linux/filelock.h>

int probe(struct file_lock *fl);
int probe(struct file_lock *fl)
{
	return fl->c.flc_type;
}
