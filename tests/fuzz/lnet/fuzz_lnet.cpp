// SPDX-License-Identifier: GPL-2.0
//
// libFuzzer target of what peers send to LNet and socklnd.

#include "decode_lnet.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char *data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const unsigned char *data, std::size_t size)
{
	fuzz::decode_lnet({reinterpret_cast<const std::byte *>(data), size});
	return 0;
}
