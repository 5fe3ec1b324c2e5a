// SPDX-License-Identifier: GPL-2.0
//
// Opening and closing (spec 04 sections 7 and 8, 06 section 9).
#include "client/open_file.hpp"

#include "client/mount_impl.hpp"
#include "libcfs/log.hpp"
#include "wire/print.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;

u64 open_flags(u32 flags, bool exec) noexcept
{
	static constexpr struct {
		u32 o;
		u64 md;
	} table[] = {
		{kOCreat, MDS_OPEN_CREAT},	  {kOExcl, MDS_OPEN_EXCL},
		{kOTrunc, MDS_OPEN_TRUNC},	  {kOAppend, MDS_OPEN_APPEND},
		{kODsync, MDS_OPEN_SYNC},	  {kODirectory, MDS_OPEN_DIRECTORY},
		{kONonblock, MDS_OPEN_NORESTORE},
	};
	constexpr u32 kDelayCreate = kONoctty | kOFasync;
	u64 md = 0;
	switch (flags & kOAccmode) {
	case kOWronly:
		md = MDS_FMODE_WRITE;
		break;
	case kORdwr:
		md = MDS_FMODE_READ | MDS_FMODE_WRITE;
		break;
	default:
		md = MDS_FMODE_READ;
		break;
	}
	for (const auto &t : table)
		if (flags & t.o)
			md |= t.md;
	// What the kernel lets through without O_CREAT means nothing.
	if (!(md & MDS_OPEN_CREAT))
		md &= ~MDS_OPEN_EXCL;
	if ((flags & kDelayCreate) == kDelayCreate)
		md |= MDS_OPEN_DELAY_CREATE;
	return exec ? md | MDS_FMODE_EXEC : md;
}

Result<cfs::UniquePtr<OpenFile>> open_inode(Inode &i, u32 flags, u64 extra, bool exec,
					    cfs::Bytes layout) noexcept
{
	Mdc &mdc = i.mount().mdc();
	Caller who = Caller::here(i.gid());
	OpenArgs args;
	args.flags = open_flags(flags & ~(kOCreat | kOExcl | kOTrunc), exec) | extra |
		     MDS_OPEN_BY_FID | MDS_OPEN_OWNEROVERRIDE;
	args.mode = i.is_regular() ? 0100000 : 0;
	args.umask = who.cred.umask;
	args.fid = i.fid();
	args.layout = layout;
	Early early(mdc.locks());
	OpenHandleRef handle;
	auto r = TRY(mdc.intent_open(who, {i.fid(), {}}, args, early, &handle));
	TRY(r.ended());
	if (!r.has(DISP_OPEN_OPEN) || !handle)
		return cfs::fail(r.has(DISP_LOOKUP_NEG) ? STALE : PROTO);
	auto file = cfs::try_make<OpenFile>(i, handle, flags);
	if (!file || !(r.body.fid1 == i.fid())) {
		(void)mdc.close_file(handle, {.fid = r.body.fid1});
		return cfs::fail(file ? PROTO : NOMEM);
	}
	i.take(r);
	return file;
}

void close_file(cfs::UniquePtr<OpenFile> file) noexcept
{
	if (!file->handle)
		return;
	Inode &i = file->inode;
	CloseArgs args;
	args.fid = i.fid();
	args.attr = i.for_close();
	args.inode_flags = i.inode_flags();
	args.modified = file->written.load(std::memory_order_relaxed);
	auto r = i.mount().mdc().close_file(std::move(file->handle), args);
	if (!r && !i.mount().forced())
		CDEBUG(CFS_S_LLITE, CFS_D_INODE, "close of {}: {}", i.fid(), r);
}

} // namespace client
