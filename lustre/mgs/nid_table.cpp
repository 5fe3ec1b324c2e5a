// SPDX-License-Identifier: GPL-2.0
#include "mgs/nid_table.hpp"

#include <algorithm>
#include <cstring>

#include "libcfs/log.hpp"

namespace mgs
{

using namespace cfs::err;

namespace
{

constexpr cfs::ParamInfo kLive = cfs::param_text<&NidTable::show, &NidTable::set>(
	{.name = "",
	 .doc = "Which targets of a file system run, and how far clients have been told of it. "
		"state=disabled: they are told no more; state=full: they are again.",
	 .tree = CFS_PTREE_DEBUGFS});

osd::CreateSpec directory_spec() noexcept
{
	osd::CreateSpec s;
	s.attr.valid = osd::kAttrMode | osd::kAttrType;
	s.attr.mode = osd::kTypeDir | 0755;
	return s;
}

/// NIDs that the reader of an answer understands.
std::size_t count_nids(std::span<const lnet::Nid> nids, const TableQuery &q) noexcept
{
	auto fits = [&q](const lnet::Nid &n) { return q.large || n.is_nid4(); };
	auto n = static_cast<std::size_t>(std::ranges::count_if(nids, fits));
	return std::min(n, NidTable::kNidsMax);
}

std::size_t nid_size(const TableQuery &q) noexcept
{
	return q.large ? sizeof(lnet::Nid) : sizeof(u64);
}

/// Of an entry with these NIDs; 0 when it is left out, for want of one that the reader knows.
std::size_t entry_bytes(std::span<const lnet::Nid> nids, const TableQuery &q) noexcept
{
	std::size_t n = count_nids(nids, q);
	std::size_t bytes = sizeof(wire::MgsNidtblEntry) + n * nid_size(q);
	return n && bytes <= q.unit ? bytes : 0;
}

} // namespace

// ---- a table ----

NidTable::NidTable(TableOwner &owner, std::string_view fsname) noexcept
    : owner_(owner), fsname_("{}", fsname), info_(kLive)
{
	info_.spec.name = fsname_.view().data();
}

NidTable::~NidTable()
{
	stop();
	places_.clear_and_dispose([](Place *p) { cfs::UniquePtr<Place>(p).reset(); });
}

cfs::Result<> NidTable::open(osd::Object &dir, cfs_node *node) noexcept
{
	file_ = TRY(osd::find_or_create_named(dir, name(), osd::local_file_spec()));
	body_ = TRY(file_->body());
	wire::le64 saved{};
	std::size_t n = TRY(body_->read(0, std::as_writable_bytes(std::span(&saved, 1))));
	{
		cfs::MutexGuard g(lock_);
		if (n == sizeof(saved))
			version_ = std::max(version_, saved.get());
		if (version_ > kVersionMax) {
			CERROR(kSubsys, "{}: {}/{} has the version {:#x}", name(),
			       wire::MGS_NIDTBL_DIR, name(), version_);
			return cfs::fail(UCLEAN);
		}
		if (n != sizeof(saved))
			TRY(save(version_));
	}
	return thread_.start<&NidTable::run>(node, "ll_mgs_notify", this);
}

void NidTable::stop() noexcept
{
	{
		cfs::SpinGuard g(news_lock_);
		stop_ = true;
		waitq_.wake_all();
	}
	thread_.join();
}

cfs::Result<> NidTable::save(u64 version) noexcept
{
	wire::le64 value{version};
	auto tx = TRY(file_->device().begin());
	TRY(body_->declare_write(*tx, 0, sizeof(value)));
	tx->set_sync();
	TRY(tx->start());
	return osd::stop(*tx, body_->write(*tx, 0, cfs::bytes_of(value)));
}

NidTable::Place *NidTable::find(TargetKind kind, u16 index) noexcept
{
	for (Place &p : places_)
		if (p.kind == kind && p.index == index)
			return &p;
	return nullptr;
}

cfs::Result<> NidTable::put(TargetKind kind, u16 index, u32 instance,
			    std::span<const lnet::Nid> nids) noexcept
{
	auto copy = TRY(cfs::Array<lnet::Nid>::make(kSubsys, nids.size()));
	std::ranges::copy(nids, copy.begin());
	auto fresh = TRY(cfs::try_make<Place>());
	cfs::MutexGuard g(lock_);
	Place *p = find(kind, index);
	if (p && p->instance == instance && std::ranges::equal(p->nids, nids))
		return {};
	if (!p && places_.size() >= kTargetsMax) {
		refused_++;
		CWARN(kSubsys, "{}: more than {} targets: clients are not told when others start",
		      name(), kTargetsMax);
		return cfs::fail(NOSPC);
	}
	TRY(save(version_ + 1));
	version_++;
	if (p)
		places_.erase(places_.iterator_to(*p));
	else
		p = fresh.release();
	p->kind = kind;
	p->index = index;
	p->instance = instance;
	p->version = version_;
	p->nids = std::move(copy);
	places_.push_back(*p);
	g.unlock();
	cfs::SpinGuard news(news_lock_);
	news_ = true;
	waitq_.wake_all();
	return {};
}

std::size_t NidTable::room(const TableQuery &q) noexcept
{
	std::size_t bytes = 0, longest = 0;
	cfs::MutexGuard g(lock_);
	for (const Place &p : places_)
		if (p.version >= q.first) {
			std::size_t n = entry_bytes(p.nids, q);
			bytes += n;
			longest = std::max(longest, n);
		}
	if (bytes == 0)
		return 0;
	// What is left over in each unit is shorter than the longest entry.
	std::size_t used = q.unit - (longest - 1);
	return (bytes + used - 1) / used * q.unit;
}

/// Writes entries one behind the other.
class NidTable::Packer
{
	const TableQuery &q_;
	cfs::MutBytes out_;
	std::size_t bytes_ = 0;
	wire::MgsNidtblEntry *before_ = nullptr;

	void write_nids(const Place &p, cfs::MutBytes to) noexcept
	{
		for (const lnet::Nid &nid : p.nids) {
			wire::le64 old{nid.nid4()};
			if (to.empty() || !(q_.large || nid.is_nid4()))
				continue;
			cfs::Bytes from = q_.large ? nid.wire() : cfs::bytes_of(old);
			std::ranges::copy(from, to.begin());
			to = to.subspan(from.size());
		}
	}

public:
	Packer(const TableQuery &q, cfs::MutBytes out) noexcept : q_(q), out_(out) {}
	[[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

	/// False when there is no room for it.
	[[nodiscard]] bool add(const Place &p) noexcept
	{
		std::size_t n = entry_bytes(p.nids, q_);
		std::size_t left = q_.unit - bytes_ % q_.unit;
		std::size_t pad = n > left ? left : 0;
		if (n == 0)
			return true;
		auto head = cfs::view_at<wire::MgsNidtblEntry>(out_, bytes_ + pad);
		if (!head || out_.size() - bytes_ - pad < n)
			return false;
		// What is left of a unit belongs to its last entry.
		if (pad && before_)
			before_->length = before_->length + static_cast<u32>(pad);
		bytes_ += pad;
		before_ = *head;
		before_->version = p.version;
		before_->instance = p.instance;
		before_->index = p.index;
		before_->length = static_cast<u32>(n);
		before_->type = p.kind == TargetKind::mdt ? wire::NidtblTargetType::kNidtblMdt
							  : wire::NidtblTargetType::kNidtblOst;
		before_->nid_type = q_.large ? wire::NidtblNidType::kNidtblNidLarge
					     : wire::NidtblNidType::kNidtblNid4;
		before_->nid_size = static_cast<wire::u8>(nid_size(q_));
		before_->nid_count = static_cast<wire::u8>(count_nids(p.nids, q_));
		write_nids(p, out_.subspan(bytes_ + sizeof(*before_), n - sizeof(*before_)));
		bytes_ += n;
		return true;
	}
};

TableAnswer NidTable::read(const TableQuery &q, cfs::MutBytes out) noexcept
{
	Packer packer(q, out);
	cfs::MutexGuard g(lock_);
	u64 last = q.first - 1;
	for (const Place &p : places_) {
		if (p.version < q.first)
			continue;
		if (!packer.add(p))
			return {packer.bytes(), last, version_};
		last = p.version;
	}
	return {packer.bytes(), version_, version_};
}

// ---- telling ----

void NidTable::run() noexcept
{
	for (;;) {
		{
			cfs::SpinGuard g(news_lock_);
			auto ready = [this]() CFS_NO_TSA { return stop_ || (news_ && !disabled_); };
			auto stopped = [this]() CFS_NO_TSA { return stop_; };
			(void)waitq_.wait(news_lock_, cfs::WaitMode::idle, cfs::Instant::never(),
					  ready);
			(void)waitq_.wait(news_lock_, cfs::WaitMode::idle, cfs::after(kGather),
					  stopped);
			if (stop_)
				return;
			news_ = false;
		}
		cfs::Instant from = cfs::Instant::now();
		auto told = owner_.tell_clients(*this);
		cfs::SpinGuard g(news_lock_);
		rounds_++;
		rounds_took_ = rounds_took_ + (cfs::Instant::now() - from);
		longest_ = std::max(longest_, cfs::Instant::now() - from);
		if (told || stop_)
			continue;
		news_ = true;
		CWARN(kSubsys, "{}: clients are not told where targets run: rc = {}; trying again",
		      name(), told);
		auto stopped = [this]() CFS_NO_TSA { return stop_; };
		(void)waitq_.wait(news_lock_, cfs::WaitMode::idle, cfs::after(kPause), stopped);
	}
}

bool NidTable::disabled() noexcept
{
	cfs::SpinGuard g(news_lock_);
	return disabled_;
}

cfs::Result<> NidTable::set(std::string_view text) noexcept
{
	std::string_view word = cfs::trim(text);
	if (word != "state=disabled" && word != "state=full")
		return cfs::fail(INVAL);
	cfs::SpinGuard g(news_lock_);
	disabled_ = word == "state=disabled";
	waitq_.wake_all();
	return {};
}

void NidTable::show(cfs::FormatSink &out) noexcept
{
	u64 version = 0, refused = 0, rounds = 0;
	cfs::Duration took, longest;
	out.print("fsname: {}\n", name());
	{
		cfs::MutexGuard g(lock_);
		version = version_;
		refused = refused_;
		for (const Place &p : places_)
			out.print("{}\n", target_name(name(), p.kind, p.index).view());
	}
	{
		cfs::SpinGuard g(news_lock_);
		rounds = rounds_;
		took = rounds_took_;
		longest = longest_;
	}
	constexpr std::int64_t kSecond = 1000000000;
	out.print("\nSecure RPC Config Rules:\n\nimperative_recovery_state:\n");
	owner_.show_state(*this, out);
	out.print("    nidtbl_version: {}\n    notify_duration_total: {}.{:09}\n"
		  "    notify_duation_max: {}.{:09}\n    notify_count: {}\n    refused: {}\n",
		  version, took.s(), took.ns() % kSecond, longest.s(), longest.ns() % kSecond,
		  rounds, refused);
}

cfs::Result<> NidTable::publish(cfs::ParamGroup &live) noexcept
{
	return live.add({&info_, 1}, this);
}

// ---- all ----

cfs::Result<> NidTables::open(osd::DeviceRef device, cfs_node *node,
			      cfs::ParamGroup *params) noexcept
{
	device_ = std::move(device);
	node_ = node;
	cfs::MutexGuard g(lock_);
	return params ? live_.open(*params, "live") : cfs::Result<>{};
}

void NidTables::close() noexcept
{
	hide();
	cfs::List<NidTable, &NidTable::hook> gone;
	{
		cfs::MutexGuard g(lock_);
		gone.swap(tables_);
	}
	gone.clear_and_dispose([](NidTable *t) { cfs::UniquePtr<NidTable>(t).reset(); });
	device_.reset();
}

cfs::Result<cfs::UniquePtr<NidTable>> NidTables::load(std::string_view fsname) noexcept
{
	auto dir = TRY(osd::find_or_create_named(*device_->root(), wire::MGS_NIDTBL_DIR,
						 directory_spec()));
	auto table = TRY(cfs::try_make<NidTable>(owner_, fsname));
	TRY(table->open(*dir, node_));
	return table;
}

cfs::Result<NidTable *> NidTables::of(std::string_view fsname) noexcept
{
	cfs::MutexGuard g(lock_);
	std::size_t n = 0;
	for (NidTable &t : tables_) {
		if (t.name() == fsname)
			return &t;
		n++;
	}
	if (n >= kTablesMax)
		return cfs::fail(NOSPC);
	auto table = TRY(load(fsname));
	if (live_.is_open())
		TRY(table->publish(live_));
	tables_.push_back(*table);
	return table.release();
}

} // namespace mgs
