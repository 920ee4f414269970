/* SPDX-License-Identifier: MIT
 * From a line to a command: the shell's own, and those that go to the manager as they are. */
#include <stdio.h>
#include <string.h>
#include "parts.h"

static const char *skip_blanks(const char *at) { return at + strspn(at, " "); }

bool local_word(const char **line, char *word, size_t size)
{
    const char *at = skip_blanks(*line);
    size_t used = 0;
    bool quoted = false, any = *at != 0;
    for (; *at != 0 && (quoted || *at != ' '); at++) {
        if (*at == '"') {
            quoted = !quoted;
            continue;
        }
        at += quoted && *at == '\\' && at[1] != 0;
        if (used + 1 >= size) {
            return false;
        }
        word[used++] = *at;
    }
    word[used] = 0;
    *line = skip_blanks(at);
    return any && !quoted;
}

/* Takes the word -j out of the line, wherever it stands unquoted. */
static bool cut_raw(char *line)
{
    bool quoted = false;
    for (char *at = line; *at != 0; at++) {
        if (*at == '\\' && quoted && at[1] != 0) {
            at++;
        } else if (*at == '"') {
            quoted = !quoted;
        } else if (!quoted && strncmp(at, " -j", 3) == 0 && (at[3] == ' ' || at[3] == 0)) {
            memmove(at, at + 3, strlen(at + 3) + 1);
            return true;
        }
    }
    return false;
}

/* --- the shell's own commands --- */

static void run_console(struct shell *shell, const char *arguments)
{
    char name[64];
    if (!local_word(&arguments, name, sizeof(name)) || *arguments != 0) {
        shell_say(shell, "error: console needs the name of one domain: console NAME\n");
    } else if (shell->host->focus == NULL) {
        shell_say(shell, "error: consoles can be shown on the machine's own terminal only; log NAME shows what a domain has written\n");
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
    shell_say(shell, "error: this shell does not end; console NAME goes to a domain's console, poweroff ends everything\n");
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
        if (local_word(&at, name, sizeof(name)) && strcmp(name, local->name) == 0 && strcmp(name, "help") != 0) {
            shell_say(shell, "%s %s\n%s\n", local->name, local->arguments, local->help);
            shell_done(shell);
            return;
        }
    }
    shell->pending.add_local = *arguments == 0;
    send_command(shell);
}

const struct local local_table[] = {
    {"console", "NAME", "shows the console of a domain and types into it; Ctrl-] comes back", run_console},
    {"top", "[SECONDS]", "shows again and again what the domains do; q ends it", top_begin},
    {"history", "", "shows the lines entered before", run_history},
    {"clear", "", "empties the screen (also Ctrl-L)", run_clear},
    {"exit", "", "ends bulkheadctl (also Ctrl-D)", run_exit},
    {"help", "[COMMAND]", "shows all commands, or how one is used", run_help},
    {NULL, NULL, NULL, NULL},
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
    line = skip_blanks(line);
    memcpy(pending->command, line, strlen(line) + 1);
    pending->raw = cut_raw(pending->command);
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
    bool word = local_word(&arguments, name, sizeof(name));
    for (const struct local *local = local_table; word && !pending->raw && local->name != NULL; local++) {
        if (strcmp(name, local->name) == 0) {
            local->run(shell, arguments);
            return;
        }
    }
    send_command(shell);
}
