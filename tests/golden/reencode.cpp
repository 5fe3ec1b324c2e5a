// SPDX-License-Identifier: GPL-2.0
//
// The table of re-encoders: reencode() of every format there is.

#include "reencode.hpp"

namespace golden
{

namespace
{

template <typename F>
Reencoder reencoder_of()
{
	return {&rpc::kFormatDesc<F>, &reencode<F, rpc::Side::request>,
		&reencode<F, rpc::Side::reply>};
}

} // namespace

const std::vector<Reencoder> &reencoders()
{
	static const std::vector<Reencoder> all = [] {
		std::vector<Reencoder> v;
		auto add = [&]<typename F>() { v.push_back(reencoder_of<F>()); };
		rpc::Formats::for_each(add);
		rpc::NestedFormats::for_each(add);
		return v;
	}();
	return all;
}

} // namespace golden
