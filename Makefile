# SPDX-License-Identifier: GPL-2.0
#
# Front door of the build; `make help` lists what it can do. Modules are built by the kernel's kbuild
# in build/<release>/, everything hosted by CMake in build/hosted-<preset>/.

TOP := $(CURDIR)
NPROC := $(shell nproc)

-include config.mk

# The kernel to build for: KVER=<release>, or LINUX_OBJ=<its build directory>.
ifndef KVER
ifdef LINUX_OBJ
KVER := $(shell contrib/build/kernels release $(LINUX_OBJ))
else
KVER := $(shell contrib/build/kernels default)
endif
endif
LINUX_OBJ ?= /lib/modules/$(KVER)/build
STAGE := build/$(KVER)

# Our own share of the jobs unless the caller said otherwise.
JOBS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(NPROC))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.NOTPARALLEL:

.PHONY: all
all: modules				## modules for KVER, and the tools

# --- modules ---------------------------------------------------------------

PROBES := $(wildcard contrib/build/probes/*.c) contrib/build/probe-kernel contrib/build/configure.sh

configure: configure.ac VERSION
	./autogen.sh

$(STAGE)/config.mk: configure $(PROBES)
	mkdir -p $(STAGE)
	cd $(STAGE) && $(TOP)/configure --quiet --with-linux-obj=$(LINUX_OBJ) $(CONFIGURE_ARGS)
	touch $@

export CFS_TOP := $(TOP)

.PHONY: modules
modules: $(STAGE)/config.mk		## kernel modules for KVER (default: running or newest kernel)
	contrib/build/stage $(TOP) $(STAGE)
	+$(MAKE) -C $(LINUX_OBJ) M=$(TOP)/$(STAGE) $(JOBS) --no-print-directory \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules

.PHONY: modules-all
modules-all:				## kernel modules for the newest kernel of every supported series
	+set -e; for k in $$(contrib/build/kernels all); do \
		$(MAKE) modules KVER=$$k LINUX_OBJ=/lib/modules/$$k/build; done

.PHONY: clean
clean:					## remove everything that was built
	rm -rf build config.log config.status

.PHONY: help
help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24
