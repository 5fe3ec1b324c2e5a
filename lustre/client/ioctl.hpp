// SPDX-License-Identifier: GPL-2.0
//
// ioctl(2) of files and directories (spec 06 sections 15 and 16): numbers and structures are those
// of stock tools.
#pragma once

#include "client/open_file.hpp"

namespace client
{

/// file may be null. err::NOTTY for what is not known.
[[nodiscard]] Result<long> do_ioctl(Inode &i, OpenFile *file, u32 cmd, u64 arg) noexcept;

} // namespace client
