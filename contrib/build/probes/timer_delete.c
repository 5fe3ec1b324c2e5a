// SPDX-License-Identifier: GPL-2.0
// Probe: HAVE_TIMER_DELETE
// Differs: del_timer() and del_timer_sync() are now timer_delete() and timer_delete_sync().
// Absent: implicit declaration of function .timer_delete
#include <linux/timer.h>

int probe(struct timer_list *t);
int probe(struct timer_list *t)
{
	return timer_delete(t) + timer_delete_sync(t);
}
