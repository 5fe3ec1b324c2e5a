// SPDX-License-Identifier: GPL-2.0
//
// Failing allocations on purpose: each place in the self-tests that allocates fails once, one in
// each run of a test. A place is told by its innermost return addresses; allocations that no frame
// of this module leads to are let alone.
#include <linux/jhash.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/stacktrace.h>

#include "../../linux/glue.h"
#include "selftest.h"

/* Enough to lead from libcfs through templates to the test, or to the start of its thread. */
#define FRAMES_MAX 12
/* No test has as many. */
#define PLACES_MAX 128

static DEFINE_SPINLOCK(lock);
static u32 places[PLACES_MAX]; /* that had their turn; by the lock, as all below */
static unsigned int place_count;
static bool armed, refused;

static bool is_ours(const unsigned long *frames, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (within_module(frames[i], THIS_MODULE))
			return true;
	return false;
}

static bool had_its_turn(u32 place)
{
	unsigned int i;

	for (i = 0; i < place_count; i++)
		if (places[i] == place)
			return true;
	return false;
}

static bool refuse(void)
{
	unsigned long frames[FRAMES_MAX], flags;
	unsigned int n;
	bool no = false;
	u32 place;

	if (!READ_ONCE(armed))
		return false;
	n = stack_trace_save(frames, FRAMES_MAX, 0);
	if (!is_ours(frames, n))
		return false;
	place = jhash(frames, n * sizeof(frames[0]), 0);
	spin_lock_irqsave(&lock, flags);
	if (armed && !refused && place_count < PLACES_MAX && !had_its_turn(place)) {
		places[place_count++] = place;
		no = refused = true;
	}
	spin_unlock_irqrestore(&lock, flags);
	return no;
}

void cfs_selftest_faults_start(void)
{
	cfs_mem_set_refuser(refuse);
}

void cfs_selftest_faults_stop(void)
{
	cfs_mem_set_refuser(NULL);
}

void cfs_selftest_faults_forget(void)
{
	place_count = 0;
}

void cfs_selftest_faults_arm(void)
{
	spin_lock_irq(&lock);
	refused = false;
	armed = true;
	spin_unlock_irq(&lock);
}

bool cfs_selftest_faults_disarm(void)
{
	bool ret;

	spin_lock_irq(&lock);
	armed = false;
	/* One more would be a test that does not end. */
	ret = refused || place_count == PLACES_MAX;
	spin_unlock_irq(&lock);
	return ret;
}
