// SPDX-License-Identifier: GPL-2.0
//
// lfs: what users of a mounted file system may see and change: layouts, space, FIDs, searches. This
// file has the table of commands; each is in a cmd_*.cpp. Commands without code yet say so and end
// with status 95.

#include <cerrno>
#include <cstdio>

#include "lfs/cmd.hpp"

namespace lfs
{

namespace
{

#define LFS_NOT_BUILT(name, what)                                                                  \
	tool::Command{name, [](int, char **) { return tool::not_built("lfs", name); },             \
		      what " (not built yet)"}

constexpr const char *kSetstripeHelp =
	"make a file with a given layout, or set the default layout of a directory\n"
	"usage: setstripe [-c|--stripe-count N] [-S|--stripe-size N[KMG]]\n"
	"                 [-i|--stripe-index OST] [-o|--ost-list OST[,OST|OST-OST]...]\n"
	"                 [-C|--overstripe-count N] [-p|--pool NAME] [-L|--layout raid0|mdt]\n"
	"                 [-E|--component-end N[KMGTP]|eof]... [-z|--extension-size N[MG]]\n"
	"                 [-N|--mirror-count[N]]... [--copy FILE] [--mode MODE] FILE|DIRECTORY...\n"
	"       setstripe -d DIRECTORY...\n"
	"       setstripe --component-add -E N ... FILE\n"
	"       setstripe --component-del {-I ID|--component-flags FLAGS} FILE\n"
	"       setstripe --component-set {-I ID} --component-flags FLAGS FILE\n"
	"       setstripe --foreign[=TYPE] [--flags HEX] -x VALUE FILE\n"
	"Options other than -d belong to the component whose -E stands before them.";

constexpr const char *kGetstripeHelp =
	"show the layout of files, and the default layout of directories\n"
	"usage: getstripe [-d|--directory] [-r|--recursive] [-R|--raw] [-v] [-q] [-y|--yaml]\n"
	"                 [--hex-idx] [--no-follow] [-O|--ost NAME]\n"
	"                 [-c|--stripe-count] [-S|--stripe-size] [-i|--stripe-index] [-p|--pool]\n"
	"                 [-L|--layout] [-g|--generation] [-F|--fid] [-m|--mdt-index]\n"
	"                 [-N|--mirror-count] [--component-count] [-z|--extension-size]\n"
	"                 [-I|--component-id[=ID]] [--component-flags[=FLAGS]]\n"
	"                 [--component-start[=[+-]N]] [-E|--component-end[=[+-]N]]\n"
	"                 [[!] --mirror-id=[+-]N] [[!] --mirror-index=[+-]N] FILE|DIRECTORY...";

constexpr const char *kMkdirHelp =
	"make a directory on given MDTs, or set where a directory's children shall be made\n"
	"usage: mkdir|setdirstripe [-i|--mdt-index MDT[,MDT]...] [-c|--mdt-count N]\n"
	"                          [-C|--mdt-overcount N] [-H|--mdt-hash TYPE] [-o|--mode MODE]\n"
	"                          DIRECTORY...\n"
	"       mkdir|setdirstripe -D [-d] [-i MDT] [-c N] [-H TYPE] [-X|--max-inherit N]\n"
	"                          [--max-inherit-rr N] DIRECTORY...\n"
	"       mkdir|setdirstripe --foreign[=TYPE] [--flags HEX] -x VALUE DIRECTORY";

constexpr const char *kFindHelp =
	"find files by their attributes\n"
	"usage: find PATH... [[!] TEST]... [-print|-print0|-ls|-printf FORMAT]\n"
	"       names and kinds: -name PATTERN, -type [bcdflps], -perm [-/]MODE, -links [+-]N\n"
	"       owners: -uid|-user, -gid|-group, -projid N\n"
	"       sizes: -size [+-]N[bkMGTPE], -blocks [+-]N\n"
	"       times: -atime|-btime|-ctime|-mtime [+-]N[smhdwy], -newer[XY] FILE\n"
	"       layouts: --ost NAME|INDEX,... --mdt NAME|INDEX,... --stripe-count [+-]N\n"
	"                --stripe-size [+-]N --stripe-index N,... --pool NAME\n"
	"                --layout raid0|mdt|released,... --component-count [+-]N\n"
	"                --component-start [+-]N --component-end [+-]N --component-flags FLAGS\n"
	"                --mirror-count [+-]N --extension-size [+-]N\n"
	"       depth: -maxdepth N, -mindepth N; --lazy: ask no object server for sizes\n"
	"! negates the test behind it; all tests must hold.";

constexpr tool::Command kCommands[] = {
	{"setstripe", cmd_setstripe, kSetstripeHelp},
	{"getstripe", cmd_getstripe, kGetstripeHelp},
	{"setdirstripe", cmd_setdirstripe, kMkdirHelp},
	{"getdirstripe", cmd_getdirstripe,
	 "show which MDTs a directory lies on\n"
	 "usage: getdirstripe [-D|--default] [-c|--mdt-count] [-i|-m|--mdt-index] [-H|--mdt-hash]\n"
	 "                    [-X|--max-inherit] [--max-inherit-rr] [-F|--fid] [-r|--recursive]\n"
	 "                    [-R|--raw] [-v] [-y|--yaml] [--hex-idx] DIRECTORY..."},
	{"mkdir", cmd_mkdir, kMkdirHelp},
	LFS_NOT_BUILT("rm_entry", "remove a name whose object is lost"),
	LFS_NOT_BUILT("rmentry", "the same as rm_entry"),
	LFS_NOT_BUILT("unlink_foreign", "remove foreign files and directories"),
	{"pool_list", cmd_pool_list,
	 "list the OST pools of a file system, or the OSTs of a pool\n"
	 "usage: pool_list FSNAME[.POOL]|PATH"},
	{"find", cmd_find, kFindHelp},
	{"check", cmd_check,
	 "ask servers whether they are there\n"
	 "usage: check {mgts|osts|mdts|all} [PATH]"},
	{"osts", cmd_osts, "list the OSTs of mounted file systems\nusage: osts [PATH]"},
	{"mdts", cmd_mdts, "list the MDTs of mounted file systems\nusage: mdts [PATH]"},
	{"df", cmd_df,
	 "show space or inodes, used and free, of each target\n"
	 "usage: df [-h|-H|--si] [-i|--inodes] [-l|--lazy] [-m|--mdt[=INDEX]] [-o|--ost[=INDEX]]\n"
	 "          [-N|--no-header] [-s|--only-summary] [-p|--pool FSNAME[.POOL]]\n"
	 "          [-u|--output FIELD,...] [-v|--verbose] [PATH]\n"
	 "fields: source itotal iused iavail ipcent size used avail pcent target"},
	{"getname", cmd_getname,
	 "list mounted file systems with their instance names\n"
	 "usage: getname [-i|--instance] [-n|--fsname] [-u|--uuid] [PATH...]"},
	LFS_NOT_BUILT("setquota", "set limits"),
	LFS_NOT_BUILT("quota", "show usage and limits"),
	LFS_NOT_BUILT("project", "show and set project ids"),
	{"flushctx", cmd_flushctx,
	 "drop the caller's security contexts\n"
	 "usage: flushctx [MOUNTPOINT...]"},
	LFS_NOT_BUILT("changelog", "show changes of metadata"),
	LFS_NOT_BUILT("changelog_clear", "release changelog records"),
	{"fid2path", cmd_fid2path,
	 "show the paths of objects\n"
	 "usage: fid2path [-0|--print0] [-f|--print-fid] [-c|--print-link] [-l|--link N] "
	 "[-n|--name]\n"
	 "                FSNAME|PATH FID..."},
	{"path2fid", cmd_path2fid,
	 "show FIDs, or parents' FIDs and names\n"
	 "usage: path2fid [--parents] PATH..."},
	{"rmfid", cmd_rmfid, "remove files by their FIDs\nusage: rmfid FSNAME|PATH FID..."},
	{"data_version", cmd_data_version,
	 "show a number that changes with the file's data\n"
	 "usage: data_version [-n|-r|-w] FILE\n"
	 "-n flushes nothing, -r (as without options) what others have not written, -w caches too"},
	LFS_NOT_BUILT("hsm_state", "show the archive state of files"),
	LFS_NOT_BUILT("hsm_set", "set archive flags"),
	LFS_NOT_BUILT("hsm_clear", "clear archive flags"),
	LFS_NOT_BUILT("hsm_action", "show running archive requests"),
	LFS_NOT_BUILT("hsm_archive", "copy files to the archive"),
	LFS_NOT_BUILT("hsm_restore", "copy files back from the archive"),
	LFS_NOT_BUILT("hsm_release", "free the space of archived files"),
	LFS_NOT_BUILT("hsm_remove", "remove copies from the archive"),
	LFS_NOT_BUILT("hsm_cancel", "cancel archive requests"),
	LFS_NOT_BUILT("hsm", "archive commands"),
	LFS_NOT_BUILT("swap_layouts", "exchange the layouts of two files"),
	LFS_NOT_BUILT("migrate", "move files to another layout, or directories to another MDT"),
	LFS_NOT_BUILT("mv", "the same as migrate -m"),
	LFS_NOT_BUILT("ladvise", "tell servers how a file will be used"),
	LFS_NOT_BUILT("mirror", "make and repair mirrors of files"),
	LFS_NOT_BUILT("getsom", "show the size that the MDT knows"),
	LFS_NOT_BUILT("somsync", "have the MDT learn sizes"),
	LFS_NOT_BUILT("heat_get", "show how much files are used"),
	LFS_NOT_BUILT("heat_set", "control how file use is counted"),
	LFS_NOT_BUILT("pcc", "control caching on local disks"),
};

} // namespace

} // namespace lfs

int main(int argc, char **argv)
{
	return tool::Shell("lfs", lfs::kCommands).main(argc, argv);
}
