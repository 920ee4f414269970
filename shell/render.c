/* SPDX-License-Identifier: MIT
 * Rendering of results (render.h): everything but tables, which are in render_table.c. */
#include <string.h>
#include "render.h"
#include "render_table.h"

void render_json(struct sink *sink, struct json_value value)
{
    bool string = false;
    for (const char *at = value.text; at < value.end; at++) {
        if (string && *at == '\\') {
            sink_char(sink, *at++);
        } else if (*at == '"') {
            string = !string;
        }
        /* White space between the tokens need not be in one line. */
        if (string || (*at != '\n' && *at != '\r' && *at != '\t')) {
            sink_char(sink, *at);
        }
    }
}

void render_answer(struct sink *sink, struct json_value answer)
{
    static const char *const names[] = { "ok", "result", "error" };
    const char *before = "{\"";
    struct json_value member;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (json_get(answer, names[i], &member)) {
            sink_text(sink, before);
            sink_text(sink, names[i]);
            sink_text(sink, "\":");
            render_json(sink, member);
            before = ",\"";
        }
    }
    sink_text(sink, "}\n");
}

static void render_string(struct sink *sink, struct json_value value)
{
    const char *at = value.text + 1;
    for (int c = json_char(&at); c >= 0 && !sink->full; c = json_char(&at)) {
        sink_byte(sink, c);
    }
}

static void render_list(struct sink *sink, struct json_value array)
{
    struct json_walk walk = json_walk(array);
    struct json_value value;
    for (const char *between = ""; json_next(&walk, NULL, &value) && !sink->full; between = ", ") {
        sink_text(sink, between);
        if (json_type(value) == JSON_STRING) {
            render_string(sink, value);
        } else {
            render_json(sink, value);
        }
    }
}

void render_cell(struct sink *sink, struct json_value value)
{
    switch (json_type(value)) {
    case JSON_NULL:
        sink_char(sink, '-');
        break;
    case JSON_BOOL:
        sink_text(sink, *value.text == 't' ? "yes" : "no");
        break;
    case JSON_STRING:
        render_string(sink, value);
        break;
    case JSON_ARRAY:
        render_list(sink, value);
        break;
    default:
        render_json(sink, value);
        break;
    }
}

static bool holds_objects(struct json_value value)
{
    struct json_walk walk = json_walk(value);
    struct json_value first;
    return !walk.object && json_next(&walk, NULL, &first) && json_type(first) == JSON_OBJECT;
}

static size_t longest_key(struct json_value object)
{
    size_t longest = 0;
    struct json_walk walk = json_walk(object);
    struct json_value key, value;
    while (json_next(&walk, &key, &value)) {
        struct sink width = { .measure = true };
        render_string(&width, key);
        if (width.column > longest && width.column <= RENDER_CELL) {
            longest = width.column;
        }
    }
    return longest;
}

/* indent > 0: inside of another object. */
static void render_object(struct sink *sink, struct json_value object, size_t indent)
{
    size_t longest = longest_key(object);
    struct json_walk walk = json_walk(object);
    struct json_value key, value;
    while (json_next(&walk, &key, &value) && !sink->full) {
        sink_blanks(sink, indent);
        render_string(sink, key);
        sink_char(sink, ':');
        if (indent == 0 && holds_objects(value)) {
            sink_char(sink, '\n');
            render_table(sink, value, 2);
            continue;
        }
        if (indent == 0 && json_type(value) == JSON_OBJECT) {
            sink_char(sink, '\n');
            render_object(sink, value, 2); /* once: inside of it indent is not 0 */
            continue;
        }
        size_t used = sink->column - indent - 1;
        sink_blanks(sink, (longest > used ? longest - used : 0) + 1);
        render_cell(sink, value);
        sink_char(sink, '\n');
    }
}

static void render_array(struct sink *sink, struct json_value array)
{
    struct json_walk walk = json_walk(array);
    struct json_value value;
    if (walk.at == NULL) {
        sink_text(sink, "none\n");
    }
    while (json_next(&walk, NULL, &value) && !sink->full) {
        render_cell(sink, value);
        sink_char(sink, '\n');
    }
}

void render_value(struct sink *sink, struct json_value value)
{
    if (json_type(value) == JSON_OBJECT) {
        render_object(sink, value, 0);
    } else if (holds_objects(value)) {
        render_table(sink, value, 0);
    } else if (json_type(value) == JSON_ARRAY) {
        render_array(sink, value);
    } else {
        if (json_type(value) == JSON_NULL) {
            sink_text(sink, "ok");
        } else {
            render_cell(sink, value);
        }
        sink_char(sink, '\n');
    }
}

/* --- logs --- */

/* What is left out of a log: the state between two bytes. ECMA-48: ESC, then '[' parameters final, or one character. */
enum log_state { LOG_TEXT, LOG_ESCAPE, LOG_SEQUENCE };

static enum log_state log_byte(struct sink *sink, enum log_state state, int c)
{
    if (c == 0x1b) {
        return LOG_ESCAPE;
    }
    if (state == LOG_ESCAPE) {
        return c == '[' ? LOG_SEQUENCE : LOG_TEXT;
    }
    if (state == LOG_SEQUENCE && c != '\n') {
        return c >= 0x40 && c <= 0x7e ? LOG_TEXT : LOG_SEQUENCE;
    }
    if (c == '\n') {
        sink_char(sink, '\n');
    } else if (c == '\t') {
        sink_blanks(sink, 8 - sink->column % 8);
    } else if (c >= ' ' && c != 0x7f && (c < 0x80 || c >= 0xc0)) {
        sink_byte(sink, c); /* of a UTF-8 sequence the first byte, as '?' */
    }
    return LOG_TEXT;
}

void render_log(struct sink *sink, struct json_value string)
{
    enum log_state state = LOG_TEXT;
    const char *at = string.text + 1;
    for (int c = json_char(&at); c >= 0 && !sink->full; c = json_char(&at)) {
        state = log_byte(sink, state, c);
    }
}
