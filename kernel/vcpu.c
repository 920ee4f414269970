/* SPDX-License-Identifier: MIT
 * vcpus: creation and destruction. */
#include "vcpu.h"
#include "handle.h"
#include "scheduler.h"
#include "sync.h"
#include "vendor.h"
#include "x86.h"

#define VENDOR_STATE_OFFSET 2048 /* the vendor's own data: second half of the vcpu's page */
_Static_assert(sizeof(struct vcpu) <= VENDOR_STATE_OFFSET, "struct vcpu is half a page");

/* May `vcpu` (null: a new one) with these wishes live on that CPU beside the ones that are there? */
static bool cpu_admits(const struct vcpu_spec *spec, const struct vcpu *vcpu)
{
    for (uint32_t d = 0; d < MAX_DOMAINS; d++) {
        const struct domain *domain = domain_by_index(d);
        for (uint32_t i = 0; domain && !domain->manager && i < domain->vcpu_count; i++) {
            const struct vcpu *other = domain->vcpus[i];
            if (other != vcpu && other->cpu->index == spec->cpu && other->run_state != VCPU_DEAD && (other->dedicated || spec->dedicated))
                return false;
        }
    }
    return true;
}

static void frame_init(struct vcpu *vcpu, const struct vcpu_spec *spec)
{
    struct trap_frame *frame = &vcpu->frame;
    frame->rdi = spec->argument;
    frame->rsi = vcpu->index;
    frame->rip = spec->entry;
    frame->cs = SEL_USER_CODE;
    frame->ss = SEL_USER_DATA;
    frame->rflags = RFLAGS_IF | RFLAGS_FIXED;
    frame->rsp = LAYOUT_STACK + (vcpu->index + 1ull) * LAYOUT_STACK_STRIDE - 8; /* as after a call */
    vcpu->resume = RESUME_TRAP;
}

/* The XSAVE page begins in the initial configuration: XSTATE_BV = 0 makes XRSTOR initialise everything, but for MXCSR. */
#define XSAVE_MXCSR 24
#define MXCSR_RESET 0x1f80u

static enum status allocate(struct vcpu *vcpu)
{
    struct quota *quota = &vcpu->domain->quota;
    vcpu->state = pool_alloc(quota);
    vcpu->vapic = pool_alloc(quota);
    if (!vcpu->state || !vcpu->vapic)
        return ERR_MEMORY;
    uint64_t at = LAYOUT_STATE + vcpu->index * LAYOUT_STATE_STRIDE;
    enum status status = pt_map(&vcpu->domain->process, at, pool_hpa(vcpu->state).v, PAGE_SIZE, PT_READ | PT_WRITE | PT_USER);
    if (status == OK)
        status = pt_map(&vcpu->domain->process, at + PAGE_SIZE, pool_hpa(vcpu->vapic).v, PAGE_SIZE, PT_READ | PT_WRITE | PT_USER);
    if (status != OK || vcpu->domain->manager)
        return status;
    vcpu->xsave = pool_alloc(quota);
    if (!vcpu->xsave)
        return ERR_MEMORY;
    *(uint32_t *)((char *)vcpu->xsave + XSAVE_MXCSR) = MXCSR_RESET;
    return vendor->vcpu_create(vcpu);
}

/* Frees what allocate() got so far. The state pages are unmapped with the process's table, which lives no longer than
 * the domain; a vcpu that was created is destroyed with its domain only. */
static void release(struct vcpu *vcpu)
{
    struct quota *quota = &vcpu->domain->quota;
    if (vcpu->vendor)
        vendor->vcpu_destroy(vcpu);
    pool_free(quota, vcpu->xsave);
    pool_free(quota, vcpu->vapic);
    pool_free(quota, vcpu->state);
    pool_free(quota, vcpu);
}

enum status vcpu_create(struct domain *domain, const struct vcpu_spec *spec, struct vcpu **out)
{
    if (spec->cpu >= cpu_count || spec->priority >= PRIORITIES || spec->entry >= LAYOUT_USER_END)
        return ERR_PARAM;
    if (domain->state == DOMAIN_ENDED || domain->vcpu_count == MAX_VCPUS || (!domain->manager && !cpu_admits(spec, NULL)))
        return ERR_BUSY;
    struct vcpu *vcpu = pool_alloc(&domain->quota);
    if (!vcpu)
        return ERR_MEMORY;
    vcpu->domain = domain;
    vcpu->index = domain->vcpu_count;
    vcpu->cpu = cpu_by_index(spec->cpu);
    vcpu->priority = vcpu->own_priority = spec->priority;
    vcpu->burst = spec->burst;
    vcpu->dedicated = spec->dedicated;
    vcpu->xcr0 = XCR0_X87;
    vcpu->run_state = VCPU_STOPPED;
    vcpu->vendor_state = (char *)vcpu + VENDOR_STATE_OFFSET;
    frame_init(vcpu, spec);
    enum status status = allocate(vcpu);
    if (status != OK) {
        uint64_t at = LAYOUT_STATE + vcpu->index * LAYOUT_STATE_STRIDE;
        /* Nobody has run in this process with these pages, so no TLB holds them. */
        (void)!pt_unmap(&domain->process, at, LAYOUT_STATE_STRIDE, NULL, NULL);
        release(vcpu);
        return status;
    }
    struct vcpu_state *state = vcpu->state;
    state->index = vcpu->index;
    state->tsc_hz = tsc_hz;
    state->xcr0 = XCR0_X87;
    if (vendor->sysenter)
        state->features |= STATE_FEATURE_SYSENTER;
    domain->vcpus[domain->vcpu_count++] = vcpu;
    *out = vcpu;
    return OK;
}

enum status vcpu_move(struct vcpu *vcpu, const struct vcpu_spec *spec)
{
    if (spec->cpu >= cpu_count || spec->priority >= PRIORITIES)
        return ERR_PARAM;
    if (!cpu_admits(spec, vcpu))
        return ERR_BUSY;
    enum status status = vcpu_place(vcpu, cpu_by_index(spec->cpu), spec->priority);
    if (status == OK)
        vcpu->dedicated = spec->dedicated;
    return status == ERR_BUSY ? ERR_AGAIN : status;
}

void vcpu_destroy(struct vcpu *vcpu)
{
    handle_purge(vcpu);
    sync_cpus();
    release(vcpu);
}
