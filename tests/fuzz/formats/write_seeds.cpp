// SPDX-License-Identifier: GPL-2.0
//
// usage: write_format_seeds DIRECTORY: writes the seeds of fuzz_formats there, one file each.

#include <filesystem>
#include <fstream>
#include <iostream>

#include "seeds.hpp"

int main(int argc, char **argv)
{
	if (argc != 2) {
		std::cerr << "usage: write_format_seeds DIRECTORY\n";
		return 2;
	}
	std::filesystem::path dir(argv[1]);
	std::filesystem::create_directories(dir);
	auto all = fuzz::seeds();
	for (const auto &s : all) {
		std::ofstream out(dir / s.name, std::ios::binary);
		out.write(reinterpret_cast<const char *>(s.input.data()),
			  static_cast<std::streamsize>(s.input.size()));
		if (!out) {
			std::cerr << "can not write " << dir / s.name << "\n";
			return 1;
		}
	}
	std::cout << all.size() << " seeds\n";
	return 0;
}
