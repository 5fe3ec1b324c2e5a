// SPDX-License-Identifier: GPL-2.0
// Probe: HAVE_FOLIO_WRITEPAGE_T
// Differs: write_cache_pages() passes a folio where it passed a page.
// Absent: incompatible pointer type
#include <linux/writeback.h>

int probe(struct folio *folio, struct writeback_control *wbc, void *data);
const writepage_t probe_fn = probe;
