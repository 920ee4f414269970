/* SPDX-License-Identifier: MIT
 * One terminal for many consoles: the rules of console_mux.h. */
#include "console_mux.h"

#include <stdio.h>
#include <string.h>

#define PIECE 256u /* bytes of one console before it is the next one's turn */
#define MESSAGE 96u
#define ROUNDS_MAX 256u

void mux_init(struct mux *mux, const struct mux_ops *ops, void *context, struct control *control)
{
    memset(mux, 0, sizeof(*mux));
    mux->ops = ops;
    mux->context = context;
    mux->control = control;
    mux->shell = mux->last_domain = MUX_NOBODY;
}

static bool is_domain(const struct mux *mux, uint32_t index)
{
    return index < CONTROL_MAX_CONSOLES && mux->consoles[index] != NULL && mux->kinds[index] == CONSOLE_DOMAIN;
}

static bool is_shell(const struct mux *mux, uint32_t index) { return index != MUX_NOBODY && index == mux->shell; }

/* The focus as the control area says, or nobody. */
static uint32_t focus_of(const struct mux *mux)
{
    uint32_t focus = __atomic_load_n(&mux->control->focus, __ATOMIC_RELAXED);
    return is_domain(mux, focus) || is_shell(mux, focus) ? focus : MUX_NOBODY;
}

void mux_attach(struct mux *mux, unsigned index, struct console *console)
{
    uint32_t kind = mux->control->consoles[index].kind;
    mux->consoles[index] = console;
    mux->kinds[index] = console == NULL ? CONSOLE_NONE : kind;
    if (mux->shell == index) {
        mux->shell = MUX_NOBODY;
    }
    if (console != NULL && kind == CONSOLE_CONTROL && mux->ops->shell_input != NULL) {
        mux->shell = index;
    }
    if (mux->control->line_owner == index + 1 && console == NULL) {
        mux->control->line_owner = 0;
    }
}

/* --- output --- */

static void say(struct mux *mux, const char *text, uint32_t size) { mux->ops->write(mux->context, text, size); }

/* Where the next byte to show is, and how many there are. What the ring has overwritten, or a broken count, is skipped and told. */
static uint32_t pending(const struct console *console, uint64_t *printed, uint64_t *lost)
{
    uint64_t produced = __atomic_load_n(&console->near.produced, __ATOMIC_ACQUIRE);
    *lost = 0;
    if (produced < *printed) {
        *printed = produced;
    } else if (produced - *printed > CONSOLE_OUTPUT) {
        *lost = produced - CONSOLE_OUTPUT - *printed;
        *printed = produced - CONSOLE_OUTPUT;
    }
    return (uint32_t)(produced - *printed);
}

/* Of `size` pending bytes those that may be shown now, at most PIECE: up to the newline if the console must wait for one. */
static uint32_t showable(const struct console *console, uint64_t at, uint32_t size, bool whole_lines)
{
    uint32_t limit = size < PIECE ? size : PIECE;
    for (uint32_t i = 0; i < limit; i++) {
        if (__atomic_load_n(&console->output[(at + i) % CONSOLE_OUTPUT], __ATOMIC_RELAXED) == '\n') {
            return i + 1;
        }
    }
    return !whole_lines || limit >= MUX_LONG_LINE ? limit : 0;
}

/* More than one domain has ever written. */
static bool several_wrote(struct mux *mux)
{
    unsigned writers = 0;
    for (unsigned i = 0; i < CONTROL_MAX_CONSOLES && !mux->several; i++) {
        writers += is_domain(mux, i) && __atomic_load_n(&mux->consoles[i]->near.produced, __ATOMIC_RELAXED) > 0;
        mux->several = writers > 1;
    }
    return mux->several;
}

/* What stands before the text: the end of another's line, the name. Returns its size. */
static uint32_t begin_line(struct mux *mux, unsigned index, char *text)
{
    uint32_t owner = mux->control->line_owner;
    if (owner == index + 1) {
        return 0;
    }
    bool named = mux->kinds[index] == CONSOLE_DOMAIN && several_wrote(mux);
    return (uint32_t)snprintf(text, MESSAGE, "%s%s%.31s%s", owner != 0 ? "\r\n" : "", named ? "[" : "",
                              named ? mux->control->consoles[index].name : "", named ? "] " : "");
}

/* Shows a piece of one console. False: nothing of it can be shown now. *full: the terminal has no room. */
static bool show(struct mux *mux, unsigned index, bool *full)
{
    struct console *console = mux->consoles[index];
    uint32_t focus = focus_of(mux);
    if (mux->kinds[index] == CONSOLE_DOMAIN && is_shell(mux, focus)) {
        return false;
    }
    char text[MESSAGE + PIECE], note[MESSAGE];
    uint64_t printed = console->far.printed, lost;
    uint32_t size = pending(console, &printed, &lost);
    size = showable(console, printed, size, index != focus && mux->control->consoles[index].running);
    if (size == 0) {
        console->far.printed = printed;
        return false;
    }
    uint32_t used = begin_line(mux, index, text);
    uint32_t noted = lost == 0 ? 0 : (uint32_t)snprintf(note, sizeof(note), "(%llu bytes of output lost)\r\n", (unsigned long long)lost);
    if (mux->ops->room(mux->context) < used + noted + size) {
        *full = true;
        return false;
    }
    say(mux, note, noted);
    for (uint32_t i = 0; i < size; i++) {
        text[used + i] = __atomic_load_n(&console->output[(printed + i) % CONSOLE_OUTPUT], __ATOMIC_RELAXED);
    }
    __atomic_store_n(&console->far.printed, printed + size, __ATOMIC_RELEASE); /* a far end that dies here loses the piece, and doubles none */
    mux->control->line_owner = text[used + size - 1] == '\n' ? 0 : index + 1;
    say(mux, text, used + size);
    return true;
}

static void set_sleeping(struct mux *mux, uint32_t value)
{
    for (unsigned i = 0; i < CONTROL_MAX_CONSOLES; i++) {
        if (mux->consoles[i] != NULL) {
            __atomic_store_n(&mux->consoles[i]->far.sleeping, value, __ATOMIC_SEQ_CST);
        }
    }
}

/* A round over the consoles of some kind. True: something was shown. */
static bool round_of_kind(struct mux *mux, uint32_t kind, bool *full)
{
    bool any = false;
    for (unsigned i = 0; i < CONTROL_MAX_CONSOLES && !*full; i++) {
        unsigned index = (mux->next + i) % CONTROL_MAX_CONSOLES;
        if (mux->consoles[index] != NULL && mux->kinds[index] == kind && show(mux, index, full)) {
            any = true;
        }
        if (*full) {
            mux->next = index;
        }
    }
    return any;
}

/* Messages of the system come behind what domains wrote before them: a domain's end behind its last line. But a domain that never stops
 * does not keep them away. */
static bool round_of(struct mux *mux, bool *full)
{
    bool any = round_of_kind(mux, CONSOLE_DOMAIN, full);
    if (!*full && (!any || ++mux->rounds % ROUNDS_MAX == 0)) {
        any |= round_of_kind(mux, CONSOLE_SYSTEM, full);
    }
    return any;
}

bool mux_output(struct mux *mux)
{
    bool full = false;
    set_sleeping(mux, 0);
    while (round_of(mux, &full)) {
    }
    if (!full) {
        set_sleeping(mux, 1);
        while (round_of(mux, &full)) { /* what came before the sleep was announced */
        }
    }
    return full;
}

uint32_t mux_shell_write(struct mux *mux, const char *text, uint32_t size)
{
    char before[MESSAGE];
    uint32_t used = mux->shell == MUX_NOBODY ? 0 : begin_line(mux, mux->shell, before);
    uint32_t room = mux->ops->room(mux->context);
    if (size == 0 || room <= used) {
        return 0;
    }
    say(mux, before, used);
    size = size < room - used ? size : room - used;
    say(mux, text, size);
    mux->control->line_owner = text[size - 1] == '\n' ? 0 : mux->shell + 1;
    return size;
}

/* --- focus --- */

/* By somebody who reads what the terminal says; else `quiet`. */
static void set_focus(struct mux *mux, uint32_t index, bool quiet)
{
    uint32_t old = focus_of(mux);
    if (index == old) {
        return;
    }
    if (is_domain(mux, old)) {
        mux->last_domain = old;
    }
    __atomic_store_n(&mux->control->focus, index, __ATOMIC_RELAXED);
    char text[MESSAGE];
    const char *before = mux->control->line_owner != 0 ? "\r\n" : "";
    uint32_t size = is_shell(mux, index)
                        ? (uint32_t)snprintf(text, sizeof(text), "%s", before)
                        : (uint32_t)snprintf(text, sizeof(text), "%sconsole of %.31s; Ctrl-] leaves it\r\n", before,
                                             mux->control->consoles[index].name);
    if (!quiet && mux->ops->room(mux->context) >= size) {
        say(mux, text, size);
        mux->control->line_owner = 0;
    }
    if (mux->ops->shell_shown != NULL && (is_shell(mux, index) || is_shell(mux, old))) {
        mux->ops->shell_shown(mux->context, is_shell(mux, index));
    }
}

/* The first domain behind `from` that runs, or nobody. */
static uint32_t next_domain(const struct mux *mux, uint32_t from)
{
    for (unsigned i = 1; i <= CONTROL_MAX_CONSOLES; i++) {
        uint32_t index = (from == MUX_NOBODY ? i - 1 : from + i) % CONTROL_MAX_CONSOLES;
        if (is_domain(mux, index) && mux->control->consoles[index].running) {
            return index;
        }
    }
    return MUX_NOBODY;
}

enum status mux_focus(struct mux *mux, const char *name)
{
    for (unsigned i = 0; i < CONTROL_MAX_CONSOLES; i++) {
        if (is_domain(mux, i) && strncmp(mux->control->consoles[i].name, name, NAME_SIZE) == 0) {
            set_focus(mux, i, false);
            return OK;
        }
    }
    return ERR_NONE;
}

static void chord(struct mux *mux)
{
    uint32_t focus = focus_of(mux), to = mux->shell;
    if (is_shell(mux, focus) || mux->shell == MUX_NOBODY) {
        to = is_shell(mux, focus) && is_domain(mux, mux->last_domain) ? mux->last_domain : next_domain(mux, focus);
    }
    if (to != MUX_NOBODY) {
        set_focus(mux, to, false);
    }
}

bool mux_refocus(struct mux *mux, bool shell)
{
    uint32_t focus = focus_of(mux);
    if (is_shell(mux, focus) || (is_domain(mux, focus) && mux->control->consoles[focus].running)) {
        return true;
    }
    uint32_t next = next_domain(mux, focus);
    if (next == MUX_NOBODY && shell) {
        next = mux->shell;
    }
    if (next != MUX_NOBODY) {
        set_focus(mux, next, true);
    }
    return next != MUX_NOBODY || mux->shell == MUX_NOBODY;
}

/* --- input --- */

static void type(struct mux *mux, uint32_t index, const char *text, uint32_t size)
{
    struct console *console = mux->consoles[index];
    uint64_t typed = console->far.typed, consumed = __atomic_load_n(&console->near.consumed, __ATOMIC_ACQUIRE);
    uint64_t waiting = typed - consumed <= CONSOLE_INPUT ? typed - consumed : 0;
    uint32_t count = size < CONSOLE_INPUT - waiting ? size : (uint32_t)(CONSOLE_INPUT - waiting);
    for (uint32_t i = 0; i < count; i++) {
        console->input[(typed + i) % CONSOLE_INPUT] = text[i];
    }
    __atomic_store_n(&console->far.typed, typed + count, __ATOMIC_RELEASE);
    if (count > 0) {
        mux->ops->signal(mux->context, index);
    }
}

void mux_input(struct mux *mux, const char *text, uint32_t size)
{
    while (size > 0) {
        const char *end = memchr(text, MUX_CHORD, size);
        uint32_t part = end != NULL ? (uint32_t)(end - text) : size, focus = focus_of(mux);
        if (part > 0 && is_shell(mux, focus)) {
            mux->ops->shell_input(mux->context, text, part);
        } else if (part > 0 && focus != MUX_NOBODY) {
            type(mux, focus, text, part);
        }
        if (end == NULL) {
            return;
        }
        chord(mux);
        text += part + 1;
        size -= part + 1;
    }
}
