// SPDX-License-Identifier: GPL-2.0
//
// A message as one line of text, for traces and for messages about refused requests. Works on
// anything that passed the container's checks; malformed buffers are shown by their lengths.
#pragma once

#include "rpc/format/format.hpp"

namespace rpc
{

/// Writes e.g.
///     OST_READ request conn 2 [ost_body 208 (object [0x280000400:0x2:0x0] ...) obd_ioobj 24 (...)]
/// Empty buffers are left out. `format` may be null: buffers are numbered then.
void trace_message(cfs::FormatSink &out, const MessageView &msg, const FormatDesc *format,
		   Side side) noexcept;

} // namespace rpc
