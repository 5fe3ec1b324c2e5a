// SPDX-License-Identifier: GPL-2.0
//
// mgs.ko.
#include "../../server/linux/part_module.h"

EXPORT_SYMBOL_GPL(server_mgs_part);
MODULE_DESCRIPTION("Lustre management server");
