// SPDX-License-Identifier: GPL-2.0
//
// Finding: plain return on a kernel with return thunks
extern "C" int planted_run(int n);

asm(".text\n"
    ".type planted_plain_return, @function\n"
    "planted_plain_return: ret\n"
    ".size planted_plain_return, . - planted_plain_return\n");

extern "C" int planted_run(int n)
{
	return n;
}
