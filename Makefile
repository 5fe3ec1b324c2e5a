# SPDX-License-Identifier: GPL-2.0
#
# Front door of the build; `make help` lists what it can do. It only names things: the work is in
# contrib/build/ (modules go through the kernel's kbuild, everything hosted through CMake in tests/).
# All output is in build/.

# KVER=<release> or LINUX_OBJ=<kernel build directory> choose the kernel to build modules for.
kernel = $(or $(LINUX_OBJ),$(KVER))

.DEFAULT_GOAL := all
.NOTPARALLEL:

.PHONY: all
all: modules utils			## modules for one kernel, and the tools

.PHONY: setup
setup:					## install the packages that building and testing take (Debian, root)
	@contrib/setup

.PHONY: modules modules-all
modules: setup				## kernel modules for KVER=<release> (default: running or newest kernel)
	+contrib/build/modules $(kernel)
modules-all: setup			## kernel modules for the newest kernel of every supported series
	+contrib/build/modules all

.PHONY: utils
utils: setup				## command line tools
	@test ! -e utils/CMakeLists.txt || contrib/build/hosted-suite --build-only release

.PHONY: hosted unit
hosted: setup				## the core as user-space libraries, with tests, fuzzers, benchmarks
	contrib/build/hosted-suite --build-only debug
unit: setup				## run the hosted tests (PRESET=debug, asan, tsan or clang)
	contrib/build/hosted-suite $(or $(PRESET),debug)

.PHONY: check check-full
check: setup				## every test suite, short form (SUITES="a b" for some)
	@contrib/build/check $(SUITES)
check-full: setup			## every test suite, long form, debug kernel included
	@contrib/build/check --full $(SUITES)

.PHONY: demo
demo: setup				## boot servers and clients, and see their file system work
	@contrib/demo

.PHONY: lint
lint: setup				## formatting, clang-tidy, thread-safety analysis, self-contained headers
	@contrib/build/lint

.PHONY: debug-kernel
debug-kernel: setup			## build a kernel with KASAN, lockdep and kmemleak for the tests
	contrib/debug-kernel/build

.PHONY: dist install dkms-install
dist:					## source archive, build/lustre-<version>.tar.gz
	contrib/build/dist
install: modules utils			## install the modules for the kernel they were built for, and the tools
	+contrib/build/install $(kernel)
dkms-install:				## hand the source to DKMS, which builds it for every kernel
	contrib/build/dkms-install

.PHONY: clean distclean
clean:					## remove what was built, keep what ./configure was told
	find build -mindepth 1 -maxdepth 1 ! -name defaults -exec rm -rf {} + 2>/dev/null || true
distclean:				## remove everything that is no source
	rm -rf build configure config.log config.status autom4te.cache

.PHONY: help
help:
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24
