/* SPDX-License-Identifier: MIT
 * From a line to a command: the shell's own, and those that go to the manager as they are. */
#include <stdio.h>
#include <string.h>
#include "parts.h"
#include "words.h"

/* --- the shell's own commands --- */

static void run_console(struct shell *shell, const char *arguments)
{
    char name[64];
    if (!words_next(&arguments, name, sizeof(name)) || *arguments != 0) {
        shell_say(shell, "error: console needs the name of one domain: console NAME\n");
    } else if (shell->host->focus == NULL) {
        shell_say(shell, "error: consoles can be shown on the machine's own terminal only; log NAME shows what a "
                         "domain has written\n");
    } else if (shell->host->focus(shell->context, name) != OK) {
        shell_say(shell, "error: there is no console of a domain \"%.40s\"; list shows the domains\n", name);
    }
    shell_done(shell);
}

static void run_clear(struct shell *shell, const char *arguments)
{
    shell_say(shell, "\x1b[H\x1b[J");
    shell_done(shell);
}

static void run_history(struct shell *shell, const char *arguments)
{
    for (unsigned back = shell->history.count; back > 0; back--) {
        shell_say(shell, "  %.100s\n", history_line(&shell->history, back));
    }
    shell_done(shell);
}

static void run_exit(struct shell *shell, const char *arguments)
{
    if (shell->host->leave != NULL) {
        shell->host->leave(shell->context);
        return;
    }
    shell_say(shell,
              "error: this shell does not end; console NAME goes to a domain's console, poweroff ends everything\n");
    shell_done(shell);
}

static void send_command(struct shell *shell)
{
    shell->state = STATE_WAIT;
    if (!request_send(shell, FOR_COMMAND, shell->pending.command)) {
        shell_say(shell, shell->up ? "error: the manager takes no commands at the moment; try again\n"
                                   : "error: the manager cannot be reached\n");
        if (shell->pending.add_local) {
            local_list(shell);
        }
        shell_done(shell);
    }
}

static void run_help(struct shell *shell, const char *arguments)
{
    char name[CATALOG_NAME];
    for (const struct local *local = local_table; local->name != NULL; local++) {
        const char *at = arguments;
        if (words_next(&at, name, sizeof(name)) && strcmp(name, local->name) == 0 && strcmp(name, "help") != 0) {
            shell_say(shell, "%s %s\n%s\n", local->name, local->arguments, local->help);
            shell_done(shell);
            return;
        }
    }
    shell->pending.add_local = *arguments == 0;
    send_command(shell);
}

const struct local local_table[] = {
    { "console", "NAME", "shows the console of a domain and types into it; Ctrl-] comes back", run_console },
    { "top", "[SECONDS]", "shows again and again what the domains do; q ends it", top_begin },
    { "history", "", "shows the lines entered before", run_history },
    { "clear", "", "empties the screen (also Ctrl-L)", run_clear },
    { "exit", "", "ends bulkheadctl (also Ctrl-D)", run_exit },
    { "help", "[COMMAND]", "shows all commands, or how one is used", run_help },
    { NULL, NULL, NULL, NULL },
};

void local_list(struct shell *shell)
{
    shell_say(shell, "Of the shell itself:\n");
    for (const struct local *local = local_table; local->name != NULL; local++) {
        if (strcmp(local->name, "help") != 0) {
            shell_say(shell, "%s %s%*s  %s\n", local->name, local->arguments,
                      (int)(18 - strlen(local->name) - strlen(local->arguments)), "", local->help);
        }
    }
    shell_say(shell, "-j as a word of any command of the manager: its answer as JSON, in one line\n");
}

void local_run(struct shell *shell, const char *line)
{
    struct pending *pending = &shell->pending;
    line += strspn(line, " ");
    memcpy(pending->command, line, strlen(line) + 1);
    pending->raw = words_cut_raw(pending->command);
    pending->add_local = false;
    pending->next = 0;
    char name[CATALOG_NAME];
    const char *arguments = pending->command;
    if (*arguments == 0) {
        shell_done(shell);
        return;
    }
    if (*arguments == '@') {
        shell_say(shell, "error: a command cannot begin with @\n");
        shell_done(shell);
        return;
    }
    bool word = words_next(&arguments, name, sizeof(name));
    for (const struct local *local = local_table; word && !pending->raw && local->name != NULL; local++) {
        if (strcmp(name, local->name) == 0) {
            local->run(shell, arguments);
            return;
        }
    }
    send_command(shell);
}
