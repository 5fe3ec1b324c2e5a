// SPDX-License-Identifier: GPL-2.0
//
// The commands of lfs. Each prints what users know and returns 0, a negative errno, or
// tool::kHelp for wrong usage (common/shell.hpp).
#pragma once

#include <string>

#include "common/shell.hpp"

namespace lfs
{

int cmd_setstripe(int argc, char **argv);
int cmd_getstripe(int argc, char **argv);
int cmd_mkdir(int argc, char **argv);
int cmd_setdirstripe(int argc, char **argv);
int cmd_getdirstripe(int argc, char **argv);
int cmd_df(int argc, char **argv);
int cmd_osts(int argc, char **argv);
int cmd_mdts(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_getname(int argc, char **argv);
int cmd_pool_list(int argc, char **argv);
int cmd_path2fid(int argc, char **argv);
int cmd_fid2path(int argc, char **argv);
int cmd_rmfid(int argc, char **argv);
int cmd_data_version(int argc, char **argv);
int cmd_flushctx(int argc, char **argv);
int cmd_find(int argc, char **argv);

} // namespace lfs
