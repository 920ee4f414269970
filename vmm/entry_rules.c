/* SPDX-License-Identifier: MIT
 * The rules for guest state as a table: predicate, subject, sentence. */
#include <stdbool.h>
#include <stddef.h>
#include "cr.h"
#include "entry_rules.h"

#define CR4_RESERVED (1ull << 15 | 1ull << 26 | ~0ull << 29)
#define EFER_RESERVED (~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_SVME | 1ull << 13 | 1ull << 14 | 1ull << 15))
#define RFLAGS_RESERVED (~0ull << 22 | 1ull << 15 | 1ull << 5 | 1ull << 3)
#define TYPE(attr) ((attr) & 15)
#define DPL(attr) ((attr) >> SEG_ATTR_DPL_SHIFT & 3)
#define ATTR_RESERVED 0xfffe0f00u
#define ATTR_V86 0xf3u

typedef bool rule_fn(const struct vcpu_state *s, unsigned n);
#define RULE(name) static bool name(const struct vcpu_state *s, unsigned n __attribute__((unused)))

static bool canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

static bool long_mode(const struct vcpu_state *s) { return s->efer & EFER_LMA; }
static bool v86(const struct vcpu_state *s) { return s->rflags & RFLAGS_VM; }
static bool usable(const struct vcpu_state *s, unsigned n) { return !(s->seg[n].attr & SEG_ATTR_UNUSABLE); }
static bool long_code(const struct vcpu_state *s) { return long_mode(s) && (s->seg[SEG_CS].attr & SEG_ATTR_L); }

/* --- control registers, debug registers, MSRs --- */
RULE(pg_without_pe) { return (s->cr0 & CR0_PG) && !(s->cr0 & CR0_PE); }
RULE(cr0_high) { return s->cr0 >> 32; }
RULE(nw_without_cd) { return (s->cr0 & CR0_NW) && !(s->cr0 & CR0_CD); }
RULE(cr4_reserved) { return s->cr4 & CR4_RESERVED; }
RULE(cet_without_wp) { return (s->cr4 & CR4_CET) && !(s->cr0 & CR0_WP); }
RULE(lma_without_pg) { return long_mode(s) && !(s->cr0 & CR0_PG); }
RULE(lma_without_pae) { return long_mode(s) && !(s->cr4 & CR4_PAE); }
RULE(pcide_without_lma) { return (s->cr4 & CR4_PCIDE) && !long_mode(s); }
RULE(cr3_high) { return s->cr3 >> 52; }
RULE(efer_reserved) { return s->efer & EFER_RESERVED; }
RULE(lma_not_lme)
{
    return (s->cr0 & CR0_PG) && !(s->efer & EFER_LMA) != !(s->efer & EFER_LME);
}
RULE(dr7_high) { return s->dr7 >> 32; }
RULE(dr6_high) { return s->dr6 >> 32; }
RULE(sysenter_esp) { return !canonical(s->sysenter_esp); }
RULE(sysenter_eip) { return !canonical(s->sysenter_eip); }
RULE(pat_type)
{
    for (unsigned i = 0; i < 64; i += 8) {
        uint8_t type = (uint8_t)(s->pat >> i);
        if (type > 7 || type == 2 || type == 3) {
            return true;
        }
    }
    return false;
}
RULE(pdpte_reserved)
{
    bool pae = (s->cr0 & CR0_PG) && (s->cr4 & CR4_PAE) && !long_mode(s);
    return pae && (s->pdpte[n] & 1) && (s->pdpte[n] & (0xfff00000000001e6ull));
}

/* --- segments --- */
RULE(seg_ti) { return usable(s, n) && (s->seg[n].selector & 4); }
RULE(seg_v86_base) { return v86(s) && s->seg[n].base != (uint64_t)s->seg[n].selector << 4; }
RULE(seg_v86_limit) { return v86(s) && s->seg[n].limit != 0xffff; }
RULE(seg_v86_attr) { return v86(s) && s->seg[n].attr != ATTR_V86; }
RULE(seg_noncanonical) { return usable(s, n) && !canonical(s->seg[n].base); }
RULE(fsgs_noncanonical) { return !canonical(s->seg[n].base); }
RULE(seg_base_high) { return usable(s, n) && s->seg[n].base >> 32; }
RULE(seg_reserved) { return usable(s, n) && (s->seg[n].attr & ATTR_RESERVED); }
RULE(seg_absent) { return usable(s, n) && !(s->seg[n].attr & SEG_ATTR_P); }
RULE(seg_system) { return usable(s, n) && !(s->seg[n].attr & SEG_ATTR_S); }
RULE(seg_not_system) { return usable(s, n) && (s->seg[n].attr & SEG_ATTR_S); }
RULE(seg_unusable) { return !usable(s, n); }
RULE(seg_fine_limit)
{
    return usable(s, n) && (s->seg[n].attr & SEG_ATTR_G) && (s->seg[n].limit & 0xfff) != 0xfff;
}
RULE(seg_large_limit)
{
    return usable(s, n) && !(s->seg[n].attr & SEG_ATTR_G) && s->seg[n].limit >> 20;
}
RULE(cs_type)
{
    unsigned type = TYPE(s->seg[n].attr);
    return !v86(s) && type != 3 && (type & 9) != 9;
}
RULE(cs_data_dpl)
{
    return !v86(s) && TYPE(s->seg[n].attr) == 3 && DPL(s->seg[n].attr) != 0;
}
RULE(cs_plain_dpl)
{
    return !v86(s) && (TYPE(s->seg[n].attr) & 13) == 9 && DPL(s->seg[n].attr) != DPL(s->seg[SEG_SS].attr);
}
RULE(cs_conforming_dpl)
{
    return !v86(s) && (TYPE(s->seg[n].attr) & 13) == 13 && DPL(s->seg[n].attr) > DPL(s->seg[SEG_SS].attr);
}
RULE(cs_l_and_d) { return long_code(s) && (s->seg[SEG_CS].attr & SEG_ATTR_DB); }
RULE(ss_type)
{
    return !v86(s) && usable(s, n) && TYPE(s->seg[n].attr) != 3 && TYPE(s->seg[n].attr) != 7;
}
RULE(ss_dpl)
{
    bool zero = !(s->cr0 & CR0_PE) || TYPE(s->seg[SEG_CS].attr) == 3;
    return !v86(s) && zero && DPL(s->seg[n].attr) != 0;
}
RULE(data_type)
{
    unsigned type = TYPE(s->seg[n].attr);
    return !v86(s) && usable(s, n) && (!(type & 1) || ((type & 8) && !(type & 2)));
}
RULE(tr_type)
{
    unsigned type = TYPE(s->seg[n].attr);
    return type != 11 && (long_mode(s) || type != 3);
}
RULE(ldtr_type) { return usable(s, n) && TYPE(s->seg[n].attr) != 2; }

/* --- descriptor tables, RIP, RFLAGS --- */
RULE(gdtr_base) { return !canonical(s->gdtr.base); }
RULE(idtr_base) { return !canonical(s->idtr.base); }
RULE(gdtr_limit) { return s->gdtr.limit >> 16; }
RULE(idtr_limit) { return s->idtr.limit >> 16; }
RULE(rip_high) { return !long_code(s) && s->rip >> 32; }
RULE(rip_noncanonical) { return long_code(s) && !canonical(s->rip); }
RULE(rflags_reserved) { return s->rflags & RFLAGS_RESERVED; }
RULE(rflags_fixed) { return !(s->rflags & RFLAGS_FIXED); }
RULE(vm_in_long) { return v86(s) && long_mode(s); }
RULE(vm_in_real) { return v86(s) && !(s->cr0 & CR0_PE); }

/* --- the event to inject --- */
static bool injects(const struct vcpu_state *s, unsigned type)
{
    return (s->inject & INJECT_VALID) && INJECT_TYPE(s->inject) == type;
}
RULE(inject_type) { return injects(s, 1) || injects(s, 7); }
RULE(inject_irq_off) { return injects(s, INJECT_IRQ) && !(s->rflags & RFLAGS_IF); }
RULE(inject_irq_shadow) { return injects(s, INJECT_IRQ) && (s->blocking & BLOCKING_SHADOW); }
RULE(inject_nmi_vector) { return injects(s, INJECT_NMI) && INJECT_VECTOR(s->inject) != 2; }
RULE(inject_vector) { return injects(s, INJECT_EXCEPTION) && INJECT_VECTOR(s->inject) > 31; }
RULE(inject_error_code)
{
    static const uint32_t with_error = 1u << 8 | 0x1fu << 10 | 1u << 17 | 1u << 21; /* #DF, #TS to #PF, #AC, #CP */
    if (!injects(s, INJECT_EXCEPTION) || INJECT_VECTOR(s->inject) > 31) {
        return (s->inject & INJECT_VALID) && (s->inject & INJECT_ERROR_CODE);
    }
    bool wanted = (s->cr0 & CR0_PE) && (with_error >> INJECT_VECTOR(s->inject) & 1);
    return wanted != !!(s->inject & INJECT_ERROR_CODE);
}
RULE(inject_error_high)
{
    return (s->inject & INJECT_VALID) && (s->inject & INJECT_ERROR_CODE) && s->inject_error >> 16;
}
RULE(inject_length)
{
    unsigned type = INJECT_TYPE(s->inject);
    return (s->inject & INJECT_VALID) && type >= INJECT_SOFT_INT && type <= INJECT_SOFT_EXCEPTION &&
        s->inject_length > 15;
}

struct rule {
    rule_fn *broken;
    unsigned subject;
    const char *text;
};

/* What holds for each of CS, SS, DS, ES, FS, GS. */
#define CODE_OR_DATA(n, name) \
    { seg_v86_base, n, name " base is not its selector times 16 in virtual-8086 mode (SDM 3C 27.3.1.2)" }, \
    { seg_v86_limit, n, name " limit is not 0xffff in virtual-8086 mode (SDM 3C 27.3.1.2)" }, \
    { seg_v86_attr, n, name " attributes are not 0xf3 in virtual-8086 mode (SDM 3C 27.3.1.2)" }, \
    { seg_system, n, name " is a system segment: S is clear (SDM 3C 27.3.1.2)" }, \
    ANY_SEGMENT(n, name)
#define ANY_SEGMENT(n, name) \
    { seg_absent, n, name " is usable but not present (SDM 3C 27.3.1.2)" }, \
    { seg_reserved, n, name " has a reserved attribute bit set (SDM 3C 27.3.1.2)" }, \
    { seg_fine_limit, n, name " has G set, but the low 12 bits of its limit are not all ones (SDM 3C 27.3.1.2)" }, \
    { seg_large_limit, n, name " has G clear, but a limit of 1 MiB or more (SDM 3C 27.3.1.2)" }
#define DATA(n, name) { data_type, n, name " is neither accessed data nor accessed readable code (SDM 3C 27.3.1.2)" }
#define BASE32(n, name) { seg_base_high, n, name " base has bits 63:32 set (SDM 3C 27.3.1.2)" }

static const struct rule rules[] = {
    { pg_without_pe, 0, "CR0.PG set with CR0.PE clear (SDM 3C 27.3.1.1, APM 2 15.5.1)" },
    { cr0_high, 0, "CR0 has bits 63:32 set (SDM 3C 27.3.1.1, APM 2 15.5.1)" },
    { nw_without_cd, 0, "CR0.NW set with CR0.CD clear (APM 2 15.5.1)" },
    { cr4_reserved, 0, "CR4 has a reserved bit set (SDM 3C 27.3.1.1, APM 2 15.5.1)" },
    { cet_without_wp, 0, "CR4.CET set with CR0.WP clear (SDM 3C 27.3.1.1)" },
    { lma_without_pg, 0, "EFER.LMA set with CR0.PG clear (SDM 3C 27.3.1.1)" },
    { lma_without_pae, 0, "EFER.LMA set with CR4.PAE clear (SDM 3C 27.3.1.1, APM 2 15.5.1)" },
    { pcide_without_lma, 0, "CR4.PCIDE set outside long mode (SDM 3C 27.3.1.1)" },
    { cr3_high, 0, "CR3 has bits beyond the physical-address width set (SDM 3C 27.3.1.1, APM 2 15.5.1)" },
    { efer_reserved, 0, "EFER has a reserved bit set (SDM 3C 27.3.1.1, APM 2 15.5.1)" },
    { lma_not_lme, 0, "EFER.LMA differs from EFER.LME with paging on (SDM 3C 27.3.1.1)" },
    { dr7_high, 0, "DR7 has bits 63:32 set (SDM 3C 27.3.1.1, APM 2 15.5.1)" },
    { dr6_high, 0, "DR6 has bits 63:32 set (APM 2 15.5.1)" },
    { sysenter_esp, 0, "SYSENTER_ESP is not a canonical address (SDM 3C 27.3.1.1)" },
    { sysenter_eip, 0, "SYSENTER_EIP is not a canonical address (SDM 3C 27.3.1.1)" },
    { pat_type, 0, "PAT has a byte that is no memory type (SDM 3C 27.3.1.1)" },
    { vm_in_long, 0, "RFLAGS.VM set in long mode (SDM 3C 27.3.1.4)" },
    { vm_in_real, 0, "RFLAGS.VM set with CR0.PE clear (SDM 3C 27.3.1.4)" },
    { seg_unusable, SEG_CS, "CS is unusable (SDM 3C 27.3.1.2)" },
    { seg_unusable, SEG_TR, "TR is unusable (SDM 3C 27.3.1.2)" },
    { seg_ti, SEG_TR, "TR's selector names the LDT (SDM 3C 27.3.1.2)" },
    { seg_ti, SEG_LDTR, "LDTR's selector names the LDT (SDM 3C 27.3.1.2)" },
    { cs_l_and_d, SEG_CS, "CS.L and CS.D both set in long mode (SDM 3C 27.3.1.2, APM 2 15.5.1)" },
    { cs_type, SEG_CS, "CS is neither accessed code nor accessed writable data (SDM 3C 27.3.1.2)" },
    { cs_data_dpl, SEG_CS, "CS is data and its DPL is not 0 (SDM 3C 27.3.1.2)" },
    { cs_plain_dpl, SEG_CS, "CS is non-conforming code and its DPL is not that of SS (SDM 3C 27.3.1.2)" },
    { cs_conforming_dpl, SEG_CS, "CS is conforming code and its DPL is greater than that of SS (SDM 3C 27.3.1.2)" },
    { ss_type, SEG_SS, "SS is not accessed writable data (SDM 3C 27.3.1.2)" },
    { ss_dpl, SEG_SS, "SS.DPL is not 0 in real mode or with a data segment in CS (SDM 3C 27.3.1.2)" },
    CODE_OR_DATA(SEG_CS, "CS"), CODE_OR_DATA(SEG_SS, "SS"), CODE_OR_DATA(SEG_DS, "DS"), CODE_OR_DATA(SEG_ES, "ES"),
    CODE_OR_DATA(SEG_FS, "FS"), CODE_OR_DATA(SEG_GS, "GS"), ANY_SEGMENT(SEG_TR, "TR"), ANY_SEGMENT(SEG_LDTR, "LDTR"),
    DATA(SEG_DS, "DS"), DATA(SEG_ES, "ES"), DATA(SEG_FS, "FS"), DATA(SEG_GS, "GS"),
    BASE32(SEG_CS, "CS"), BASE32(SEG_SS, "SS"), BASE32(SEG_DS, "DS"), BASE32(SEG_ES, "ES"),
    { fsgs_noncanonical, SEG_FS, "FS base is not a canonical address (SDM 3C 27.3.1.2)" },
    { fsgs_noncanonical, SEG_GS, "GS base is not a canonical address (SDM 3C 27.3.1.2)" },
    { seg_noncanonical, SEG_TR, "TR base is not a canonical address (SDM 3C 27.3.1.2)" },
    { seg_noncanonical, SEG_LDTR, "LDTR base is not a canonical address (SDM 3C 27.3.1.2)" },
    { tr_type, SEG_TR, "TR is not a busy TSS (SDM 3C 27.3.1.2)" },
    { seg_not_system, SEG_TR, "TR is not a system segment: S is set (SDM 3C 27.3.1.2)" },
    { ldtr_type, SEG_LDTR, "LDTR is not an LDT (SDM 3C 27.3.1.2)" },
    { seg_not_system, SEG_LDTR, "LDTR is not a system segment: S is set (SDM 3C 27.3.1.2)" },
    { gdtr_base, 0, "GDTR base is not a canonical address (SDM 3C 27.3.1.3)" },
    { idtr_base, 0, "IDTR base is not a canonical address (SDM 3C 27.3.1.3)" },
    { gdtr_limit, 0, "GDTR limit is above 0xffff (SDM 3C 27.3.1.3)" },
    { idtr_limit, 0, "IDTR limit is above 0xffff (SDM 3C 27.3.1.3)" },
    { rip_high, 0, "RIP has bits 63:32 set outside 64-bit mode (SDM 3C 27.3.1.4)" },
    { rip_noncanonical, 0, "RIP is not a canonical address (SDM 3C 27.3.1.4)" },
    { rflags_reserved, 0, "RFLAGS has a reserved bit set (SDM 3C 27.3.1.4)" },
    { rflags_fixed, 0, "RFLAGS bit 1 is clear (SDM 3C 27.3.1.4)" },
    { pdpte_reserved, 0, "PDPTE 0 has a reserved bit set (SDM 3C 27.3.1.6)" },
    { pdpte_reserved, 1, "PDPTE 1 has a reserved bit set (SDM 3C 27.3.1.6)" },
    { pdpte_reserved, 2, "PDPTE 2 has a reserved bit set (SDM 3C 27.3.1.6)" },
    { pdpte_reserved, 3, "PDPTE 3 has a reserved bit set (SDM 3C 27.3.1.6)" },
    { inject_type, 0, "the event to inject is of a reserved type (SDM 3C 27.2.1.3, APM 2 15.20)" },
    { inject_irq_off, 0, "an interrupt is injected with RFLAGS.IF clear (SDM 3C 27.3.1.4)" },
    { inject_irq_shadow, 0, "an interrupt is injected in an interrupt shadow (SDM 3C 27.3.1.5)" },
    { inject_nmi_vector, 0, "an NMI is injected with a vector other than 2 (SDM 3C 27.2.1.3)" },
    { inject_vector, 0, "an exception is injected with a vector above 31 (SDM 3C 27.2.1.3, APM 2 15.20)" },
    { inject_error_code, 0, "an error code is injected with an event that has none, or missing (SDM 3C 27.2.1.3)" },
    { inject_error_high, 0, "the error code to inject has bits 31:16 set (SDM 3C 27.2.1.3)" },
    { inject_length, 0, "a software interrupt is injected with an instruction length above 15 (SDM 3C 27.2.1.3)" },
};

const char *entry_rule_broken(const struct vcpu_state *state)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].broken(state, rules[i].subject)) {
            return rules[i].text;
        }
    }
    return "no rule of SDM 3C 27.3.1 or APM 2 15.5.1 that the monitor knows is broken";
}
