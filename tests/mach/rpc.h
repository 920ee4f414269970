/* SPDX-License-Identifier: MIT
 * Calls of GNU Mach by messages. Its interface generator is not packaged for this architecture, so they are put together
 * by hand. */
#ifndef MACH_RPC_H
#define MACH_RPC_H

#include <stdbool.h>
#include <mach/message.h>

#define RPC_WORDS 256u

/* The traps of traps.S that are used. */
mach_port_t mach_reply_port(void);
mach_port_t mach_task_self(void);
mach_port_t mach_host_self(void);
void mach_print(const char *text);
kern_return_t syscall_vm_allocate(mach_port_t task, vm_offset_t *address, vm_size_t size, boolean_t anywhere);
kern_return_t syscall_vm_deallocate(mach_port_t task, vm_offset_t address, vm_size_t size);
kern_return_t syscall_task_create(mach_port_t parent, boolean_t inherit_memory, mach_port_t *child);

/* A message, and how many words of its body are in use. */
struct rpc {
    mach_msg_header_t head;
    uint32_t body[RPC_WORDS];
    uint32_t used;
};

/* Begins a request to a port; id: subsystem and number of the routine, as the .defs files count them.
 * Only for the task's first thread, which has the port for replies. */
void rpc_begin(struct rpc *rpc, mach_port_t port, mach_msg_id_t id);
/* Adds count integers of 32 bits as one argument. */
void rpc_words(struct rpc *rpc, const uint32_t *words, uint32_t count);
void rpc_word(struct rpc *rpc, uint32_t word);
/* Adds up to 128 characters as an array. */
void rpc_characters(struct rpc *rpc, const char *text, uint32_t size);
/* Adds a string in a field of a fixed size in bytes, at most 128. */
void rpc_string(struct rpc *rpc, const char *text, uint32_t field);
/* Sends it and waits for the reply, in the same place. Returns the routine's status; the results follow by
 * rpc_result. */
kern_return_t rpc_call(struct rpc *rpc);
/* The reply's next result and its size in bytes, NULL if there is none. What came out of line is where the address
 * says. */
const void *rpc_result(struct rpc *rpc, uint32_t *size);

/* Waits by way of a message that nobody sends. For the first thread only. */
void rpc_sleep(uint32_t milliseconds);
/* Sends a word to a port of this task, and receives one; false: no success. */
bool rpc_send_word(mach_port_t port, uint32_t word);
bool rpc_receive_word(mach_port_t port, uint32_t *word, uint32_t milliseconds);

#endif
