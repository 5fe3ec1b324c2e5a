// SPDX-License-Identifier: GPL-2.0
// Probe: HAVE_GENL_SPLIT_OPS
// Differs: generic netlink families may describe do and dump apart, struct genl_split_ops.
// Absent: has no member named .split_ops.|incomplete element type .struct genl_split_ops.
#include <net/genetlink.h>

static const struct genl_split_ops probe_ops[1];
struct genl_family probe_family = {.split_ops = probe_ops};
