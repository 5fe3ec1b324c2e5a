// SPDX-License-Identifier: GPL-2.0
//
// libFuzzer target of all message formats; the first byte of an input chooses the format.

#include "decode_one.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char *data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const unsigned char *data, std::size_t size)
{
	fuzz::decode_one({reinterpret_cast<const std::byte *>(data), size});
	return 0;
}
