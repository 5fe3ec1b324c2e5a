// SPDX-License-Identifier: GPL-2.0
//
// Which 4 KiB blocks of the address space are pages of cfs_page_alloc().
#pragma once

struct cfs_page;

namespace cfs::hosted
{
void page_registry_add(const void *data, cfs_page *p);
void page_registry_remove(const void *data) noexcept;
} // namespace cfs::hosted
