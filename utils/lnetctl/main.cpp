// SPDX-License-Identifier: GPL-2.0
//
// lnetctl: the control of LNet. With no command on its line it reads them from standard input.

#include <unistd.h>

#include <iostream>

#include "lnetctl/commands.hpp"
#include "lnetctl/kernel.hpp"

int main(int argc, char **argv)
{
	auto sys = lnetctl::make_kernel();
	lnetctl::Shell sh{*sys, std::cout, std::cerr, std::cin};
	int rc = 0;
	if (argc < 2)
		rc = lnetctl::run_lines(sh, isatty(STDIN_FILENO) != 0);
	else
		rc = lnetctl::run(sh, lnetctl::Words(argv + 1, argv + argc));
	std::cout.flush();
	return rc & 0xff;
}
