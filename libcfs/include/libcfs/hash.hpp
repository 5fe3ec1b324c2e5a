// SPDX-License-Identifier: GPL-2.0
//
// A hash table of reference-counted objects that many CPUs search at once: peers, exports, locks,
// objects by FID. Lookups take no lock; changes take one of a few locks, chosen by the hash; the
// table grows and shrinks with what is in it while it is used.
//
//     struct PeerTraits {
//             using Key = Nid;
//             static const Key &key(const Peer &p) noexcept;     // immutable while in the table
//             static std::uint32_t hash(const Key &k) noexcept;
//     };
//     class Peer : public RcuRefCounted<Peer> { public: HashHook in_table; ... };
//     HashTable<Peer, &Peer::in_table, PeerTraits> peers{CFS_LOCK_CLASS("lnet peers")};
//
// The table holds a reference to each object in it. Objects must end through RCU (RcuRefCounted, or
// a destroy() of their own that frees after a grace period), because a lookup may still look at one
// that has just been taken out; for the same reason an object that was taken out may not be put in
// again.
//
// How it works: a bucket is a chain that readers walk inside an RCU section. To resize, a second
// array is hung behind the first (`next`), and bucket by bucket, under the lock that both places of
// a hash share, objects are moved over starting with the last of the chain, and the bucket is
// marked as moved. A reader who is led astray by a moved object ends up at the end of some chain of
// the new array and, as always at the end of a chain, goes on in the next array, where the object
// already is: it is linked there before it is unlinked here.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <string_view>
#include <utility>

#include <boost/intrusive/parent_from_member.hpp>

#include "libcfs/assert.hpp"
#include "libcfs/containers.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/thread.hpp"

namespace cfs
{

/// Spreads the bits of a number.
[[nodiscard]] constexpr std::uint32_t hash_u64(std::uint64_t v) noexcept
{
	v ^= v >> 33;
	v *= 0xff51afd7ed558ccdULL;
	v ^= v >> 33;
	v *= 0xc4ceb9fe1a85ec53ULL;
	return static_cast<std::uint32_t>(v >> 32);
}

/// Adds a number to a hash: for keys of several fields.
[[nodiscard]] constexpr std::uint32_t hash_add(std::uint32_t h, std::uint64_t v) noexcept
{
	return hash_u64(v ^ (std::uint64_t{h} << 32 | h));
}

[[nodiscard]] constexpr std::uint32_t hash_text(std::string_view s) noexcept
{
	std::uint64_t h = 14695981039346656037u;
	for (char c : s)
		h = (h ^ static_cast<unsigned char>(c)) * 1099511628211u;
	return hash_u64(h);
}

/// A reference count whose object is freed after an RCU grace period. The destructor runs at once:
/// it must leave alone what lookups read (key, hook, count).
template <typename T>
class RcuRefCounted : public RefCounted<T>
{
	cfs_rcu rcu_;

public:
	void destroy() noexcept
	{
		T *p = static_cast<T *>(this);
		cfs_rcu *head = &rcu_;
		p->~T();
		cfs_free_rcu(T::kSubsys, p, sizeof(T), head);
	}
};

/// Links an object into a HashTable.
class HashHook
{
	template <typename T, HashHook T::*Hook, typename Traits>
	friend class HashTable;

	std::atomic<HashHook *> next_{nullptr};
	std::uint32_t hash_ = 0;
	enum class State : std::uint8_t { fresh, in, out };
	State state_ = State::fresh; // the lock of the hash
};

template <typename T, HashHook T::*Hook, typename Traits>
class HashTable
{
public:
	using Key = typename Traits::Key;

	/// Buckets of a fresh table, and the least it shrinks to.
	static constexpr std::uint32_t kBucketsMin = 64;
	static constexpr std::uint32_t kBucketsMax = 1u << 22;

	explicit HashTable(cfs_lock_class *c) noexcept : lock_class_(c) {}
	~HashTable() { CFS_ASSERT(!buckets_.load(std::memory_order_relaxed)); }
	HashTable(const HashTable &) = delete;
	HashTable &operator=(const HashTable &) = delete;

	/// Makes it usable. With a queue the table resizes itself there; without one it only does
	/// when resize() is called. May sleep.
	[[nodiscard]] Result<> open(cfs_subsys s, WorkQueue *queue) noexcept
	{
		subsys_ = s;
		queue_ = queue;
		locks_ = TRY(Array<Stripe>::make(s, kStripes));
		for (Stripe &stripe : locks_)
			stripe.make(lock_class_);
		buckets_.store(TRY(make_buckets(kBucketsMin)), std::memory_order_release);
		return {};
	}
	/// Takes everything out and frees the table. Nobody may use it any more. Sleeps.
	void close() noexcept
	{
		if (!buckets_.load(std::memory_order_relaxed)) {
			locks_.clear();
			return;
		}
		queue_ = nullptr;
		resize_work_.cancel_sync();
		erase_if([](const T &) { return true; });
		// Readers may still be in the array.
		cfs_rcu_synchronize();
		free_buckets(buckets_.exchange(nullptr, std::memory_order_acq_rel));
		locks_.clear();
	}

	/// A reference to the object with this key, or null. Any context.
	[[nodiscard]] RefPtr<T> find(const Key &key) const noexcept
	{
		std::uint32_t hash = Traits::hash(key);
		RcuGuard g;
		for (Buckets *b = current(); b; b = b->next.load(std::memory_order_acquire))
			for (HashHook *h = b->head(hash).load(std::memory_order_acquire);
			     h && h != moved(); h = h->next_.load(std::memory_order_acquire))
				if (T *t = match(h, hash, key); t && t->try_get())
					return RefPtr<T>::adopt(t);
		return nullptr;
	}

	/// Puts an object in. When one with its key is there, that one is returned and the table
	/// stays as it was; otherwise the object itself is. Any context.
	[[nodiscard]] RefPtr<T> find_or_insert(const RefPtr<T> &fresh) noexcept
	{
		HashHook &hook = fresh.get()->*Hook;
		std::uint32_t hash = Traits::hash(Traits::key(*fresh));
		{
			Change change(*this, hash);
			std::atomic<HashHook *> &head = change.head();
			for (HashHook *h = head.load(std::memory_order_relaxed); h;
			     h = h->next_.load(std::memory_order_relaxed))
				if (T *t = match(h, hash, Traits::key(*fresh)))
					return RefPtr<T>::share(t);
			CFS_ASSERT(hook.state_ == HashHook::State::fresh);
			fresh->get();
			hook.hash_ = hash;
			hook.state_ = HashHook::State::in;
			hook.next_.store(head.load(std::memory_order_relaxed),
					 std::memory_order_relaxed);
			head.store(&hook, std::memory_order_release);
			// Before anybody can take it out again: the number never wraps, and is 0
			// only of an empty table.
			count_.fetch_add(1, std::memory_order_relaxed);
		}
		want_resize();
		return fresh;
	}
	/// Likewise; false when one with its key is there.
	[[nodiscard]] bool insert(const RefPtr<T> &fresh) noexcept
	{
		return find_or_insert(fresh) == fresh;
	}

	/// Takes an object out and drops the table's reference; false when it was not in.
	bool erase(T &t) noexcept
	{
		{
			Change change(*this, Traits::hash(Traits::key(t)));
			if (!unlink(change.head(), t.*Hook))
				return false;
			count_.fetch_sub(1, std::memory_order_relaxed);
		}
		want_resize();
		t.put();
		return true;
	}

	/// Calls f(T &) -> bool for every object, until it returns false. Each call holds a lock of
	/// the table: f may neither sleep nor use the table. Objects that come or go meanwhile may
	/// be met or not.
	template <typename F>
	void for_each(F f) noexcept
	{
		for (std::uint32_t s = 0; s < kStripes; s++) {
			Change change(*this, s);
			bool go_on = true;
			change.walk([&](std::atomic<HashHook *> &head) {
				for (HashHook *h = head.load(std::memory_order_relaxed); h && go_on;
				     h = h->next_.load(std::memory_order_relaxed))
					go_on = f(*object(h));
			});
			if (!go_on)
				return;
		}
	}

	/// Takes out the objects for which pred(const T &) is true, called with a lock held, and
	/// drops the table's references without it. Returns their number. Sleeps if ending an
	/// object does.
	template <typename Pred>
	std::size_t erase_if(Pred pred) noexcept
	{
		std::size_t total = 0;
		for (std::uint32_t s = 0; s < kStripes; s++) {
			RefPtr<T> batch[kEraseBatch];
			std::size_t n = 0;
			do {
				n = collect(s, pred, batch);
				for (std::size_t i = 0; i < n; i++)
					batch[i].reset();
				total += n;
			} while (n == kEraseBatch);
		}
		want_resize();
		return total;
	}

	/// Objects in the table, at this moment.
	[[nodiscard]] std::size_t size() const noexcept
	{
		return count_.load(std::memory_order_relaxed);
	}
	[[nodiscard]] std::uint32_t bucket_count() const noexcept
	{
		RcuGuard g;
		return current()->mask + 1;
	}

	/// Brings the number of buckets to what the number of objects asks for: for tables without
	/// a queue. err::NOMEM leaves the table as it is. Does nothing while another thread does
	/// it. Sleeps.
	Result<> resize() noexcept
	{
		Result<> r;
		if (resizing_.exchange(true, std::memory_order_acq_rel))
			return r;
		for (std::uint32_t want = wanted_size(); want && r; want = wanted_size())
			r = resize_to(want);
		if (!r)
			failures_.fetch_add(1, std::memory_order_relaxed);
		resizing_.store(false, std::memory_order_release);
		return r;
	}
	/// How often there was no memory for another size.
	[[nodiscard]] std::uint32_t resize_failures() const noexcept
	{
		return failures_.load(std::memory_order_relaxed);
	}

private:
	static constexpr std::uint32_t kStripes = 32; // locks; at most kBucketsMin
	static constexpr std::size_t kEraseBatch = 16;
	static_assert(kStripes <= kBucketsMin);

	/// A lock that is made after its array.
	class Stripe
	{
		alignas(SpinLock) unsigned char room_[sizeof(SpinLock)];
		bool made_ = false;

	public:
		~Stripe()
		{
			if (made_)
				lock().~SpinLock();
		}
		void make(cfs_lock_class *c) noexcept
		{
			::new (static_cast<void *>(room_)) SpinLock(c);
			made_ = true;
		}
		SpinLock &lock() noexcept { return *reinterpret_cast<SpinLock *>(room_); }
	};

	struct Buckets {
		std::uint32_t mask;
		std::atomic<Buckets *> next{nullptr}; // what it is being replaced by
		std::atomic<HashHook *> heads[];

		std::atomic<HashHook *> &head(std::uint32_t hash) noexcept
		{
			return heads[hash & mask];
		}
		static std::size_t bytes(std::uint32_t n) noexcept
		{
			return sizeof(Buckets) + n * sizeof(std::atomic<HashHook *>);
		}
	};

	/// The right to change what has this hash: its lock, and an RCU section, for the arrays.
	class Change
	{
		RcuGuard rcu_;
		HashTable &table_;
		std::uint32_t hash_;
		SpinLock &lock_;

	public:
		Change(HashTable &t, std::uint32_t hash) noexcept CFS_NO_TSA
		    : table_(t),
		      hash_(hash),
		      lock_(t.locks_[hash % kStripes].lock())
		{
			lock_.lock();
		}
		~Change() CFS_NO_TSA { lock_.unlock(); }
		Change(const Change &) = delete;
		Change &operator=(const Change &) = delete;

		/// The chain that the hash is in now.
		std::atomic<HashHook *> &head() noexcept
		{
			Buckets *b = table_.current();
			while (b->head(hash_).load(std::memory_order_acquire) == moved())
				b = b->next.load(std::memory_order_acquire);
			return b->head(hash_);
		}
		/// f(head) for all chains that the lock covers.
		template <typename F>
		void walk(F f) noexcept
		{
			for (Buckets *b = table_.current(); b;
			     b = b->next.load(std::memory_order_acquire))
				for (std::uint32_t i = hash_ % kStripes; i <= b->mask;
				     i += kStripes)
					if (b->heads[i].load(std::memory_order_acquire) != moved())
						f(b->heads[i]);
		}
	};

	/// Ends the chain of a bucket that has been moved to the next array.
	static HashHook *moved() noexcept { return reinterpret_cast<HashHook *>(1); }

	static T *object(HashHook *h) noexcept
	{
		return boost::intrusive::get_parent_from_member<T, HashHook>(h, Hook);
	}
	static T *match(HashHook *h, std::uint32_t hash, const Key &key) noexcept
	{
		if (h->hash_ != hash)
			return nullptr;
		T *t = object(h);
		return Traits::key(*t) == key ? t : nullptr;
	}
	[[nodiscard]] Buckets *current() const noexcept
	{
		return buckets_.load(std::memory_order_acquire);
	}

	/// Takes `hook` out of its chain; its own link stays for readers that are there.
	static bool unlink(std::atomic<HashHook *> &head, HashHook &hook) noexcept
	{
		if (hook.state_ != HashHook::State::in)
			return false;
		std::atomic<HashHook *> *link = &head;
		for (HashHook *h = link->load(std::memory_order_relaxed); h;
		     h = link->load(std::memory_order_relaxed)) {
			if (h == &hook) {
				link->store(hook.next_.load(std::memory_order_relaxed),
					    std::memory_order_release);
				hook.state_ = HashHook::State::out;
				return true;
			}
			link = &h->next_;
		}
		return false;
	}

	template <typename Pred>
	std::size_t collect(std::uint32_t stripe, Pred &pred, RefPtr<T> *batch) noexcept
	{
		std::size_t n = 0;
		Change change(*this, stripe);
		change.walk([&](std::atomic<HashHook *> &head) {
			HashHook *h = head.load(std::memory_order_relaxed);
			while (h && n < kEraseBatch) {
				HashHook *after = h->next_.load(std::memory_order_relaxed);
				T *t = object(h);
				if (pred(static_cast<const T &>(*t)) && unlink(head, *h))
					batch[n++] = RefPtr<T>::adopt(t);
				h = after;
			}
		});
		count_.fetch_sub(n, std::memory_order_relaxed);
		return n;
	}

	Result<Buckets *> make_buckets(std::uint32_t n) noexcept
	{
		std::size_t bytes = Buckets::bytes(n);
		unsigned flags = bytes > 4096 ? CFS_ALLOC_LARGE : CFS_ALLOC_DEFAULT;
		void *m = cfs_alloc(subsys_, bytes, flags);
		if (!m)
			return fail(err::NOMEM);
		auto *b = ::new (m) Buckets;
		b->mask = n - 1;
		for (std::uint32_t i = 0; i < n; i++)
			::new (static_cast<void *>(&b->heads[i])) std::atomic<HashHook *>(nullptr);
		return b;
	}
	void free_buckets(Buckets *b) noexcept
	{
		cfs_free(subsys_, b, Buckets::bytes(b->mask + 1));
	}

	/// The size the table should have, 0 when that is about what it has.
	[[nodiscard]] std::uint32_t wanted_size() const noexcept
	{
		std::size_t n = size();
		RcuGuard g;
		std::size_t have = current()->mask + 1;
		if (n <= have && (n >= have / 8 || have == kBucketsMin))
			return 0;
		std::size_t want = std::bit_ceil(n < kBucketsMin / 2 ? kBucketsMin : n * 2);
		want = want < kBucketsMin ? kBucketsMin : want > kBucketsMax ? kBucketsMax : want;
		return want == have ? 0 : static_cast<std::uint32_t>(want);
	}
	void want_resize() noexcept
	{
		if (queue_ && wanted_size())
			resize_work_.queue(*queue_);
	}
	void resize_queued() noexcept { (void)resize(); }
	Result<> resize_to(std::uint32_t n) noexcept
	{
		Buckets *to = TRY(make_buckets(n));
		Buckets *from = current();
		from->next.store(to, std::memory_order_release);
		for (std::uint32_t i = 0; i <= from->mask; i++) {
			Change change(*this, i);
			move_bucket(from->heads[i], *to);
		}
		buckets_.store(to, std::memory_order_release);
		cfs_rcu_synchronize();
		free_buckets(from);
		return {};
	}
	/// Moves a chain, its last object first, so that a reader in the chain still meets all the
	/// others that were before it.
	static void move_bucket(std::atomic<HashHook *> &head, Buckets &to) noexcept
	{
		while (head.load(std::memory_order_relaxed)) {
			std::atomic<HashHook *> *link = &head;
			HashHook *h = link->load(std::memory_order_relaxed);
			while (HashHook *after = h->next_.load(std::memory_order_relaxed)) {
				link = &h->next_;
				h = after;
			}
			std::atomic<HashHook *> &new_head = to.head(h->hash_);
			h->next_.store(new_head.load(std::memory_order_relaxed),
				       std::memory_order_release);
			new_head.store(h, std::memory_order_release);
			link->store(nullptr, std::memory_order_release);
		}
		head.store(moved(), std::memory_order_release);
	}

	cfs_lock_class *lock_class_;
	cfs_subsys subsys_ = CFS_S_UNDEFINED;
	WorkQueue *queue_ = nullptr;
	Array<Stripe> locks_;
	std::atomic<Buckets *> buckets_{nullptr};
	std::atomic<std::size_t> count_{0};
	std::atomic<std::uint32_t> failures_{0};
	std::atomic<bool> resizing_{false};
	Work<HashTable, &HashTable::resize_queued> resize_work_{this};
};

} // namespace cfs
