// SPDX-License-Identifier: GPL-2.0
//
// Settings by the names that administrators know: those of module parameters (spec 01
// section 15.1).
#pragma once

#include "lnet/control.hpp"

namespace lnet
{

/// Gives a setting a value; `which` is an lnet_tunable. err::INVAL: there is no such setting, or
/// not with that value. Whether the settings go together is for check_settings() to say.
[[nodiscard]] cfs::Result<> change_tunable(Settings &s, unsigned which,
					   std::int64_t value) noexcept;
[[nodiscard]] std::int64_t read_tunable(const Settings &s, unsigned which) noexcept;
/// Defaults, but for what the module parameters say.
[[nodiscard]] Settings configured_settings(const lnet_config &c) noexcept;

} // namespace lnet
