// SPDX-License-Identifier: GPL-2.0
// Probe: HAVE_SHRINKER_ALLOC
// Differs: shrinkers are allocated by the kernel, shrinker_alloc(), no longer embedded.
// Absent: implicit declaration of function .shrinker_(alloc|register)
#include <linux/mm.h>
#include <linux/shrinker.h>

struct shrinker *probe(void);
struct shrinker *probe(void)
{
	return (struct shrinker *)shrinker_alloc(0, "probe");
}
