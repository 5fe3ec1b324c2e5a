# SPDX-License-Identifier: GPL-2.0
#
# For the modules of servers. They share no code at run time: each has a copy of what is kept per
# target (clients, logs) and of what has no state (message formats).

include $(CFS_TOP)/contrib/build/cxx.mk

ccflags-y += -I$(CFS_TOP)/lustre

server-formats := $(call cfs-sources,lustre/rpc/format/*.cpp lnet/nid.cpp)
server-logs := $(call cfs-sources,lustre/llog/*.cpp lustre/osd/local.cpp)
server-target := $(call cfs-sources,lustre/target/*.cpp) $(server-logs) $(server-formats)
