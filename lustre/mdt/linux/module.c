// SPDX-License-Identifier: GPL-2.0
//
// mdt.ko.
#include "../../server/linux/part_module.h"

EXPORT_SYMBOL_GPL(server_mdt_part);
MODULE_DESCRIPTION("Lustre metadata targets");
