# SPDX-License-Identifier: GPL-2.0
#
# How a folder's Kbuild declares modules made of a C++ core and C glue:
#
#	include $(CFS_TOP)/contrib/build/cxx.mk
#	lnet-cxx := peer.o route.o		# core: C++23, no kernel header
#	lnet-c := linux/module.o		# glue: C, kernel headers
#	$(call cfs-modules,lnet)
#
# Sources may also be named by pattern, $(call cfs-objs,*.cpp linux/*.c). C++ objects go through
# kbuild's own rule for C, so that objtool, ORC data, retpolines, return thunks, IBT and ftrace apply;
# only the flags differ. Each module with C++ gets its own copy of libcfs/cxxrt.cpp.

# $(CFS_CXX_INCLUDES) comes from configure: the compiler's own C++ headers.
include $(KBUILD_EXTMOD)/config.mk

# What is generated below is not a source.
cfs-objs = $(sort $(filter-out $(foreach b,$(cfs-batches),$(call cfs-batch-name,%,$(b)).o), \
	$(patsubst $(src)/%.cpp,%.o,$(patsubst $(src)/%.c,%.o,$(foreach p,$(1),$(wildcard $(src)/$(p)))))))

# Sources by pattern, from the top of the tree, for $(module)-copies: of other folders, and compiled
# for this module alone.
cfs-sources = $(sort $(patsubst $(CFS_TOP)/%,%,$(wildcard $(addprefix $(CFS_TOP)/,$(1)))))

cfs-copy-obj = $(1)-$(subst /,-,$(basename $(2))).o
cfs-apart-objs = $($(1)-cxx) $(foreach s,$($(1)-copies),$(call cfs-copy-obj,$(1),$(s)))

# Most of a source's compile time is reading headers, so eight sources of a module, in the order of their
# names, are one object: <module>-core-1.o includes the first eight. A folder whose files cannot be read
# together says `cfs-apart := y`; then each source is an object of its own. The compiler's limit to what inlining adds
# to a large object does not suit this: library code that can throw has to be inlined to be found safe.
cfs-all = $(addprefix $(src)/,$($(1)-cxx:.o=.cpp)) $(addprefix $(CFS_TOP)/,$($(1)-copies))
cfs-batches := 1-8 9-16 17-24 25-32 33-40 41-48 49-56 57-64 65-72 73-80 81-88 89-96
cfs-batch = $(wordlist $(firstword $(subst -, ,$(2))),$(lastword $(subst -, ,$(2))),$(cfs-all))
cfs-batch-name = $(1)-core-$(firstword $(subst -, ,$(2)))
cfs-batch-objs = $(foreach b,$(cfs-batches),$(if $(call cfs-batch,$(1),$(b)),$(call cfs-batch-name,$(1),$(b)).o))

cfs-include := -I$(CFS_TOP) -I$(CFS_TOP)/libcfs/include -I$(CFS_TOP)/lnet/include -I$(CFS_TOP)/lustre/include \
	-I$(KBUILD_EXTMOD)/include -fmacro-prefix-map=$(KBUILD_EXTMOD)/= \
	-fmacro-prefix-map=$(CFS_TOP)/=

ccflags-y += $(cfs-include)

# KASAN's red zones lengthen frames, and its kernels have stacks twice as long. The limit that counts is
# that of other kernels.
ccflags-$(CONFIG_KASAN) += -Wframe-larger-than=4096

# Flags of kbuild's that are errors or noise in C++.
cfs-not-cxx := -std=gnu89 -std=gnu99 -std=gnu11 -std=gnu17 -std=gnu23 -Wundef -Werror=strict-prototypes -Werror=implicit-function-declaration \
	-Werror=implicit-int -Werror=incompatible-pointer-types -Werror=designated-init \
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wold-style-declaration \
	-Wno-pointer-sign -Wdeclaration-after-statement -Wno-override-init \
	-Wmissing-parameter-type -Wnested-externs -Wjump-misses-init -Wno-shift-negative-value
cfs-cxx-filter = $(filter-out $(cfs-not-cxx),$(1))

cfs-cxx-flags := -std=gnu++23 -fno-exceptions -fno-rtti -fno-gnu-unique \
	-isystem $(CFS_TOP)/libcfs/include/freestanding $(CFS_CXX_INCLUDES) \
	-include $(CFS_TOP)/libcfs/include/libcfs/plat/prelude.h \
	--param=large-unit-insns=200000 \
	-Wextra -Wnon-virtual-dtor -Woverloaded-virtual -Wsuggest-override -Wno-unused-parameter

# kbuild's rule for C, and then the step that contrib/build/cxx.lds explains.
quiet_cmd_cfs_merge = MERGE [M] $@
      cmd_cfs_merge = $(LD) $(KBUILD_LDFLAGS) -r --force-group-allocation \
		-T $(CFS_TOP)/contrib/build/cxx.lds -o $@.merged $@ && mv $@.merged $@
cmd_cfs_cxx = $(cmd_cc_o_c)
define rule_cfs_cxx
	$(rule_cc_o_c)
	$(call cmd,cfs_merge)
endef

define cfs-cxx-object
CFLAGS_REMOVE_$(1) := $(cfs-not-cxx)
CFLAGS_$(1) := $(cfs-cxx-flags)
$(obj)/$(1): $(2) FORCE
	$$(call if_changed_rule,cfs_cxx)
endef

# Glue sees the kernel's differences (configure), the core never does.
define cfs-c-object
CFLAGS_$(1) += -include $(KBUILD_EXTMOD)/include/cfs_kconfig.h
endef

filechk_cfs_batch = printf '\#include "%s"\n' $(cfs-batch-sources)
define cfs-batch-object
$(call cfs-cxx-object,$(cfs-batch-name).o,$(obj)/$(cfs-batch-name).cpp)
$(obj)/$(cfs-batch-name).cpp: private cfs-batch-sources := $(call cfs-batch,$(1),$(2))
$(obj)/$(cfs-batch-name).cpp: FORCE
	$$(call filechk,cfs_batch)
endef

define cfs-module
$(if $(word 97,$(cfs-all)),$(error $(1) has more sources than cfs-batches has room for))
obj-m += $(1).o
$(1)-y := $$($(1)-c) $(if $(cfs-apart),$(cfs-apart-objs),$(cfs-batch-objs)) $(if $($(1)-cxx),$(1)-cxxrt.o)
$(if $(cfs-apart),\
	$(foreach o,$($(1)-cxx),$(eval $(call cfs-cxx-object,$(o),$(src)/$(o:.o=.cpp)))) \
	$(foreach s,$($(1)-copies),$(eval $(call cfs-cxx-object,$(call cfs-copy-obj,$(1),$(s)),$(CFS_TOP)/$(s)))),\
	$(foreach b,$(cfs-batches),$(if $(call cfs-batch,$(1),$(b)),$(eval $(call cfs-batch-object,$(1),$(b))))))
$(if $($(1)-cxx),$(eval $(call cfs-cxx-object,$(1)-cxxrt.o,$(CFS_TOP)/libcfs/cxxrt.cpp)))
$(foreach o,$($(1)-c),$(eval $(call cfs-c-object,$(o))))
endef

cfs-modules = $(foreach m,$(1),$(eval $(call cfs-module,$(m))))
