/* SPDX-License-Identifier: MIT
 * Requests and results of the routines, as mach.defs, mach_host.defs and device.defs describe them. */
#include <device/device_types.h>
#include <mach/thread_status.h>
#include "bytes.h"
#include "kernel.h"

/* Subsystem's number and the routine's place in it, skipped ones counted. */
enum {
    MACH_THREAD_SET_STATE = 2018, MACH_VM_READ = 2026, MACH_TASK_SUSPEND = 2056, MACH_THREAD_CREATE = 2061,
    MACH_THREAD_RESUME = 2063,
    HOST_KERNEL_VERSION = 2619, HOST_GET_TIME = 2634, HOST_REBOOT = 2635, HOST_INFO = 2638,
    DEVICE_OPEN = 2800, DEVICE_WRITE_INBAND = 2803, DEVICE_READ_INBAND = 2805
};

#define RB_AUTOBOOT 0u

/* Copies the next result, which may be shorter. Returns its size. */
static uint32_t take(struct rpc *rpc, void *to, uint32_t size)
{
    uint32_t length = 0;
    const void *from = rpc_result(rpc, &length);
    if (from == NULL) {
        return 0;
    }
    length = length < size ? length : size;
    memcpy(to, from, length);
    return length;
}

static kern_return_t take_all(struct rpc *rpc, void *to, uint32_t size)
{
    return take(rpc, to, size) == size ? KERN_SUCCESS : KERN_FAILURE;
}

kern_return_t kernel_version(char text[KERNEL_VERSION_SIZE])
{
    struct rpc rpc;
    rpc_begin(&rpc, mach_host_self(), HOST_KERNEL_VERSION);
    kern_return_t status = rpc_call(&rpc);
    return status != KERN_SUCCESS ? status : take_all(&rpc, text, KERNEL_VERSION_SIZE);
}

kern_return_t kernel_host_info(struct host_basic_info *info)
{
    struct rpc rpc;
    rpc_begin(&rpc, mach_host_self(), HOST_INFO);
    rpc_word(&rpc, HOST_BASIC_INFO);
    rpc_word(&rpc, HOST_BASIC_INFO_COUNT);
    kern_return_t status = rpc_call(&rpc);
    return status != KERN_SUCCESS ? status : take_all(&rpc, info, sizeof(*info));
}

kern_return_t kernel_time(uint64_t *microseconds)
{
    struct rpc rpc;
    struct rpc_time_value now = {0, 0};
    rpc_begin(&rpc, mach_host_self(), HOST_GET_TIME);
    kern_return_t status = rpc_call(&rpc);
    if (status == KERN_SUCCESS) {
        status = take_all(&rpc, &now, sizeof(now));
    }
    *microseconds = now.seconds * 1000000ull + (uint32_t)now.microseconds;
    return status;
}

kern_return_t kernel_reboot(mach_port_t host)
{
    struct rpc rpc;
    rpc_begin(&rpc, host, HOST_REBOOT);
    rpc_word(&rpc, RB_AUTOBOOT);
    return rpc_call(&rpc);
}

static kern_return_t call_plain(mach_port_t port, mach_msg_id_t id)
{
    struct rpc rpc;
    rpc_begin(&rpc, port, id);
    return rpc_call(&rpc);
}

kern_return_t kernel_thread(mach_port_t task, void (*entry)(void), void *stack_end, mach_port_t *thread)
{
    struct i386_thread_state state = {.eip = (uint32_t)entry, .uesp = (uint32_t)stack_end - sizeof(uint32_t)};
    struct rpc rpc;
    rpc_begin(&rpc, task, MACH_THREAD_CREATE);
    kern_return_t status = rpc_call(&rpc);
    if (status == KERN_SUCCESS) {
        status = take_all(&rpc, thread, sizeof(*thread));
    }
    if (status != KERN_SUCCESS) {
        return status;
    }
    rpc_begin(&rpc, *thread, MACH_THREAD_SET_STATE);
    rpc_word(&rpc, i386_THREAD_STATE);
    rpc_words(&rpc, (const uint32_t *)&state, i386_THREAD_STATE_COUNT);
    status = rpc_call(&rpc);
    return status != KERN_SUCCESS ? status : call_plain(*thread, MACH_THREAD_RESUME);
}

kern_return_t kernel_suspend_task(mach_port_t task)
{
    return call_plain(task, MACH_TASK_SUSPEND);
}

kern_return_t kernel_read_word(mach_port_t task, const volatile uint32_t *address, uint32_t *word)
{
    static const uint32_t page = 4096;
    struct rpc rpc;
    uint32_t size = 0, start = (uint32_t)address & ~(page - 1);
    rpc_begin(&rpc, task, MACH_VM_READ);
    rpc_word(&rpc, start);
    rpc_word(&rpc, page);
    kern_return_t status = rpc_call(&rpc);
    if (status != KERN_SUCCESS) {
        return status;
    }
    const char *copy = rpc_result(&rpc, &size);
    if (copy == NULL || size != page) {
        return KERN_FAILURE;
    }
    memcpy(word, copy + ((uint32_t)address - start), sizeof(*word));
    return syscall_vm_deallocate(mach_task_self(), (vm_offset_t)copy, page);
}

kern_return_t kernel_open(mach_port_t master, const char *name, mach_port_t *device)
{
    struct rpc rpc;
    rpc_begin(&rpc, master, DEVICE_OPEN);
    rpc_word(&rpc, D_READ | D_WRITE);
    rpc_string(&rpc, name, sizeof(dev_name_t));
    kern_return_t status = rpc_call(&rpc);
    return status != KERN_SUCCESS ? status : take_all(&rpc, device, sizeof(*device));
}

kern_return_t kernel_write(mach_port_t device, const char *text, uint32_t size)
{
    struct rpc rpc;
    uint32_t written = 0;
    rpc_begin(&rpc, device, DEVICE_WRITE_INBAND);
    rpc_word(&rpc, 0);
    rpc_word(&rpc, 0);
    rpc_characters(&rpc, text, size);
    kern_return_t status = rpc_call(&rpc);
    if (status == KERN_SUCCESS) {
        status = take_all(&rpc, &written, sizeof(written));
    }
    return status != KERN_SUCCESS || written == size ? status : D_IO_ERROR;
}

kern_return_t kernel_read(mach_port_t device, uint32_t record, char *data, uint32_t *size)
{
    struct rpc rpc;
    rpc_begin(&rpc, device, DEVICE_READ_INBAND);
    rpc_word(&rpc, 0);
    rpc_word(&rpc, record);
    rpc_word(&rpc, *size);
    kern_return_t status = rpc_call(&rpc);
    if (status == KERN_SUCCESS) {
        *size = take(&rpc, data, *size);
    }
    return status;
}
