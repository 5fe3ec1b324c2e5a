// SPDX-License-Identifier: GPL-2.0
//
// Everything that core code may use of the language, the standard library and Boost.Intrusive; it
// must compile without a warning and leave no undefined symbol. clean_twin.cpp instantiates the
// same templates, which the link must merge.
#include "clean.hpp"

extern "C" int planted_run(int n);

extern "C" int planted_run(int n)
{
	return planted_twin(n) + planted_use(n) == 2 * planted_use(n);
}
