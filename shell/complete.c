/* SPDX-License-Identifier: MIT
 * Completion of the word before the cursor: which words are possible there, the manager knows. */
#include <string.h>
#include "parts.h"
#include "words.h"

#define PATIENCE_MS 2000u
#define TOKEN_SIZE  64u

struct place {
    unsigned index;     /* of the word; 0: the command */
    const char *prefix; /* what stands there up to the cursor */
    char text[SHELL_LINE_SIZE];
    char command[CATALOG_NAME];
};

static bool find_place(const struct shell *shell, struct place *place)
{
    memcpy(place->text, shell->editor.text, shell->editor.cursor);
    place->text[shell->editor.cursor] = 0;
    place->index = 0;
    place->command[0] = 0;
    char word[SHELL_LINE_SIZE];
    const char *at = place->text + strspn(place->text, " ");
    if (strchr(at, '"') != NULL) {
        return false;
    }
    for (const char *end = strchr(at, ' '); end != NULL; end = strchr(at, ' ')) {
        if (!words_next(&at, word, sizeof(word))) {
            return false;
        }
        if (place->index == 0 && strlen(word) < sizeof(place->command)) {
            strcpy(place->command, word);
        }
        place->index += strcmp(word, "-j") != 0;
    }
    place->prefix = at;
    return true;
}

static const char *arguments_of(const struct shell *shell, const char *command)
{
    for (const struct local *local = local_table; local->name != NULL; local++) {
        if (strcmp(local->name, command) == 0) {
            return local->arguments;
        }
    }
    return catalog_arguments(&shell->catalog, command);
}

/* Token `number` (from 1) of "NAME [on|off] KEY=VALUE...", without its brackets; the last one stands for all that
 * follow it if it ends with
 * "...". */
static bool find_token(const char *arguments, unsigned number, char *token)
{
    size_t size = 0;
    for (; number > 0; number--) {
        arguments += strspn(arguments, " []");
        size = strcspn(arguments, " ]");
        if (size == 0 || size >= TOKEN_SIZE) {
            return false;
        }
        memcpy(token, arguments, size);
        token[size] = 0;
        if (strstr(token, "...") == NULL) {
            arguments += size;
        }
    }
    return true;
}

static void add_commands(struct shell *shell, const char *prefix)
{
    for (unsigned i = 0; i < shell->catalog.count; i++) {
        choices_add(&shell->choices, shell->catalog.commands[i].name, prefix);
    }
    for (const struct local *local = local_table; local->name != NULL; local++) {
        choices_add(&shell->choices, local->name, prefix);
    }
}

/* Words in small letters with | between are possible as they are. */
static void add_alternatives(struct shell *shell, char *token, const char *prefix)
{
    while (token != NULL) {
        char *bar = strchr(token, '|');
        if (bar != NULL) {
            *bar = 0;
        }
        if (*token >= 'a' && *token <= 'z') {
            choices_add(&shell->choices, token, prefix);
        }
        token = bar == NULL ? NULL : bar + 1;
    }
}

/* --- what is done with the choices --- */

static void list_choices(struct shell *shell)
{
    const struct choices *choices = &shell->choices;
    size_t width = 0, column = 0;
    for (unsigned i = 0; i < choices->count; i++) {
        size_t length = strlen(choices->words[i]) + 2;
        width = length > width ? length : width;
    }
    shell_say(shell, "\n");
    for (unsigned i = 0; i < choices->count; i++) {
        bool last = i + 1 == choices->count || column + 2 * width > shell->columns;
        output_format(&shell->output, "%-*s%s", last ? 0 : (int)width, choices->words[i], last ? "\n" : "");
        column = last ? 0 : column + width;
    }
}

static void apply(struct shell *shell, const char *prefix)
{
    const struct choices *choices = &shell->choices;
    size_t have = strlen(prefix), common = choices_common(choices);
    if (choices->count > 1 && common == have) {
        list_choices(shell);
        return;
    }
    const char *word = choices->words[0];
    if (choices->count == 0 || !editor_insert(&shell->editor, word + have, common - have)) {
        output_text(&shell->output, "\a");
    } else if (choices->count == 1 && word[common - 1] != '=') {
        editor_insert(&shell->editor, " ", 1);
    }
}

/* --- asking --- */

/* True: the answer will come. */
static bool ask(struct shell *shell, enum purpose purpose, const char *command)
{
    if (!request_send(shell, purpose, command)) {
        return false;
    }
    shell->pending.deadline -= SHELL_PATIENCE_MS - PATIENCE_MS;
    shell->state = STATE_WAIT;
    return true;
}

/* KEY=VALUE: the help of the command has the keys. */
static bool choose_key(struct shell *shell, const struct place *place, const struct json_value *help)
{
    char command[8 + CATALOG_NAME] = "help ";
    struct json_value keys;
    if (help == NULL) {
        strcat(command, place->command);
        return ask(shell, FOR_NAMES, command);
    }
    if (json_get(*help, "keys", &keys)) {
        choices_add_rows(&shell->choices, keys, "key", "=", place->prefix);
    }
    return false;
}

/* The choices for this place; names: the answer to the question for them, or null. True: an answer is needed first, and
 * will come. */
static bool choose(struct shell *shell, const struct place *place, const struct json_value *names)
{
    char token[TOKEN_SIZE];
    choices_clear(&shell->choices);
    if (place->index == 0) {
        add_commands(shell, place->prefix);
        return false;
    }
    const char *arguments = arguments_of(shell, place->command);
    if (arguments == NULL || !find_token(arguments, place->index, token)) {
        return false;
    }
    if (strstr(token, "COMMAND") != NULL) {
        add_commands(shell, place->prefix);
    } else if (strstr(token, "KEY") != NULL) {
        return choose_key(shell, place, names);
    } else if (strstr(token, "NAME") == NULL) {
        add_alternatives(shell, token, place->prefix);
    } else if (names == NULL) {
        return ask(shell, FOR_NAMES, "list");
    } else {
        choices_add_rows(&shell->choices, *names, "name", "", place->prefix);
    }
    return false;
}

static void go_on(struct shell *shell, const struct json_value *names, bool may_ask)
{
    struct place place;
    if (!find_place(shell, &place)) {
        choices_clear(&shell->choices);
        place.prefix = "";
    } else if ((may_ask && !shell->catalog.known && ask(shell, FOR_CATALOG, "help")) || choose(shell, &place, names)) {
        return;
    }
    shell->state = STATE_EDIT;
    apply(shell, place.prefix);
    if (shell->choices.count > 1) {
        shell_draw(shell);
    }
}

void complete(struct shell *shell) { go_on(shell, NULL, true); }

void complete_answer(struct shell *shell, enum purpose purpose, const struct json_value *result)
{
    if (purpose == FOR_CATALOG && result != NULL) {
        catalog_fill(&shell->catalog, *result);
    }
    if (purpose == FOR_NAMES && result == NULL) {
        shell->state = STATE_EDIT;
        output_text(&shell->output, "\a");
        return;
    }
    go_on(shell, purpose == FOR_NAMES ? result : NULL, false);
}
