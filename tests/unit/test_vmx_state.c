/* SPDX-License-Identifier: MIT
 * kernel/vmx/ on a VMCS that is an array: capabilities, register groups, exits, the virtual APIC, and a monitor that
 * writes anything into its state page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The instructions that a process cannot execute are replaced, the names of x86.h stay. */
#define rdmsr x86_rdmsr
#define wrmsr x86_wrmsr
#define read_cr0 x86_read_cr0
#define read_cr2 x86_read_cr2
#define read_cr4 x86_read_cr4
#define write_cr2 x86_write_cr2
#define read_breakpoints x86_read_breakpoints
#define write_breakpoints x86_write_breakpoints
#define read_dr6 x86_read_dr6
#define write_dr6 x86_write_dr6
#include "x86.h"
#undef rdmsr
#undef wrmsr
#undef read_cr0
#undef read_cr2
#undef read_cr4
#undef write_cr2
#undef read_breakpoints
#undef write_breakpoints
#undef read_dr6
#undef write_dr6

#define VMX_INSN_H
static uint64_t vmcs[0x8000], cr2, dr[8];
static struct { uint32_t msr; uint64_t value; } msrs[16];
static unsigned msr_count, invvpids, nmis, machine_checks;

static uint64_t vmread(uint32_t field) { return vmcs[field]; }
static void vmwrite(uint32_t field, uint64_t v)
{
    static const unsigned width[4] = { 16, 64, 32, 64 }; /* SDM 3C 25.11.2: bits 14:13 of an encoding */
    unsigned bits = width[field >> 13 & 3];
    vmcs[field] = bits == 64 ? v : v & ((1ull << bits) - 1);
}
static uint64_t rdmsr(uint32_t msr)
{
    for (unsigned i = 0; i < msr_count; i++)
        if (msrs[i].msr == msr)
            return msrs[i].value;
    return 0;
}
static void wrmsr(uint32_t msr, uint64_t value)
{
    if (msr == MSR_FMASK)
        assert_true(value <= UINT32_MAX);
    else if (msr != MSR_STAR) /* the real one would fault */
        assert_true((uint64_t)((int64_t)(value << 16) >> 16) == value);
    unsigned i = 0;
    while (i < msr_count && msrs[i].msr != msr)
        i++;
    if (i == msr_count)
        assert_true(msr_count++ < 16);
    msrs[i].msr = msr;
    msrs[i].value = value;
}
static uint64_t read_cr0(void) { return 0; }
static uint64_t read_cr2(void) { return cr2; }
static uint64_t read_cr4(void) { return CR4_MCE; }
static void write_cr2(uint64_t v) { cr2 = v; }
static void read_breakpoints(uint64_t to[4]) { memcpy(to, dr, 4 * sizeof(*to)); }
static void write_breakpoints(const uint64_t from[4]) { memcpy(dr, from, 4 * sizeof(*from)); }
static uint64_t read_dr6(void) { return dr[6]; }
static void write_dr6(uint64_t v) { assert_true(v <= UINT32_MAX); dr[6] = v; }
static bool vmclear(uint64_t hpa) { return hpa != 0; }
static bool vmptrld(uint64_t hpa) { return hpa != 0; }
static void invept(uint64_t type, uint64_t eptp) { (void)type; (void)eptp; }
static void invvpid(uint64_t type, uint16_t vpid) { assert_true(type == 1 && vpid != 0); invvpids++; }
static void store_gdtr(struct table_pointer *p) { p->limit = 71; p->base = 0x1000; }
static void store_idtr(struct table_pointer *p) { p->limit = 4095; p->base = 0x2000; }
static void host_nmi(void) { nmis++; }
static void host_machine_check(void) { machine_checks++; }

#include "../../kernel/vmx/capability.c"
#include "../../kernel/vmx/control.c"
#include "../../kernel/vmx/apic.c"
#include "../../kernel/vmx/state.c"
#include "../../kernel/vmx/exit.c"
#include "../../kernel/reset.c"

struct vmx_caps vmx_caps;
const char vmx_exit[1];
void entry_sysenter(void) { }
void panic(const char *format, ...) { fail_msg("%s", format); abort(); }
void *pool_alloc(struct quota *quota) { (void)quota; return calloc(1, 4096); }
void pool_free(struct quota *quota, void *page) { (void)quota; free(page); }
hpa_t pool_hpa(const void *page) { return HPA((uintptr_t)page); }

/* The guest: what it does until its exit. */
static uint32_t (*guest)(struct vcpu_state *s);
uint32_t vmx_enter(struct vcpu_state *state, struct vmx_vcpu *v)
{
    (void)v;
    uint32_t reason = guest(state);
    if (!(reason & EXIT_REASON_ENTRY_FAILURE))
        vmcs[ENTRY_INTERRUPTION] &= ~(uint64_t)INJECT_VALID;
    return reason;
}

static struct vcpu *vcpu;
static struct vcpu_state *state;
static struct vmx_vcpu *vmx;
static struct domain domain;

static const struct vmx_msrs full = {
    .basic = 0x12345, .misc = VMX_MISC_STORE_LMA | 5, .ept_vpid = ~0ull,
    .pin = 0xffffffff00000016, .proc = 0xffffffff04006172, .proc2 = 0xffffffff00000000,
    .exit = 0xffffffff00036dfb, .entry = 0xffffffff000011fb,
};

static int setup(void **context)
{
    (void)context;
    static struct vcpu the_vcpu;
    static uint64_t space[256];
    memset(&the_vcpu, 0, sizeof(the_vcpu));
    memset(space, 0, sizeof(space));
    memset(vmcs, 0, sizeof(vmcs));
    msr_count = nmis = machine_checks = invvpids = 0;
    assert_null(vmx_capabilities(&full, &vmx_caps));
    vmx_caps.address_bits = 48;
    vcpu = &the_vcpu;
    vcpu->domain = &domain;
    domain.guest.root = space;
    vcpu->state = state = calloc(1, 4096);
    vcpu->vapic = calloc(1, 4096);
    vcpu->vendor_state = vmx = (void *)space;
    vmx_bitmaps_init();
    assert_int_equal(vmx_vcpu_create(vcpu), OK);
    vmx_controls_init(vcpu);
    return 0;
}

static int teardown(void **context)
{
    (void)context;
    vmx_vcpu_destroy(vcpu);
    free(vcpu->state);
    free(vcpu->vapic);
    return 0;
}

static uint32_t reason;
static uint32_t just_exit(struct vcpu_state *s) { (void)s; return reason; }
static enum run_result run(uint32_t exit_reason)
{
    guest = just_exit;
    reason = exit_reason;
    return vmx_run(vcpu, 0);
}

/* --- capabilities --- */

static void test_capabilities(void **context)
{
    (void)context;
    struct vmx_caps caps = { 0 };
    assert_null(vmx_capabilities(&full, &caps));
    assert_int_equal(caps.revision, 0x12345);
    assert_int_equal(caps.timer_rate, 5);
    assert_int_equal(caps.apicv, APICV_ALL);
    assert_int_equal(caps.pin, 0x16 | PIN_EXTERNAL_INTERRUPT | PIN_NMI | PIN_VIRTUAL_NMI);
    assert_int_equal(caps.proc & (PROC_CR3_LOAD | PROC_CR3_STORE | PROC_RDTSC | PROC_INVLPG), 0);
    assert_int_equal(caps.proc & (PROC_IRQ_WINDOW | PROC_TRAP_FLAG), 0);
    assert_int_equal(caps.proc2, PROC2_EPT | PROC2_UNRESTRICTED | PROC2_VPID | PROC2_WBINVD | PROC2_PAUSE_LOOP |
                                     PROC2_ENCLS | PROC2_ENCLV);
}

static uint64_t *word_of(struct vmx_msrs *m, unsigned word)
{
    uint64_t *const words[] = { &m->pin, &m->proc, &m->proc2, &m->exit, &m->entry };
    return words[word];
}

static void test_missing_capability_is_named(void **context)
{
    (void)context;
    for (unsigned i = 0; i < ARRAY_COUNT(controls); i++) {
        struct vmx_caps caps = { 0 };
        struct vmx_msrs m = full;
        const struct control *c = &controls[i];
        if (c->wish == OFF)
            *word_of(&m, c->word) |= c->bit; /* it must be on */
        else
            *word_of(&m, c->word) &= ~((uint64_t)c->bit << 32); /* it must be off */
        const char *sentence = vmx_capabilities(&m, &caps);
        if (c->wish == MAYBE)
            assert_null(sentence);
        else
            assert_ptr_equal(sentence, c->sentence);
    }
    for (unsigned i = 0; i < ARRAY_COUNT(ept_needs); i++) {
        struct vmx_caps caps = { 0 };
        struct vmx_msrs m = full;
        m.ept_vpid &= ~ept_needs[i].bit;
        assert_ptr_equal(vmx_capabilities(&m, &caps), ept_needs[i].sentence);
    }
    struct vmx_caps caps = { 0 };
    struct vmx_msrs m = full;
    m.misc = 0;
    assert_non_null(vmx_capabilities(&m, &caps));
    m = full;
    m.proc2 &= ~((uint64_t)PROC2_X2APIC << 32);
    assert_null(vmx_capabilities(&m, &caps));
    assert_int_equal(caps.apicv, 0);
}

/* --- register groups --- */

static void test_reset_state_is_loaded(void **context)
{
    (void)context;
    assert_int_equal(run(VMX_CPUID), RUN_EXIT);
    assert_int_equal(state->dirty, 0);
    assert_int_equal(vmcs[GUEST_RIP], 0xfff0);
    assert_int_equal(vmcs[GUEST_BASE + 2 * SEG_CS], 0xffff0000);
    assert_int_equal(vmcs[GUEST_CR0], CR0_ET | CR0_NE); /* caching stays on */
    assert_int_equal(vmcs[CR0_SHADOW], 0x60000010);
    assert_int_equal(vmcs[GUEST_CR4], CR4_VMXE | CR4_MCE);
    assert_int_equal(vmcs[CR4_SHADOW], 0);
    assert_int_equal(vmcs[GUEST_DR7], 0x400);
    assert_int_equal(vmcs[GUEST_PAT], 0x0007040600070406);
    assert_int_equal(vmcs[ENTRY_CONTROLS], vmx_caps.entry);
    assert_int_equal(vmcs[VMCS_LINK_POINTER], ~0ull);
    assert_int_equal(vmcs[VPID], 1);
    assert_true(invvpids > 0);
}

static void test_groups_survive_a_round(void **context)
{
    (void)context;
    for (unsigned i = 0; i < SEG_COUNT; i++)
        state->seg[i] = (struct segment){ .base = 0x1000 + i, .limit = 0x2000 + i, .attr = 0xc093, .selector = i };
    state->cr0 = 0x60000010 | CR0_PG | CR0_PE;
    state->cr4 = CR4_PAE | CR4_SMEP;
    state->efer = EFER_LME | EFER_SCE;
    state->cr2 = 0x1234;
    state->cr3 = 0x5000;
    state->lstar = 0xffff800000000000;
    state->fmask = ~0ull;
    state->dr6 = ~0ull;
    state->dr[3] = ~0ull;
    state->wanted[EXIT_CPUID] = GROUP_ALL;
    struct vcpu_state before = *state;
    run(VMX_CPUID);
    assert_int_equal(state->valid, GROUP_ALL);
    assert_memory_equal(before.seg, state->seg, sizeof(before.seg));
    assert_int_equal(state->cr0, before.cr0);
    assert_int_equal(state->cr4, before.cr4);
    assert_int_equal(state->efer, EFER_LME | EFER_SCE | EFER_LMA); /* the kernel knows LMA itself */
    assert_int_equal(state->cr2, 0x1234);
    assert_int_equal(cr2, 0x1234);
    assert_int_equal(state->cr3, 0x5000);
    assert_int_equal(state->lstar, before.lstar);
    assert_int_equal(state->fmask, UINT32_MAX);
    assert_int_equal(state->dr6, UINT32_MAX);
    assert_int_equal(state->dr[3], ~0ull);
    assert_true(vmcs[ENTRY_CONTROLS] & ENTRY_IA32E);
}

static void test_absent_segment_is_unusable(void **context)
{
    (void)context;
    state->seg[SEG_FS].attr = 0x13;
    state->wanted[EXIT_CPUID] = GROUP_SEG;
    run(VMX_CPUID);
    assert_int_equal(vmcs[GUEST_ACCESS_RIGHTS + 2 * SEG_FS], 0x10013);
    assert_int_equal(state->seg[SEG_FS].attr & SEG_ATTR_P, 0);
}

static void test_only_dirty_groups_are_loaded(void **context)
{
    (void)context;
    run(VMX_CPUID);
    vmcs[GUEST_CR3] = 0x9000;
    vmcs[GUEST_RIP] = 0x77;
    state->cr3 = 0x1;
    state->dirty = 0;
    state->wanted[EXIT_CPUID] = 0;
    run(VMX_CPUID);
    assert_int_equal(vmcs[GUEST_CR3], 0x9000);
    assert_int_equal(state->cr3, 0x1);
    assert_int_equal(state->rip, 0x77);
    assert_int_equal(state->valid, GROUP_RIP | GROUP_BLOCKING);
}

static void test_only_a_change_of_mode_flushes(void **context)
{
    (void)context;
    run(VMX_CPUID);
    unsigned before = invvpids;
    state->cr2 = 0x1234;
    state->cr0 |= CR0_NE; /* the guest's view only */
    state->dirty = GROUP_CR;
    run(VMX_CPUID);
    assert_int_equal(invvpids, before);
    state->cr4 |= CR4_SMEP;
    state->dirty = GROUP_CR;
    run(VMX_CPUID);
    assert_int_equal(invvpids, before + 1);
}

static void test_refused_values(void **context)
{
    (void)context;
    state->kernel_gs_base = 1ull << 63;
    assert_int_equal(run(VMX_CPUID), RUN_EXIT);
    assert_int_equal(state->exit.reason, EXIT_ENTRY_FAILED);
    assert_int_equal(state->exit.raw, ENTRY_FAILED_MSR | MSR_KERNEL_GS_BASE);
    state->kernel_gs_base = 0;
    state->cr4 = CR4_CET;
    state->dirty = GROUP_CR;
    run(VMX_CPUID);
    assert_int_equal(state->exit.reason, EXIT_ENTRY_FAILED);
    assert_int_equal(state->exit.raw, ENTRY_FAILED_STATE);
    assert_int_equal(vmcs[GUEST_CR4] & CR4_CET, 0);
}

static void test_failed_entry_keeps_the_event(void **context)
{
    (void)context;
    state->inject = INJECT_VALID | 0x21;
    vmcs[EXIT_QUALIFICATION] = 3;
    run(EXIT_REASON_ENTRY_FAILURE | VMX_BAD_STATE);
    assert_int_equal(state->exit.reason, EXIT_ENTRY_FAILED);
    assert_int_equal(state->exit.raw, ENTRY_FAILED_STATE | 3);
    assert_int_equal(state->inject, INJECT_VALID | 0x21);
    assert_int_equal(vmcs[ENTRY_INTERRUPTION], 0);
    assert_int_equal(state->valid, GROUP_ALL);
    vmcs[VM_INSTRUCTION_ERROR] = 7;
    run(VMX_NOT_ENTERED);
    assert_int_equal(state->exit.raw, 7);
    run(VMX_CPUID);
    assert_int_equal(state->exit.reason, EXIT_CPUID);
    assert_int_equal(state->inject, 0);
}

/* --- events --- */

static void test_injection(void **context)
{
    (void)context;
    state->inject = INJECT_VALID | INJECT_ERROR_CODE | INJECT_EXCEPTION << INJECT_TYPE_SHIFT | 13 | 0x7ffff000;
    state->inject_error = 0x18;
    run(VMX_CPUID); /* real mode: no error code */
    assert_int_equal(vmcs[ENTRY_INTERRUPTION], INJECT_EXCEPTION << INJECT_TYPE_SHIFT | 13);
    assert_int_equal(state->inject, 0);
    state->cr0 |= CR0_PE;
    state->dirty = GROUP_CR;
    state->inject = INJECT_VALID | INJECT_ERROR_CODE | INJECT_EXCEPTION << INJECT_TYPE_SHIFT | 13;
    run(VMX_CPUID);
    assert_int_equal(vmcs[ENTRY_INTERRUPTION], INJECT_ERROR_CODE | INJECT_EXCEPTION << INJECT_TYPE_SHIFT | 13);
    assert_int_equal(vmcs[ENTRY_ERROR_CODE], 0x18);
    state->inject = INJECT_VALID | INJECT_SOFT_INT << INJECT_TYPE_SHIFT | 0x80;
    state->inject_length = 2;
    run(VMX_CPUID);
    assert_int_equal(vmcs[ENTRY_LENGTH], 2);
}

static void test_interrupted_delivery_is_due_again(void **context)
{
    (void)context;
    vmcs[IDT_VECTORING] = INJECT_VALID | INJECT_ERROR_CODE | INJECT_EXCEPTION << INJECT_TYPE_SHIFT | 14 | 0x1000;
    vmcs[IDT_VECTORING_ERROR] = 6;
    vmcs[EXIT_QUALIFICATION] = EPT_QUALIFICATION_GVA | EPT_QUALIFICATION_FINAL | 2;
    vmcs[GUEST_PHYSICAL_ADDRESS] = 0xfee00300;
    vmcs[GUEST_LINEAR_ADDRESS] = 0xffff8000fee00300;
    run(VMX_EPT_VIOLATION);
    assert_int_equal(state->inject, INJECT_VALID | INJECT_ERROR_CODE | INJECT_EXCEPTION << INJECT_TYPE_SHIFT | 14);
    assert_int_equal(state->inject_error, 6);
    assert_int_equal(state->exit.access, ACCESS_WRITE | ACCESS_GVA_VALID);
    assert_int_equal(state->exit.gpa, 0xfee00300);
    assert_int_equal(state->exit.gva, 0xffff8000fee00300);
    assert_int_equal(state->exit.length, 0);
    /* An NMI: its delivery must not look as if one were in service. */
    vmcs[IDT_VECTORING] = INJECT_VALID | INJECT_NMI << INJECT_TYPE_SHIFT | 2;
    vmcs[GUEST_INTERRUPTIBILITY] = INTERRUPTIBILITY_NMI;
    run(VMX_EPT_VIOLATION);
    assert_int_equal(state->blocking, 0);
    assert_int_equal(vmcs[GUEST_INTERRUPTIBILITY], 0);
    /* Not an exit that can interrupt a delivery: the field is not looked at. */
    state->inject = 0;
    run(VMX_CPUID);
    assert_int_equal(state->inject, 0);
}

static void test_iret_that_faults_blocks_nmis_again(void **context)
{
    (void)context;
    vmcs[EXIT_INTERRUPTION] = INJECT_VALID | INTERRUPTION_NMI_UNBLOCKED | INJECT_ERROR_CODE |
                              INJECT_EXCEPTION << INJECT_TYPE_SHIFT | 17;
    vmcs[EXIT_ERROR_CODE] = 0;
    run(VMX_EXCEPTION);
    assert_int_equal(state->exit.vector, 17);
    assert_int_equal(state->exit.has_error, 1);
    assert_int_equal(state->blocking, BLOCKING_NMI);
    assert_int_equal(vmcs[GUEST_INTERRUPTIBILITY], INTERRUPTIBILITY_NMI);
}

static void test_int1_has_a_length(void **context)
{
    (void)context;
    vmcs[EXIT_LENGTH] = 3; /* with two prefixes */
    vmcs[EXIT_INTERRUPTION] = INJECT_VALID | INJECT_EXCEPTION << INJECT_TYPE_SHIFT | 1;
    run(VMX_EXCEPTION);
    assert_int_equal(state->exit.length, 0); /* a trap: RIP is where it returns to */
    vmcs[EXIT_INTERRUPTION] = INJECT_VALID | INJECT_PRIV_SOFT << INJECT_TYPE_SHIFT | 1;
    run(VMX_EXCEPTION);
    assert_int_equal(state->exit.length, 3);
}

static void test_host_events(void **context)
{
    (void)context;
    vmcs[EXIT_INTERRUPTION] = INJECT_VALID | INJECT_NMI << INJECT_TYPE_SHIFT | 2;
    assert_int_equal(run(VMX_EXCEPTION), RUN_HOST);
    assert_int_equal(nmis, 1);
    vmcs[EXIT_INTERRUPTION] = INJECT_VALID | INJECT_EXCEPTION << INJECT_TYPE_SHIFT | VECTOR_MC;
    assert_int_equal(run(VMX_EXCEPTION), RUN_HOST);
    assert_int_equal(machine_checks, 1);
    assert_int_equal(run(VMX_EXTERNAL_INTERRUPT), RUN_HOST);
    assert_int_equal(state->exit.reason, EXIT_EVENT); /* ready for the monitor, should the core hand it over */
    assert_int_equal(run(VMX_TIMER), RUN_AGAIN);
}

static void test_blocking(void **context)
{
    (void)context;
    run(VMX_CPUID);
    state->rflags = 0x202;
    state->blocking = BLOCKING_SHADOW | BLOCKING_NMI;
    state->dirty = GROUP_RIP | GROUP_BLOCKING;
    run(VMX_CPUID);
    assert_int_equal(vmcs[GUEST_INTERRUPTIBILITY], INTERRUPTIBILITY_STI | INTERRUPTIBILITY_NMI);
    assert_int_equal(state->blocking, BLOCKING_SHADOW | BLOCKING_NMI);
    state->rflags = 0x102; /* IF off, TF on: MOV SS, and a step is pending */
    state->dirty = GROUP_RIP;
    run(VMX_CPUID);
    assert_int_equal(vmcs[GUEST_INTERRUPTIBILITY], INTERRUPTIBILITY_MOV_SS | INTERRUPTIBILITY_NMI);
    assert_int_equal(vmcs[GUEST_PENDING_DEBUG], PENDING_DEBUG_BS);
    state->blocking = 0;
    state->dirty = GROUP_BLOCKING;
    run(VMX_CPUID);
    assert_int_equal(vmcs[GUEST_INTERRUPTIBILITY], 0);
}

static void test_wants(void **context)
{
    (void)context;
    state->want = WANT_IRQ_WINDOW | WANT_NMI_WINDOW | WANT_SINGLE_STEP;
    run(VMX_IRQ_WINDOW);
    assert_int_equal(vmcs[PROC_CONTROLS], vmx_caps.proc | PROC_IRQ_WINDOW | PROC_NMI_WINDOW | PROC_TRAP_FLAG);
    state->want = 0;
    run(VMX_CPUID);
    assert_int_equal(vmcs[PROC_CONTROLS], vmx_caps.proc);
}

/* It goes in at an entry where the guest can take it; until then the monitor is told when it could. */
static void test_offer(void **context)
{
    (void)context;
    uint32_t offer = INJECT_VALID | 5u << OFFER_PRIORITY_SHIFT | 0x51;
    state->offer = offer;
    run(VMX_IRQ_WINDOW);
    assert_int_equal(vmcs[PROC_CONTROLS], vmx_caps.proc | PROC_IRQ_WINDOW);
    assert_int_equal(state->exit.reason, EXIT_IRQ_WINDOW);
    assert_int_equal(state->offer, offer);
    state->rflags |= RFLAGS_IF;
    state->blocking = BLOCKING_SHADOW;
    state->dirty = GROUP_RIP | GROUP_BLOCKING;
    run(VMX_CPUID);
    assert_int_equal(state->offer, offer);
    state->blocking = 0;
    state->dirty = GROUP_BLOCKING;
    state->inject = INJECT_VALID | INJECT_NMI << INJECT_TYPE_SHIFT | 2;
    run(VMX_CPUID);
    assert_int_equal(state->offer, offer);
    assert_int_equal(vmcs[ENTRY_INTERRUPTION], INJECT_NMI << INJECT_TYPE_SHIFT | 2);
    vcpu->vapic[VAPIC_TPR] = 0x50;
    run(VMX_CPUID);
    assert_int_equal(state->offer, offer);
    vcpu->vapic[VAPIC_TPR] = 0x4f;
    run(VMX_CPUID);
    assert_int_equal(state->offer, 0);
    assert_int_equal(vmcs[ENTRY_INTERRUPTION], 0x51);
    assert_int_equal(vmcs[PROC_CONTROLS], vmx_caps.proc);
}

static void test_timer(void **context)
{
    (void)context;
    guest = just_exit;
    reason = VMX_TIMER;
    vmx_run(vcpu, 1);
    assert_int_equal(vmcs[PREEMPTION_TIMER], 0);
    assert_true(vmcs[PIN_CONTROLS] & PIN_PREEMPTION_TIMER);
    vmx_run(vcpu, ~0ull);
    assert_int_equal(vmcs[PREEMPTION_TIMER], UINT32_MAX);
    uint64_t now = rdtsc();
    vmx_run(vcpu, now + (1ull << 32));
    assert_true(vmcs[PREEMPTION_TIMER] > 0 && vmcs[PREEMPTION_TIMER] <= (1u << 27) + 1);
    vmx_run(vcpu, 0);
    assert_false(vmcs[PIN_CONTROLS] & PIN_PREEMPTION_TIMER);
}

/* --- exits --- */

static void test_decoding(void **context)
{
    (void)context;
    vmcs[EXIT_LENGTH] = 2;
    vmcs[EXIT_QUALIFICATION] = 0x3f8u << 16 | 1u << 3 | 1u << 5 | 3;
    run(VMX_IO);
    assert_int_equal(state->exit.reason, EXIT_IO);
    assert_int_equal(state->exit.length, 2);
    assert_int_equal(state->exit.io.port, 0x3f8);
    assert_int_equal(state->exit.io.size, 4);
    assert_int_equal(state->exit.io.in, 1);
    assert_int_equal(state->exit.io.string, 0);
    assert_int_equal(state->exit.io.rep, 1);
    vmcs[EXIT_QUALIFICATION] = 0xbeefu << 16 | 9u << 8 | 3u << 4 | 0;
    run(VMX_CR);
    assert_int_equal(state->exit.cr.known, 1);
    assert_int_equal(state->exit.cr.kind, 3);
    assert_int_equal(state->exit.cr.gpr, 9);
    assert_int_equal(state->exit.cr.lmsw, 0xbeef);
    vmcs[EXIT_QUALIFICATION] = 3u << 30 | 0x28;
    vmcs[IDT_VECTORING] = INJECT_VALID | INJECT_ERROR_CODE | INJECT_EXCEPTION << INJECT_TYPE_SHIFT | 10;
    vmcs[IDT_VECTORING_ERROR] = 0x28;
    run(VMX_TASK_SWITCH);
    assert_int_equal(state->exit.task.selector, 0x28);
    assert_int_equal(state->exit.task.source, 3);
    assert_int_equal(state->exit.task.has_error, 1);
    assert_int_equal(state->exit.task.error, 0x28);
    vmcs[EXIT_QUALIFICATION] = 0x41;
    run(VMX_EOI);
    assert_int_equal(state->exit.vector, 0x41);
    vmcs[EXIT_QUALIFICATION] = EPT_QUALIFICATION_GVA | 1; /* of a page-table entry: the GVA is not that of the access */
    run(VMX_EPT_VIOLATION);
    assert_int_equal(state->exit.access, ACCESS_READ);
}

static void test_every_reason_is_handed_over(void **context)
{
    (void)context;
    for (uint32_t r = 0; r < 0x100; r++) {
        enum run_result result = run(r);
        assert_true(state->exit.reason > EXIT_NONE && state->exit.reason < EXIT_COUNT);
        assert_true(result == RUN_EXIT || state->exit.reason == EXIT_EVENT);
        assert_int_equal(state->exit.raw, r);
    }
    run(VMX_EPT_MISCONFIG);
    assert_int_equal(state->exit.reason, EXIT_UNKNOWN);
    run(200);
    assert_int_equal(state->exit.reason, EXIT_UNKNOWN);
}

/* --- virtual APIC --- */

static void test_threshold(void **context)
{
    (void)context;
    state->tpr_threshold = 4;
    vcpu->vapic[VAPIC_TPR] = 0x3f;
    state->wanted[EXIT_TPR] = GROUP_CODE;
    assert_int_equal(run(VMX_CPUID), RUN_EXIT);
    assert_int_equal(state->exit.reason, EXIT_TPR); /* without an entry */
    assert_int_equal(state->valid, GROUP_RIP | GROUP_BLOCKING | GROUP_CODE);
    vcpu->vapic[VAPIC_TPR] = 0x40;
    run(VMX_CPUID);
    assert_int_equal(state->exit.reason, EXIT_CPUID);
    assert_int_equal(vmcs[TPR_THRESHOLD], 4);
    state->tpr_threshold = 0;
    state->dirty = GROUP_CONTROL;
    run(VMX_CPUID);
    assert_int_equal(vmcs[TPR_THRESHOLD], 0);
}

static void test_interrupt_delivery(void **context)
{
    (void)context;
    uint64_t plain = 0;
    run(VMX_CPUID);
    plain = vmcs[MSR_BITMAP];
    state->want = WANT_X2APIC;
    state->eoi_exit[1] = 2;
    state->pir[1] = 1ull << 2 | 1ull << 40; /* 0x42, 0x68 */
    *REGISTER(vcpu->vapic, APIC_ISR, 1) = 1u << 4; /* 0x24 */
    run(VMX_CPUID);
    assert_int_equal(vmcs[PROC2_CONTROLS], vmx_caps.proc2 | APICV_ALL);
    assert_int_not_equal(vmcs[MSR_BITMAP], plain);
    assert_int_equal(vmcs[EOI_EXIT_BITMAP + 2], 2);
    assert_int_equal(vmcs[GUEST_INTERRUPT_STATUS], 0x2468);
    assert_int_equal(*REGISTER(vcpu->vapic, APIC_IRR, 2), 1u << 2);
    assert_int_equal(*REGISTER(vcpu->vapic, APIC_IRR, 3), 1u << 8);
    assert_int_equal(state->pir[1], 0);
    state->want = 0;
    run(VMX_CPUID);
    assert_int_equal(vmcs[PROC2_CONTROLS], vmx_caps.proc2);
    assert_int_equal(vmcs[MSR_BITMAP], plain);
}

static bool exits_msr(const struct msr_bitmap *map, uint32_t msr, bool write)
{
    bool high = msr >= 0xc0000000;
    const uint8_t *part = write ? (high ? map->write_high : map->write_low) : (high ? map->read_high : map->read_low);
    return part[(msr & 0x1fff) / 8] >> (msr & 7) & 1;
}

static void test_msr_bitmaps(void **context)
{
    (void)context;
    assert_false(exits_msr(&bitmap, MSR_LSTAR, true));
    assert_false(exits_msr(&bitmap, MSR_KERNEL_GS_BASE, false));
    assert_false(exits_msr(&bitmap, MSR_SYSENTER_EIP, true));
    assert_false(exits_msr(&bitmap, 0x10, false));
    assert_true(exits_msr(&bitmap, 0x10, true));
    assert_true(exits_msr(&bitmap, MSR_EFER, true));
    assert_true(exits_msr(&bitmap, MSR_EFER, false));
    assert_true(exits_msr(&bitmap, MSR_APIC_BASE, true));
    assert_true(exits_msr(&bitmap, MSR_TSC_AUX, true));
    assert_true(exits_msr(&bitmap, 0x808, true));
    assert_false(exits_msr(&bitmap_x2apic, 0x808, true));
    assert_false(exits_msr(&bitmap_x2apic, 0x80b, true));
    assert_true(exits_msr(&bitmap_x2apic, 0x80b, false));
    assert_true(exits_msr(&bitmap_x2apic, 0x839, false));
    assert_true(exits_msr(&bitmap_x2apic, 0x830, true));
    assert_false(exits_msr(&bitmap_x2apic, 0x830, false));
    unsigned passes = 0;
    for (uint32_t msr = 0; msr < 0x2000; msr++)
        passes += !exits_msr(&bitmap, msr, true) + !exits_msr(&bitmap, msr | 0xc0000000, true);
    assert_int_equal(passes, 3 + 1 + 4 + 3);
}

/* --- a monitor that writes anything --- */

static uint64_t seed = 88172645463325252ull;
static uint64_t random64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static uint32_t wild_guest(struct vcpu_state *s)
{
    (void)s;
    vmcs[EXIT_QUALIFICATION] = random64();
    vmcs[EXIT_INTERRUPTION] = (uint32_t)random64();
    vmcs[IDT_VECTORING] = (uint32_t)random64();
    vmcs[GUEST_INTERRUPTIBILITY] = random64() & 11;
    uint64_t r = random64();
    return r & 0x300 ? r & 0x7f : (uint32_t)r | (r & 0x400 ? EXIT_REASON_ENTRY_FAILURE : 0);
}

static void test_wild_monitor(void **context)
{
    (void)context;
    run(VMX_CPUID); /* the reset state: a VMCS without it is refused by the hardware */
    guest = wild_guest;
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t *page = (uint64_t *)state;
        for (unsigned n = 0; n < 8; n++)
            page[random64() % (offsetof(struct vcpu_state, text) / 8)] = random64() & (random64() & 1 ? ~0ull : 0xffff);
        vcpu->vapic[random64() % 4096] = random64();
        state->dirty = random64();
        enum run_result result = vmx_run(vcpu, random64() & 1 ? random64() : 0);
        assert_true(result <= RUN_AGAIN);
        assert_int_equal(vmcs[GUEST_CR4] & ~(CR4_ALLOWED | CR4_VMXE), 0);
        assert_int_equal(vmcs[GUEST_CR4] & CR4_VMXE, CR4_VMXE);
        assert_int_equal(vmcs[GUEST_CR0] & (CR0_CD | CR0_NW), 0);
        assert_int_equal(vmcs[VIRTUAL_APIC_PAGE], (uintptr_t)vcpu->vapic);
        assert_int_equal(vmcs[EXCEPTION_BITMAP], EXCEPTIONS);
        assert_int_equal(vmcs[PROC_CONTROLS] & vmx_caps.proc, vmx_caps.proc);
        assert_int_equal(vmcs[PROC2_CONTROLS] & vmx_caps.proc2, vmx_caps.proc2);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_capabilities), T(test_missing_capability_is_named), T(test_reset_state_is_loaded),
        T(test_groups_survive_a_round), T(test_absent_segment_is_unusable), T(test_only_dirty_groups_are_loaded),
        T(test_refused_values),
        T(test_only_a_change_of_mode_flushes), T(test_failed_entry_keeps_the_event), T(test_injection),
        T(test_interrupted_delivery_is_due_again), T(test_iret_that_faults_blocks_nmis_again), T(test_int1_has_a_length), T(test_host_events),
        T(test_blocking), T(test_wants), T(test_offer), T(test_timer), T(test_decoding), T(test_every_reason_is_handed_over),
        T(test_threshold), T(test_interrupt_delivery), T(test_msr_bitmaps), T(test_wild_monitor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
