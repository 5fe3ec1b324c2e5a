// SPDX-License-Identifier: GPL-2.0
// Probe: HAVE_KOBJ_TYPE_CONST
// Differs: newer kernels pass const struct kobject to the functions of kobj_type.
// Absent: incompatible pointer type
#include <linux/kobject.h>

const void *probe(const struct kobject *kobj);
struct kobj_type probe_type = {.namespace = probe};
