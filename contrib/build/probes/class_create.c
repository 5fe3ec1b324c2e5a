// SPDX-License-Identifier: GPL-2.0
// Probe: HAVE_CLASS_CREATE_NAME
// Differs: class_create() takes the name only, no longer the owning module.
// Absent: macro .class_create. requires 2 arg|.class_create. undeclared
#include <linux/device/class.h>

struct class *probe(void);
struct class *probe(void)
{
	return class_create("probe");
}
