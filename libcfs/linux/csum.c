// SPDX-License-Identifier: GPL-2.0
//
// Checksums of the boundary (libcfs/plat/csum.h). CRC-32 and CRC-32C go through the kernel's crypto
// layer, which picks the CPU's instructions for them; its state is the raw remainder, which is what
// the boundary wants. Where the crypto layer has no such driver, or one whose state is something
// else (both are tried at load), the kernel's table-driven functions do. Usable in any context: the
// handles are made at load and only read afterwards.
#include <crypto/hash.h>
#include <linux/crc-t10dif.h>
#include <linux/crc32.h>
#include <linux/sizes.h>
#include <linux/zutil.h>
#include <net/checksum.h>

#include "glue.h"
#include "libcfs/plat/csum.h"

static struct crypto_shash *crc32_tfm;
static struct crypto_shash *crc32c_tfm;

static u32 shash_update(struct crypto_shash *tfm, u32 seed, const void *p, size_t n)
{
	SHASH_DESC_ON_STACK(desc, tfm);
	u32 *state = shash_desc_ctx(desc);

	desc->tfm = tfm;
	*state = seed;
	while (n) {
		/* The vector registers are borrowed with preemption off: not for long. */
		unsigned int part = min_t(size_t, n, SZ_4K);

		/* Never fails: these are additions to a register. */
		crypto_shash_update(desc, p, part);
		p += part;
		n -= part;
	}
	return *state;
}

uint32_t cfs_crc32(uint32_t seed, const void *p, size_t n)
{
	return crc32_tfm ? shash_update(crc32_tfm, seed, p, n) : crc32_le(seed, p, n);
}

uint32_t cfs_crc32c(uint32_t seed, const void *p, size_t n)
{
	return crc32c_tfm ? shash_update(crc32c_tfm, seed, p, n) : __crc32c_le(seed, p, n);
}

uint32_t cfs_adler32(uint32_t seed, const void *p, size_t n)
{
	while (n) {
		unsigned int part = min_t(size_t, n, 1U << 30);

		seed = zlib_adler32(seed, p, part);
		p += part;
		n -= part;
	}
	return seed;
}

uint16_t cfs_crc_t10dif(uint16_t seed, const void *p, size_t n)
{
	return crc_t10dif_update(seed, p, n);
}

uint16_t cfs_ip_csum(const void *p, size_t n)
{
	return (__force u16)ip_compute_csum(p, n);
}

/* A driver whose raw state gives the same as the library on a buffer long enough for its fast path.
 */
static struct crypto_shash *get_tfm(const char *name,
				    u32 (*want)(u32 seed, const void *p, size_t n))
{
	struct crypto_shash *tfm = crypto_alloc_shash(name, 0, 0);
	static const u8 sample[256] = {'L', 'u', 's', 't', 'r', 'e', 1, 2, 3};

	if (IS_ERR(tfm))
		return NULL;
	if (crypto_shash_descsize(tfm) == sizeof(u32) &&
	    shash_update(tfm, 0x12345678, sample, sizeof(sample)) ==
		    want(0x12345678, sample, sizeof(sample)))
		return tfm;
	pr_warn("LNet: libcfs: %s of the crypto layer can not be used; checksums will be slower\n",
		name);
	crypto_free_shash(tfm);
	return NULL;
}

static u32 plain_crc32(u32 seed, const void *p, size_t n)
{
	return crc32_le(seed, p, n);
}

static u32 plain_crc32c(u32 seed, const void *p, size_t n)
{
	return __crc32c_le(seed, p, n);
}

void cfs_csum_init(void)
{
	crc32_tfm = get_tfm("crc32", plain_crc32);
	crc32c_tfm = get_tfm("crc32c", plain_crc32c);
}

void cfs_csum_exit(void)
{
	crypto_free_shash(crc32_tfm);
	crypto_free_shash(crc32c_tfm);
}
