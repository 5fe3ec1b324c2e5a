# SPDX-License-Identifier: GPL-2.0
#
# What scripts on a node of the rig share: our modules and tools as an installed system would have them.
# To be sourced on a node.

fail() { echo "$RIG_NODE: FAIL: $*" >&2; exit 1; }
is() { [ "$1" = "$2" ] || fail "$3: got '$1', not '$2'"; }
# Shows what is done, and does it.
run() { printf '%s# %s\n' "$RIG_NODE" "$*"; "$@"; }

modules=$RIG_REPO/build/$(uname -r)
tools=$RIG_REPO/build/hosted-release/utils
PATH=$RIG_REPO/utils/scripts:$tools:$PATH
loaded=()

# load_module NAME [PARAMETER...]: loads it and what it depends on, as modprobe does.
load_module() {
	local name=$1 file dependency
	shift
	[[ " ${loaded[*]} " != *" $name "* ]] || return 0
	file=$(sed 's/\.k\{0,1\}o$//' "$modules/modules.order" | grep "/$name$") || {
		modprobe "$name" 2>/dev/null || true # one of the kernel's own, or built in
		return 0
	}
	for dependency in $(modinfo -F depends "$file.ko" | tr , ' '); do
		load_module "$dependency"
	done
	[ "$name" != lnet ] || set -- "networks=${LNET_NETWORKS:-tcp(eth0)}"
	insmod "$file.ko" "$@" || fail "$name does not load"
	loaded=("$name" "${loaded[@]}")
}

# Takes them out again. What leaked, libcfs says at its end.
unload_modules() {
	lustre_rmmod || fail "modules stay: $(lsmod)"
	loaded=()
	if dmesg | grep -i 'leaked'; then fail 'memory leaked'; fi
}

# Where mount(8) looks for its helpers.
install_helpers() {
	ln -sf "$tools/mount.lustre" /sbin/mount.lustre
	ln -sf "$tools/mount.lustre" /sbin/mount.lustre_tgt
}
