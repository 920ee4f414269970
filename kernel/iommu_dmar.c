/* SPDX-License-Identifier: MIT
 * The DMAR table: which remapping units there are, and who the I/O APICs are (VT-d specification chapter 8). Pure, but for messages. */
#include "iommu.h"
#include "api.h"
#include <string.h>

#define TABLE_FIRST 48u
#define TABLE_FLAGS 37
#define FLAG_INTERRUPTS 1u
enum { DMAR_UNIT = 0, DMAR_RESERVED = 1, DMAR_TYPES };
static const uint8_t minimum[DMAR_TYPES] = { [DMAR_UNIT] = 16, [DMAR_RESERVED] = 24 }; /* device scopes follow */
#define SCOPE_SIZE 6 /* and two bytes for each hop of the path */
#define SCOPE_DEVICE_SIZE 8
#define SCOPE_IOAPIC 3

struct dmar dmar;

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static uint64_t get64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }

static uint16_t scope_source(const uint8_t *scope)
{
    return (uint16_t)(scope[5] << 8 | (scope[6] & 31) << 3 | (scope[7] & 7));
}

/* Firmware keeps some devices running in memory of its own (keyboards on USB, graphics). They lose it. */
static void refuse_reserved(const uint8_t *entry, const uint8_t *scope)
{
    uint16_t source = scope_source(scope);
    print("iommu: firmware reserves memory 0x%lx to 0x%lx for device %02x:%02x.%u: refused\n", get64(entry + 8), get64(entry + 16),
          source >> 8, source >> 3 & 31, source & 7);
}

static const char *read_scopes(struct dmar *out, const uint8_t *entry, uint32_t type, uint32_t size)
{
    for (uint32_t at = minimum[type]; at < size; at += entry[at + 1]) {
        const uint8_t *scope = entry + at;
        if (size - at < SCOPE_SIZE || scope[1] < SCOPE_SIZE || scope[1] > size - at)
            return "a device scope of the DMAR table has a wrong length";
        if (type == DMAR_RESERVED && scope[1] >= SCOPE_DEVICE_SIZE)
            refuse_reserved(entry, scope);
        /* One behind a bridge has a longer path: its bus is not known from here. */
        if (type == DMAR_UNIT && scope[0] == SCOPE_IOAPIC && scope[1] == SCOPE_DEVICE_SIZE && out->ioapic_count < IOMMU_MAX_IOAPICS) {
            out->ioapics[out->ioapic_count].id = scope[4];
            out->ioapics[out->ioapic_count++].source = scope_source(scope);
        }
    }
    return NULL;
}

static const char *read_unit(struct dmar *out, const uint8_t *entry)
{
    uint64_t address = get64(entry + 8);
    if (!address || (address & PAGE_MASK))
        return "a remapping unit of the DMAR table has no page-aligned address";
    if (out->unit_count == IOMMU_MAX_UNITS)
        return "the DMAR table has more than 16 remapping units";
    out->units[out->unit_count].address = address;
    out->units[out->unit_count++].segment = get16(entry + 6);
    return NULL;
}

static const char *read_entries(struct dmar *out, const uint8_t *table, uint32_t length)
{
    uint32_t size;
    for (uint32_t at = TABLE_FIRST; at < length; at += size) {
        const uint8_t *entry = table + at;
        uint32_t type = length - at < 4 ? 0 : get16(entry);
        size = length - at < 4 ? 0 : get16(entry + 2);
        if (size < 4 || size > length - at || (type < DMAR_TYPES && size < minimum[type]))
            return "an entry of the DMAR table has a wrong length";
        const char *problem = type == DMAR_UNIT ? read_unit(out, entry) : NULL;
        if (!problem && type < DMAR_TYPES)
            problem = read_scopes(out, entry, type, size);
        if (problem)
            return problem;
    }
    return out->unit_count ? NULL : "the DMAR table has no remapping unit";
}

const char *dmar_read(struct dmar *out, const uint8_t *table, uint32_t length)
{
    memset(out, 0, sizeof(*out));
    const char *problem = length < TABLE_FIRST ? "the DMAR table is too short" : read_entries(out, table, length);
    if (problem) {
        memset(out, 0, sizeof(*out));
        return problem;
    }
    out->interrupts = table[TABLE_FLAGS] & FLAG_INTERRUPTS;
    return NULL;
}
