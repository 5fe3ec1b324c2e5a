// SPDX-License-Identifier: GPL-2.0
//
// usage: write_lnet_seeds DIRECTORY: writes the seeds of fuzz_lnet there, one file each.

#include <filesystem>
#include <fstream>
#include <iostream>

#include "seeds.hpp"

int main(int argc, char **argv)
{
	if (argc != 2) {
		std::cerr << "usage: write_lnet_seeds DIRECTORY\n";
		return 2;
	}
	std::filesystem::path dir(argv[1]);
	std::filesystem::create_directories(dir);
	std::size_t n = 0;
	for (const auto &s : fuzz::lnet_seeds()) {
		std::ofstream out(dir / ("seed-" + std::to_string(n++)), std::ios::binary);
		out.write(reinterpret_cast<const char *>(s.data()),
			  static_cast<std::streamsize>(s.size()));
	}
	std::cout << n << " seeds\n";
	return 0;
}
