/* SPDX-License-Identifier: MIT
 * The guest CPU of the tests. */
#include "cpu_fixture.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct cpu *cpu_of(struct vcpu *vcpu)
{
    return (struct cpu *)vcpu->state; /* state is the first member */
}

static void note(struct cpu *cpu, uint64_t address, uint64_t value, unsigned size, bool write, bool port)
{
    if (cpu->log_count < CPU_LOG) {
        cpu->log[cpu->log_count] = (struct cpu_access){ address, value, size, write, port };
    }
    cpu->log_count++;
}

static uint64_t device_read(struct vcpu *vcpu, uint64_t gpa, unsigned size)
{
    struct cpu *cpu = cpu_of(vcpu);
    uint64_t value = ~0ull >> (64 - 8 * size);
    if (gpa - CPU_DEVICE <= sizeof(cpu->device) - size) {
        value = 0;
        memcpy(&value, cpu->device + (gpa - CPU_DEVICE), size);
    }
    note(cpu, gpa, value, size, false, false);
    return value;
}

static void device_write(struct vcpu *vcpu, uint64_t gpa, unsigned size, uint64_t value)
{
    struct cpu *cpu = cpu_of(vcpu);
    if (gpa - CPU_DEVICE <= sizeof(cpu->device) - size) {
        memcpy(cpu->device + (gpa - CPU_DEVICE), &value, size);
    }
    note(cpu, gpa, value, size, true, false);
}

static uint32_t port_read(struct vcpu *vcpu, uint16_t port, unsigned size)
{
    struct cpu *cpu = cpu_of(vcpu);
    uint32_t value = cpu->port_value++ & (uint32_t)(~0ull >> (64 - 8 * size));
    note(cpu, port, value, size, false, true);
    return value;
}

static void port_write(struct vcpu *vcpu, uint16_t port, unsigned size, uint32_t value)
{
    note(cpu_of(vcpu), port, value, size, true, true);
}

const struct emulate_ops cpu_ops = { device_read, device_write, port_read, port_write };

struct cpu *cpu_create(void)
{
    struct cpu *cpu = calloc(1, sizeof(*cpu));
    cpu->machine = calloc(1, sizeof(*cpu->machine));
    cpu->ram = mmap(NULL, CPU_RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cpu->machine->memory = (struct memory){ cpu->ram, CPU_RAM_SIZE, 0, MEMORY_HIGH_BASE };
    cpu->machine->vcpu_count = 1;
    cpu->vcpu = &cpu->machine->vcpus[0];
    cpu->vcpu->state = &cpu->state;
    cpu->vcpu->machine = cpu->machine;
    cpu->vcpu->phys_bits = 40;
    cpu_mode64(cpu);
    return cpu;
}

void cpu_free(struct cpu *cpu)
{
    munmap(cpu->ram, CPU_RAM_SIZE);
    free(cpu->machine);
    free(cpu);
}

static void segments(struct cpu *cpu, uint32_t code, uint32_t data, uint32_t limit)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu->state.seg[i] =
            (struct segment){ .limit = limit, .attr = i == SEG_CS ? code : data, .selector = (uint16_t)(8 * i) };
    }
}

void cpu_mode64(struct cpu *cpu)
{
    struct vcpu_state *s = &cpu->state;
    memset(s, 0, sizeof(*s));
    memset(&cpu->vcpu->walk_cache, 0, sizeof(cpu->vcpu->walk_cache));
    memset(cpu->ram + CPU_TABLES, 0, 0x100000);
    cpu->log_count = 0;
    cpu->next_table = CPU_TABLES + 4096;
    s->cr0 = CR0_PG | CR0_PE | CR0_WP | CR0_ET | CR0_NE;
    s->cr3 = CPU_TABLES;
    s->cr4 = CR4_PAE;
    s->efer = EFER_LME | EFER_LMA | EFER_NXE;
    s->rflags = RFLAGS_FIXED;
    s->valid = GROUP_ALL;
    segments(cpu, CPU_ATTR_CODE64, CPU_ATTR_DATA32, 0xffffffff);
}

void cpu_mode32(struct cpu *cpu)
{
    cpu_mode64(cpu);
    cpu->state.cr0 = CR0_PE | CR0_ET;
    cpu->state.cr4 = 0;
    cpu->state.efer = 0;
    segments(cpu, CPU_ATTR_CODE32, CPU_ATTR_DATA32, 0xffffffff);
}

void cpu_mode16(struct cpu *cpu)
{
    cpu_mode32(cpu);
    cpu->state.cr0 = CR0_ET;
    segments(cpu, CPU_ATTR_CODE16, CPU_ATTR_DATA16, 0xffff);
}

uint64_t *cpu_map(struct cpu *cpu, uint64_t linear, uint64_t gpa, uint64_t flags)
{
    uint64_t table = cpu->state.cr3 & ~0xfffull;
    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t *entry = (uint64_t *)(cpu->ram + table) + (linear >> shift & 511);
        if (!*entry) {
            *entry = cpu->next_table | 7;
            cpu->next_table += 4096;
        }
        table = *entry & 0xffffffffff000ull;
    }
    uint64_t *leaf = (uint64_t *)(cpu->ram + table) + (linear >> 12 & 511);
    *leaf = gpa | flags;
    return leaf;
}

void cpu_code(struct cpu *cpu, uint64_t gpa, const void *bytes, size_t size)
{
    memcpy(cpu->ram + gpa, bytes, size);
}
