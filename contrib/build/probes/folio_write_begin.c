// SPDX-License-Identifier: GPL-2.0
// Probe: HAVE_FOLIO_WRITE_BEGIN
// Differs: write_begin and write_end pass a folio where they passed a page.
// Absent: incompatible pointer type
#include <linux/fs.h>

int probe(struct file *file, struct address_space *mapping, loff_t pos, unsigned int len,
	  struct folio **folio, void **fsdata);
const struct address_space_operations probe_aops = {.write_begin = probe};
