# SPDX-License-Identifier: GPL-2.0
#
# The steps of configure, sourced by it. Each sets its results as variables; on failure it returns
# false with one sentence in $cfs_error that says what to do. POSIX shell.

# The directory of the kernel's build: --with-linux-obj, --with-linux, or what is installed.
# Sets LINUX, LINUX_OBJ, KVER.
cfs_find_kernel()
{
	LINUX=$with_linux
	LINUX_OBJ=${with_linux_obj:-$with_linux}
	if test -z "$LINUX_OBJ"; then
		LINUX_OBJ=/lib/modules/$("$cfs_top/contrib/build/kernels" default)/build
	fi
	LINUX_OBJ=$(realpath -m "$LINUX_OBJ")
	LINUX=${LINUX:-$LINUX_OBJ}
	if ! test -e "$LINUX_OBJ/Makefile" || ! test -e "$LINUX_OBJ/include/generated/autoconf.h"; then
		cfs_error="$LINUX_OBJ is no configured kernel build directory: install the kernel's headers (Debian: linux-headers-amd64) or use --with-linux"
		return 1
	fi
	if ! test -e "$LINUX_OBJ/Module.symvers"; then
		cfs_error="$LINUX_OBJ has no Module.symvers: build that kernel's modules first"
		return 1
	fi
	KVER=$("$cfs_top/contrib/build/kernels" release "$LINUX_OBJ") || {
		cfs_error="cannot tell the release of the kernel in $LINUX_OBJ"
		return 1
	}
}

# A value of the kernel's configuration, as in `cfs_kernel_config GCC_VERSION`.
cfs_kernel_config()
{
	sed -n "s/^#define CONFIG_$1 \"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" \
		"$LINUX_OBJ/include/generated/autoconf.h"
}

# kbuild compiles C++ with the kernel's own compiler driver. It must be the gcc major that built the
# kernel, and its C++ half must be installed. Sets CFS_CC, CFS_CC_VERSION, CFS_CXX_INCLUDES.
cfs_find_compiler()
{
	if test -n "$(cfs_kernel_config CC_IS_CLANG)"; then
		cfs_error="kernel $KVER was built by clang; only kernels built by gcc are supported"
		return 1
	fi
	want=$(cfs_kernel_config GCC_VERSION)
	want=$((want / 10000))
	mkdir -p "$cfs_top/build/$KVER"
	CFS_CC=$("$cfs_top/contrib/build/kbuild-print" "$LINUX_OBJ" CC) || {
		cfs_error="kbuild in $LINUX_OBJ does not work: see the messages above"
		return 1
	}
	if ! CFS_CC_VERSION=$($CFS_CC -dumpfullversion 2>/dev/null); then
		cfs_error="the kernel's compiler, $CFS_CC, is not installed"
		return 1
	fi
	if test "${CFS_CC_VERSION%%.*}" != "$want"; then
		cfs_error="kernel $KVER was built by gcc $want but $CFS_CC is $CFS_CC_VERSION: install gcc-$want and g++-$want and pass CC=gcc-$want to make"
		return 1
	fi
	if test "$want" -lt 12; then
		cfs_error="kernel $KVER was built by gcc $want; C++23 needs gcc 12 or later"
		return 1
	fi
	if ! echo 'int x;' | $CFS_CC -x c++ -S -o /dev/null - 2>/dev/null; then
		cfs_error="$CFS_CC cannot compile C++: install g++-$want, the same version as the compiler of kernel $KVER"
		return 1
	fi
	CFS_CXX_INCLUDES=$(LC_ALL=C $CFS_CC -x c++ -v -fsyntax-only /dev/null 2>&1 |
		sed -n '/^#include <\.\.\.>/,/^End of search/s/^ //p' |
		while read -r d; do
			case $d in
			*/backward) ;;
			*/c++/* | */lib/gcc/*) printf -- '-isystem %s ' "$(realpath "$d")" ;;
			esac
		done)
	if test -z "$CFS_CXX_INCLUDES"; then
		cfs_error="cannot find the C++ headers of $CFS_CC: install libstdc++-$want-dev"
		return 1
	fi
}

# Sets BOOST_DIR, the folder that holds boost/.
cfs_find_boost()
{
	for BOOST_DIR in /usr/include /usr/local/include; do
		test -e "$BOOST_DIR/boost/intrusive/list.hpp" && return 0
	done
	cfs_error="Boost.Intrusive not found: install libboost-dev"
	return 1
}

# Full source of the target kernel's version. Sets KERNEL_SOURCE.
cfs_find_source()
{
	KERNEL_SOURCE=$with_kernel_source
	if test -n "$KERNEL_SOURCE"; then
		test -e "$KERNEL_SOURCE" && return 0
		cfs_error="no such kernel source: $KERNEL_SOURCE"
		return 1
	fi
	version=$(sed -n 's/^#define LINUX_VERSION_MAJOR //p; s/^#define LINUX_VERSION_PATCHLEVEL /./p' \
		"$LINUX_OBJ/include/generated/uapi/linux/version.h" | tr -d '\n')
	for KERNEL_SOURCE in "$LINUX" "$LINUX_OBJ/source" "/usr/src/linux-source-$version" \
		"/usr/src/linux-source-$version.tar.xz" "/usr/src/linux-$version" \
		"/usr/src/linux-$version.tar.xz" "/usr/src/kernels/$KVER"; do
		case $KERNEL_SOURCE in
		*.tar.*) test -r "$KERNEL_SOURCE" && return 0 ;;
		*) test -e "$KERNEL_SOURCE/fs/ext4/super.c" && return 0 ;;
		esac
	done
	cfs_error="no source of kernel $version found for ldiskfs: install linux-source-$version, or use --with-kernel-source, or --disable-server"
	return 1
}

# Compiles every probe; writes build/<release>/include/cfs_kconfig.h.
cfs_probe()
{
	"$cfs_top/contrib/build/probe-kernel" "$LINUX_OBJ" "$cfs_top/contrib/build/probes" \
		"$cfs_top/build/$KVER/probe" "$cfs_top/build/$KVER/include/cfs_kconfig.h" ||
		{
			cfs_error="probing kernel $KVER failed; the compiler's messages are above"
			return 1
		}
}

cfs_yn()
{
	case $1 in
	no) echo n ;;
	*) echo y ;;
	esac
}

cfs_write_results()
{
	stage=$cfs_top/build/$KVER
	mkdir -p "$stage/include/boost-only"
	ln -sfn "$BOOST_DIR/boost" "$stage/include/boost-only/boost"
	cat >"$stage/config.mk" <<-END
		# Written by configure for kernel $KVER.
		CFS_LINUX := $LINUX
		CFS_LINUX_OBJ := $LINUX_OBJ
		CFS_KERNEL_SOURCE := $KERNEL_SOURCE
		CFS_CXX_INCLUDES := $CFS_CXX_INCLUDES-isystem $stage/include/boost-only
		CFS_SERVER := $(cfs_yn "$enable_server")
		CFS_CLIENT := $(cfs_yn "$enable_client")
		CFS_O2IB := $(cfs_yn "$with_o2ib")
	END
	echo "configure: wrote build/$KVER/config.mk"
	if test "$(pwd)" = "$cfs_top"; then
		cat >"$cfs_top/build/defaults" <<-END
			# Written by configure in the top folder, read by contrib/build/modules.
			KVER=\${KVER:-$KVER}
			CONFIGURE_ARGS=\${CONFIGURE_ARGS:-$(cfs_portable_args)}
		END
		echo "configure: make will build for kernel $KVER"
	fi
}

# The options that hold for every kernel.
cfs_portable_args()
{
	test "$enable_server" != no || printf -- '--disable-server '
	test "$enable_client" != no || printf -- '--disable-client '
	test "$with_o2ib" != no || printf -- '--without-o2ib '
}
