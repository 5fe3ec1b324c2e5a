// SPDX-License-Identifier: GPL-2.0
//
// ost.ko.
#include "../../server/linux/part_module.h"

EXPORT_SYMBOL_GPL(server_ost_part);
MODULE_DESCRIPTION("Lustre object storage targets");
