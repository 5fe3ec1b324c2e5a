#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ldiskfs/prepare: what it makes, that it makes no more than it must, and that it stops, with a sentence that
# says why, where the kernel's source is not what it was written for.
#
# usage: tests/unit/ldiskfs_prepare.sh [KERNEL-BUILD-DIR]

set -uo pipefail

top=$(realpath "$(dirname "$0")/../..")
kernel=${1:-$(ls -d /lib/modules/*/build | tail -n 1)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# A kernel source tree small enough to be changed at will: what prepare itself took from the real one.
source=$work/source
out=$work/out
prepare() { "$top/ldiskfs/prepare" --kernel-build "$kernel" --out "$out" "$@" 2>"$work/stderr"; }

new_source() {
	rm -rf "$source"
	cp -a "$work/first/.pristine" "$source"
	rm -f "$source/.key"
}

ok() {
	passed=$((passed + 1))
}

bad() {
	failed=$((failed + 1))
	echo "FAILED: $*"
	sed 's/^/    | /' "$work/stderr"
}

# refuses WHAT PATTERN ARGUMENT...: prepare fails, and its message matches.
refuses() {
	local what=$1 pattern=$2
	shift 2
	if prepare --source "$source" "$@"; then
		bad "$what: not refused"
	elif ! grep -q -- "$pattern" "$work/stderr"; then
		bad "$what: refused, but without '$pattern'"
	elif [ -e "$out/.prepared" ]; then
		bad "$what: left a stamp"
	else
		ok
	fi
}

accepts() {
	local what=$1
	shift
	if prepare --source "$source" "$@"; then ok; else bad "$what: refused"; fi
}

expect() {
	local what=$1
	shift
	if "$@"; then ok; else bad "$what"; fi
}

# --- the real source ---

if ! "$top/ldiskfs/prepare" --kernel-build "$kernel" --out "$work/first" 2>"$work/stderr"; then
	bad "the real source of $kernel"
	echo "0 passed, 1 failed"
	exit 1
fi
first=$work/first
ok
lines() { wc -l <"$1"; }
expect "line numbers are the kernel's" \
	test $(($(lines "$first/super.c") - 1)) = "$(lines "$first/.pristine/fs/ext4/super.c")"
expect "every file says where it comes from" \
	test -z "$(find "$first" -path "$first/.pristine" -prune -o -type f -name '*.[ch]' -print |
		xargs grep -L 'ldiskfs/prepare')"
expect "licences stand" test "$(head -n 1 "$first/super.c")" = "$(head -n 1 "$first/.pristine/fs/ext4/super.c")"
expect "the superblock magic keeps its name" grep -q EXT4_SUPER_MAGIC "$first/super.c"
# Besides comments that say Ext4, and where a file comes from.
expect "no other name of ext4" \
	test -z "$(find "$first" -maxdepth 1 -type f -name '*.[ch]' -print0 | xargs -0 grep -hv 'ldiskfs/prepare' |
		grep -o '[A-Za-z_]*[eE][xX][tT]4[A-Za-z_]*' | sort -u |
		grep -vE '^(Ext4|EXT4_SUPER_MAGIC|EXT4_FEATURE_(RO_|IN)?COMPAT_SUPP|.*_has_unknown_ext4_.*)$')"

# --- again ---

new_source
accepts "a source directory"
expect "a directory gives what a tarball gives" diff -qr -x '.*' "$first" "$out"
find "$out" -type f -not -path '*/.*' -printf '%p %T@ %i\n' | sort >"$work/before"
accepts "the same again"
expect "nothing is rewritten" \
	cmp -s "$work/before" <(find "$out" -type f -not -path '*/.*' -printf '%p %T@ %i\n' | sort)
echo '/* changed */' >>"$source/fs/ext4/hash.c"
accepts "one changed file"
expect "one changed file is rewritten, and no other" \
	test "$(comm -13 "$work/before" <(find "$out" -type f -not -path '*/.*' -printf '%p %T@ %i\n' | sort) |
		cut -d' ' -f1)" = "$out/hash.c"
rm "$source/fs/ext4/xattr_hurd.c"
sed -i 's/xattr_hurd.o//' "$source/fs/ext4/Makefile"
accepts "a file gone"
expect "a file that is gone goes" test ! -e "$out/xattr_hurd.c"

# --- versions ---

sublevel=$(sed -n 's/^SUBLEVEL = //p' "$source/Makefile")
new_source
sed -i "s/^SUBLEVEL = .*/SUBLEVEL = $((sublevel + 1))/" "$source/Makefile"
accepts "another patch level with the same interfaces"
expect "a note about it" grep -q 'interfaces it uses are the same' "$work/stderr"
echo '/* other */' >>"$source/include/linux/jbd2.h"
refuses "another patch level with other interfaces" 'include/linux/jbd2.h'
accepts "the same on request" --allow-mismatch
sed -i 's/^PATCHLEVEL = .*/PATCHLEVEL = 99/' "$source/Makefile"
refuses "another series" 'give the source of'
refuses "another series on request" 'give the source of' --allow-mismatch

# --- sources we do not understand ---

new_source
echo 'void f(void) { kmem_cache_create("foreign", 1, 1, 0, NULL); }' >>"$source/fs/ext4/hash.c"
refuses "a slab cache of another name" 'slab cache'
new_source
echo 'void f(void) { KMEM_CACHE(foreign, 0); }' >>"$source/fs/ext4/hash.c"
accepts "a slab cache named after a structure"
expect "it gets our prefix" grep -q 'KMEM_CACHE(ldiskfs_foreign, 0)' "$out/hash.c"
new_source
sed -i 's/MODULE_ALIAS("ext3")/MODULE_ALIAS("fs-ext3")/' "$source/fs/ext4/super.c"
refuses "an alias for another file system" 'module alias'
new_source
sed -i 's/register_as_ext3();/register_as_ext3(0);/' "$source/fs/ext4/super.c"
refuses "another file system registered" 'ext2 or ext3'
new_source
sed -i 's/i_mtime/i_other/g; s/inode_set_mtime_to_ts/inode_other/g' "$source/fs/ext4/namei.c"
refuses "unknown inode times" 'LDISKFS_INODE_TIME_ACCESSORS'
rm -rf "$source/fs/ext4"
mkdir "$source/fs/ext4"
refuses "no ext4 in the source" 'ext4'
mkdir -p "$work/other" && touch "$work/other/precious"
if "$top/ldiskfs/prepare" --kernel-build "$kernel" --out "$work/other" 2>"$work/stderr"; then
	bad "a folder of someone else's: not refused"
else
	expect "a folder of someone else's is left alone" test -e "$work/other/precious"
fi

# --- semantic patches ---

if command -v spatch >/dev/null; then
	patches=$work/patches
	mkdir "$patches"
	new_source
	cat >"$patches/test.cocci" <<-'END'
		// Files: hash.c
		@@
		identifier f = ext4fs_dirhash;
		@@
		- f
		+ ext4_patched_dirhash
		  (...) { ... }
	END
	accepts "a semantic patch that matches" --patches "$patches"
	expect "it is applied, and renamed" grep -q '^int ldiskfs_patched_dirhash(' "$out/hash.c"
	sed -i 's/ext4fs_dirhash/no_such_function/' "$patches/test.cocci"
	refuses "a semantic patch that does not match" 'test.cocci does not match fs/ext4/hash.c' --patches "$patches"
	sed -i '/Files/d' "$patches/test.cocci"
	refuses "a semantic patch for no file" "'// Files:'" --patches "$patches"
else
	echo "spatch is not installed: semantic patches are not tested"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
