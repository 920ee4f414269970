/* SPDX-License-Identifier: MIT
 * Messages to GNU Mach: a header, then for each argument a descriptor of its type and the argument itself
 * (mach/message.h). */
#include "bytes.h"
#include "rpc.h"

#define WORD_BITS 32u
#define CHARACTER_BITS 8u
#define MESSAGE_SIZE (sizeof(mach_msg_header_t) + RPC_WORDS * sizeof(uint32_t))

static uint32_t aligned_words(uint32_t bytes)
{
    return (bytes + 3) / 4;
}

void rpc_begin(struct rpc *rpc, mach_port_t port, mach_msg_id_t id)
{
    static mach_port_t reply;
    if (reply == MACH_PORT_NULL) {
        reply = mach_reply_port();
    }
    *rpc = (struct rpc){.head = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
                                 .msgh_remote_port = port, .msgh_local_port = reply, .msgh_id = id}};
}

static void add_type(struct rpc *rpc, mach_msg_type_t type)
{
    memcpy(&rpc->body[rpc->used++], &type, sizeof(type));
}

static void add_array_type(struct rpc *rpc, uint8_t name, uint8_t bits, uint32_t count)
{
    add_type(rpc, (mach_msg_type_t){.msgt_name = name, .msgt_size = bits, .msgt_number = count & 0xfff, .msgt_inline = 1});
}

void rpc_words(struct rpc *rpc, const uint32_t *words, uint32_t count)
{
    add_array_type(rpc, MACH_MSG_TYPE_INTEGER_32, WORD_BITS, count);
    for (uint32_t i = 0; i < count; i++) {
        rpc->body[rpc->used++] = words[i];
    }
}

void rpc_word(struct rpc *rpc, uint32_t word)
{
    rpc_words(rpc, &word, 1);
}

static void add_bytes(struct rpc *rpc, const char *text, uint32_t size, uint32_t field)
{
    memcpy(&rpc->body[rpc->used], text, size);
    rpc->used += aligned_words(field);
}

void rpc_characters(struct rpc *rpc, const char *text, uint32_t size)
{
    add_array_type(rpc, MACH_MSG_TYPE_CHAR, CHARACTER_BITS, size);
    add_bytes(rpc, text, size, size);
}

void rpc_string(struct rpc *rpc, const char *text, uint32_t field)
{
    add_type(rpc, (mach_msg_type_t){.msgt_inline = 1, .msgt_longform = 1});
    rpc->body[rpc->used++] = MACH_MSG_TYPE_STRING_C | field * CHARACTER_BITS << 16;
    rpc->body[rpc->used++] = 1;
    add_bytes(rpc, text, strlen(text) + 1, field);
}

kern_return_t rpc_call(struct rpc *rpc)
{
    mach_port_t reply = rpc->head.msgh_local_port;
    uint32_t size = sizeof(rpc->head) + rpc->used * sizeof(rpc->body[0]), length = 0;
    rpc->head.msgh_size = size;
    mach_msg_return_t status = mach_msg_trap(&rpc->head, MACH_SEND_MSG | MACH_RCV_MSG, size, MESSAGE_SIZE, reply, 0, 0);
    rpc->used = 0;
    if (status != MACH_MSG_SUCCESS) {
        return status;
    }
    const kern_return_t *result = rpc_result(rpc, &length);
    return result != NULL && length == sizeof(*result) ? *result : KERN_FAILURE;
}

const void *rpc_result(struct rpc *rpc, uint32_t *size)
{
    uint32_t words = (rpc->head.msgh_size - sizeof(rpc->head)) / sizeof(rpc->body[0]);
    mach_msg_type_long_t type;
    if (rpc->used >= words) {
        return NULL;
    }
    memcpy(&type, &rpc->body[rpc->used], sizeof(type));
    const mach_msg_type_t *brief = &type.msgtl_header;
    bool is_long = brief->msgt_longform;
    const uint32_t *data = &rpc->body[rpc->used += is_long ? 3 : 1];
    *size = (is_long ? type.msgtl_size * type.msgtl_number : brief->msgt_size * brief->msgt_number) / 8;
    rpc->used += brief->msgt_inline ? aligned_words(*size) : 1;
    return brief->msgt_inline ? (const void *)data : (const void *)*data;
}

void rpc_sleep(uint32_t milliseconds)
{
    static mach_port_t silent;
    mach_msg_header_t nothing;
    if (silent == MACH_PORT_NULL) {
        silent = mach_reply_port();
    }
    mach_msg_trap(&nothing, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(nothing), silent, milliseconds, MACH_PORT_NULL);
}

bool rpc_send_word(mach_port_t port, uint32_t word)
{
    struct rpc rpc = {.head = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0), .msgh_remote_port = port}};
    rpc_word(&rpc, word);
    uint32_t length = sizeof(rpc.head) + rpc.used * sizeof(rpc.body[0]);
    rpc.head.msgh_size = length;
    return mach_msg_trap(&rpc.head, MACH_SEND_MSG, length, 0, MACH_PORT_NULL, 0, MACH_PORT_NULL) == MACH_MSG_SUCCESS;
}

bool rpc_receive_word(mach_port_t port, uint32_t *word, uint32_t milliseconds)
{
    struct rpc rpc = {0};
    uint32_t size = 0;
    mach_msg_option_t option = MACH_RCV_MSG | MACH_RCV_TIMEOUT;
    if (mach_msg_trap(&rpc.head, option, 0, MESSAGE_SIZE, port, milliseconds, MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
        return false;
    }
    const uint32_t *sent = rpc_result(&rpc, &size);
    *word = sent != NULL && size == sizeof(*word) ? *sent : 0;
    return sent != NULL;
}
