# SPDX-License-Identifier: GPL-2.0
"""Kernels for the rig: finding them, fetching them, and making the initramfs that boots them.

A kernel is named by a version ("6.1", "6.12": the newest Debian kernel of that series, installed or fetched
into the cache as a .deb and unpacked there), as "6.1-debug" (what contrib/debug-kernel built), or by a path: an
image file, or a folder with an image and `lib/modules/RELEASE` (as `make modules_install INSTALL_MOD_PATH=folder`
leaves it).

Images are booted as plain ELF through PVH where the kernel allows it: emulated, decompressing a bzImage
costs more than the whole rest of the boot. The ELF file is unpacked from the image once, into the cache.

Invariant: files appear in the cache complete or not at all (written aside, then renamed), so several rigs
may use one cache at the same time.
"""

import fcntl
import hashlib
import lzma
import os
import re
import shutil
import stat
import struct
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import RigError

GUEST = Path(__file__).resolve().parent.parent / 'guest'

# What the initramfs loads; whichever of them (and of what they need) is not built in.
BOOT_MODULES = ('virtio_pci', 'virtio_console', '9pnet_virtio', '9p', 'overlay', 'virtio_net', 'virtio_blk')

# The busybox commands that guest/init uses.
INIT_COMMANDS = ('chmod', 'cp', 'hostname', 'insmod', 'ip', 'ln', 'mkdir', 'mount', 'poweroff', 'sh', 'sleep',
                 'switch_root', 'uname')

PACKAGE = {'6.1': 'linux-image-amd64', '6.12': 'linux-image-6.12-amd64'}

XEN_ELFNOTE_PHYS32_ENTRY = 18


@dataclass(frozen=True)
class Kernel:
    """A bootable kernel: the image as found, the release, and the folder of its modules."""
    name: str
    release: str
    image: Path
    modules: Path


def cache_dir():
    """The rig's cache: $VM_CACHE, or lustre-vm in the user's cache folder."""
    base = os.environ.get('VM_CACHE') or os.path.join(
        os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'lustre-vm')
    path = Path(base).resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def cache_lock():
    with open(cache_dir() / 'lock', 'w', encoding='ascii') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_whole(path, data):
    """Write a cache file so that it is never seen half-written."""
    fd, aside = tempfile.mkstemp(dir=path.parent, prefix='.' + path.name)
    with os.fdopen(fd, 'wb') as out:
        out.write(data)
    os.rename(aside, path)


def prune(pattern, keep=6):
    """Delete all but the newest cache files of a kind."""
    files = sorted(cache_dir().glob(pattern), key=lambda path: path.stat().st_mtime)
    for path in files[:-keep]:
        path.unlink(missing_ok=True)


def run_tool(argv, what, **options):
    try:
        return subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=options.pop('timeout', 300), **options).stdout
    except FileNotFoundError:
        raise RigError(f'{what}: {argv[0]} is not installed (see contrib/packages.txt)') from None
    except subprocess.TimeoutExpired:
        raise RigError(f'{what}: {argv[0]} did not end in time') from None
    except subprocess.CalledProcessError as error:
        detail = error.stderr.decode(errors='replace').strip()
        raise RigError(f'{what}: {" ".join(map(str, argv))} failed: {detail}') from None


# --- finding a kernel ---

def version_key(name):
    return [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', name)]


def releases_in(root, series):
    """Releases of a series that have an image and modules below a root folder, newest last."""
    found = []
    for image in (root / 'boot').glob(f'vmlinuz-{series}.*-amd64'):
        release = image.name[len('vmlinuz-'):]
        if re.search(r'-(cloud|rt)-', release):
            continue
        if (root / 'lib/modules' / release / 'kernel').is_dir():
            found.append(release)
    return sorted(found, key=version_key)


def depmod(root, release):
    """Make the module dependency lists that a merely unpacked package lacks."""
    if not (root / 'lib/modules' / release / 'modules.dep').exists():
        run_tool(['depmod', '-b', str(root), release], 'module dependencies')


def fetch_deb(series):
    """Fetch a series' newest Debian image package and unpack it in the cache; returns the unpacked root."""
    if series not in PACKAGE:
        raise RigError(f'no installed kernel {series}, and no Debian package is known for it '
                       f'(known: {", ".join(PACKAGE)}; or give a path)')
    with cache_lock():
        depends = run_tool(['apt-cache', 'depends', '--important', PACKAGE[series]], f'kernel {series}').decode()
        match = re.search(r'Depends: (linux-image-\S+)', depends)
        if not match:
            raise RigError(f'kernel {series}: apt knows no package {PACKAGE[series]}; run apt-get update')
        root = cache_dir() / match[1]
        if root.is_dir():
            return root
        with tempfile.TemporaryDirectory(dir=cache_dir(), prefix='deb-') as aside:
            run_tool(['apt-get', 'download', '-qq', '-o', 'APT::Sandbox::User=root', match[1]],
                     f'kernel {series}', cwd=aside, timeout=600)
            deb = next(Path(aside).glob('*.deb'))
            unpacked = Path(aside) / 'root'
            run_tool(['dpkg-deb', '-x', str(deb), str(unpacked)], f'kernel {series}')
            os.rename(unpacked, root)
        return root


def find_series(series):
    root = Path('/')
    found = [] if os.environ.get('VM_IGNORE_INSTALLED') else releases_in(root, series)
    if not found:
        root = fetch_deb(series)
        found = releases_in(root, series)
    if not found:
        raise RigError(f'kernel {series}: nothing usable in {root}')
    depmod(root, found[-1])
    return Kernel(series, found[-1], root / 'boot' / f'vmlinuz-{found[-1]}', root / 'lib/modules' / found[-1])


def only_release(folder):
    """The one kernel release that has modules below folder/lib/modules."""
    found = [p.name for p in (folder / 'lib/modules').glob('*') if (p / 'kernel').is_dir()]
    if len(found) != 1:
        raise RigError(f'{folder}: expected modules of one kernel in lib/modules, found {found or "none"}')
    return found[0]


def find_image(folder, release):
    for name in ('vmlinux', f'boot/vmlinux-{release}', 'vmlinuz', 'bzImage', f'boot/vmlinuz-{release}',
                 'arch/x86/boot/bzImage'):
        if (folder / name).is_file():
            return folder / name
    raise RigError(f'{folder}: no kernel image (vmlinux, vmlinuz, bzImage, boot/vmlinuz-{release})')


def find_path(path, modules):
    path = path.resolve()
    if path.is_dir():
        modules = modules.resolve() if modules else path / 'lib/modules' / only_release(path)
        image = find_image(path, modules.name)
    else:
        image = path
        if modules is None:
            raise RigError(f'{path}: say where its modules are: --modules .../lib/modules/RELEASE')
        modules = modules.resolve()
    if not (modules / 'modules.dep').exists():
        if modules.parent.name != 'modules':
            raise RigError(f'{modules}: no modules.dep (run depmod)')
        depmod(modules.parent.parent.parent, modules.name)
    return Kernel(str(path), modules.name, image, modules)


def find_debug(series):
    """The debug kernel of a series, which contrib/debug-kernel/build leaves in its cache."""
    cache = Path(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'lustre-debug-kernel')
    if not (cache / series).is_dir():
        raise RigError(f'no debug kernel {series} in {cache}; build it with '
                       f'contrib/debug-kernel/build --version {series}')
    return find_path(cache / series, None)


def find_kernel(name, modules=None):
    """The kernel of a name; modules (a lib/modules/RELEASE folder) belongs to a name that is an image file."""
    if re.fullmatch(r'\d+\.\d+-debug', name):
        return find_debug(name[:-len('-debug')])
    if re.fullmatch(r'\d+\.\d+', name):
        return find_series(name)
    if not Path(name).exists():
        raise RigError(f'{name}: neither a kernel series such as 6.1 nor a path that exists')
    return find_path(Path(name), Path(modules) if modules else None)


# --- what qemu boots ---

def is_pvh(path):
    """Whether an ELF image has the note that makes it bootable as it is."""
    with open(path, 'rb') as file:
        header = file.read(64)
        if header[:5] != b'\x7fELF\x02':
            return False
        offset, = struct.unpack_from('<Q', header, 32)
        size, count = struct.unpack_from('<HH', header, 54)
        for i in range(count):
            file.seek(offset + i * size)
            kind, _, at, _, _, length = struct.unpack_from('<IIQQQQ', file.read(size))
            if kind == 4:
                file.seek(at)
                if has_note(file.read(length)):
                    return True
    return False


def has_note(notes):
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from('<III', notes, at)
        if kind == XEN_ELFNOTE_PHYS32_ENTRY and notes[at + 12:at + 15] == b'Xen':
            return True
        at += 12 + (name_size + 3 & ~3) + (size + 3 & ~3)
    return False


def unpack_image(data):
    """The ELF image within a bzImage, or None if it is packed in a way we cannot unpack."""
    if data[0x202:0x206] != b'HdrS':
        return None
    start = ((data[0x1f1] or 4) + 1) * 512 + struct.unpack_from('<I', data, 0x248)[0]
    size = struct.unpack_from('<I', data, 0x24c)[0]
    payload = data[start:start + size]
    if payload[:6] == b'\xfd7zXZ\0':
        return lzma.LZMADecompressor().decompress(payload)
    if payload[:4] == b'\x28\xb5\x2f\xfd' and shutil.which('zstd'):
        # The last four bytes are the unpacked size, not zstd's.
        return subprocess.run(['zstd', '-dcq'], input=payload[:-4], stdout=subprocess.PIPE, check=True).stdout
    return None


def boot_image(kernel):
    """The file for qemu's -kernel: the ELF image where PVH works, else the image itself."""
    if is_pvh(kernel.image):
        return kernel.image
    about = kernel.image.stat()
    key = hashlib.sha256(f'{kernel.image} {about.st_size} {about.st_mtime_ns}'.encode()).hexdigest()[:16]
    elf = cache_dir() / f'vmlinux-{kernel.release}-{key}'
    if not elf.exists():
        with cache_lock():
            if not elf.exists():
                image = unpack_image(kernel.image.read_bytes())
                write_whole(elf, image or b'')
                prune('vmlinux-*', keep=8)
    return elf if is_pvh(elf) else kernel.image


# --- the initramfs ---

class Cpio:
    """A cpio archive (newc), built in memory."""

    def __init__(self):
        self.parts = []
        self.size = 0
        self.inode = 1

    def add(self, name, mode, data=b'', device=(0, 0)):
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0]
        self.inode += 1
        self.put(b'070701' + b''.join(b'%08X' % field for field in fields) + name.encode() + b'\0')
        self.put(data)

    def put(self, data):
        self.parts.append(data + b'\0' * (-len(data) % 4))
        self.size += len(self.parts[-1])

    def folder(self, name):
        self.add(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o644):
        self.add(name, stat.S_IFREG | mode, data)

    def finish(self):
        self.add('TRAILER!!!', 0)
        return b''.join(self.parts) + b'\0' * (-self.size % 512)


def module_order(kernel):
    """The boot modules and what they need, in the order to load them."""
    needs = {}
    for line in (kernel.modules / 'modules.dep').read_text().splitlines():
        path, _, after = line.partition(':')
        needs[path] = after.split()
    by_name = {re.sub(r'\.ko(\.\w+)?$', '', os.path.basename(path)).replace('-', '_'): path for path in needs}
    builtin = {os.path.basename(line)[:-3].replace('-', '_')
               for line in (kernel.modules / 'modules.builtin').read_text().split()}
    order = []
    for module in BOOT_MODULES:
        if module in by_name:
            path = by_name[module]
            order += [p for p in reversed(needs[path]) if p not in order] + [path] * (path not in order)
        elif module not in builtin:
            raise RigError(f'kernel {kernel.release} has no module {module}, which the rig boots through')
    return order


def read_module(path):
    data = path.read_bytes()
    if path.suffix == '.xz':
        return lzma.decompress(data)
    if path.suffix == '.zst':
        return run_tool(['zstd', '-dcq', str(path)], 'unpack module')
    if path.suffix == '.gz':
        return run_tool(['gzip', '-dc', str(path)], 'unpack module')
    return data


def guest_files():
    return sorted(p for p in GUEST.rglob('*') if p.is_file() and '__pycache__' not in p.parts)


def find_busybox():
    for path in ('/usr/bin/busybox', '/bin/busybox'):
        if os.path.exists(path):
            return Path(path)
    raise RigError('busybox-static is not installed (see contrib/packages.txt)')


def base_initramfs(kernel):
    """The part of the initramfs that all nodes of a kernel share, as bytes; cached by content."""
    order = [kernel.modules / path for path in module_order(kernel)]
    key = hashlib.sha256()
    for path in (find_busybox(), *order):
        about = path.stat()
        key.update(f'{path} {about.st_size} {about.st_mtime_ns}\n'.encode())
    for path in (*guest_files(), Path(__file__)):
        key.update(path.name.encode() + b'\0' + path.read_bytes())
    cached = cache_dir() / f'initramfs-{kernel.release}-{key.hexdigest()[:16]}'
    try:
        return cached.read_bytes()
    except FileNotFoundError:
        pass
    archive = Cpio()
    for name in ('bin', 'dev', 'proc', 'sys', 'host', 'upper', 'overlay', 'new', 'modules', 'rig', 'rig/bin'):
        archive.folder(name)
    archive.add('dev/console', stat.S_IFCHR | 0o600, device=(5, 1))
    archive.file('bin/busybox', find_busybox().read_bytes(), 0o755)
    for name in INIT_COMMANDS:
        archive.add(f'bin/{name}', stat.S_IFLNK | 0o777, b'busybox')
    for number, path in enumerate(order):
        archive.file(f'modules/{number:02}-{path.name.split(".")[0]}.ko', read_module(path))
    for path in guest_files():
        name = 'init' if path.name == 'init' else f'rig/{path.relative_to(GUEST)}'
        archive.file(name, path.read_bytes(), 0o755)
    data = archive.finish()
    write_whole(cached, data)
    prune(f'initramfs-{kernel.release}-*')
    return data


def node_initramfs(kernel, conf):
    """A node's initramfs: the kernel's, followed by an archive of the node's own settings."""
    archive = Cpio()
    archive.file('rig/conf', conf.encode())
    return base_initramfs(kernel) + archive.finish()
