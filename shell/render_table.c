/* SPDX-License-Identifier: MIT
 * Tables: columns are the keys of the rows, in the order in which they appear first; numbers stand to the right. */
#include <string.h>
#include "render_table.h"

struct column {
    struct json_value key;
    size_t width;
    bool numbers; /* nothing else in it */
};

struct table {
    unsigned count;
    struct column columns[RENDER_COLUMNS];
};

static bool same_text(struct json_value a, struct json_value b)
{
    return a.end - a.text == b.end - b.text && memcmp(a.text, b.text, (size_t)(a.end - a.text)) == 0;
}

static struct column *column_of(struct table *table, struct json_value key)
{
    for (unsigned i = 0; i < table->count; i++) {
        if (same_text(table->columns[i].key, key)) {
            return &table->columns[i];
        }
    }
    return NULL;
}

static size_t cell_width(struct json_value value)
{
    struct sink sink = { .measure = true };
    render_cell(&sink, value);
    return sink.column;
}

static void widen(struct column *column, struct json_value value)
{
    size_t width = cell_width(value);
    width = width < RENDER_CELL ? width : RENDER_CELL;
    column->width = width > column->width ? width : column->width;
}

static void add_row(struct table *table, struct json_value row)
{
    struct json_walk walk = json_walk(row);
    struct json_value key, value;
    while (walk.object && json_next(&walk, &key, &value)) {
        struct column *column = column_of(table, key);
        if (column == NULL && table->count < RENDER_COLUMNS) {
            column = &table->columns[table->count++];
            *column = (struct column){ .key = key, .numbers = true };
            widen(column, key);
        }
        if (column != NULL) {
            widen(column, value);
            column->numbers &= json_type(value) == JSON_NUMBER || json_type(value) == JSON_NULL;
        }
    }
}

static void put_cell(struct sink *sink, const struct column *column, bool first, struct json_value value)
{
    size_t width = cell_width(value), pad = column->width > width ? column->width - width : 0;
    sink_blanks(sink, first ? 0 : 2);
    sink_blanks(sink, column->numbers ? pad : 0);
    render_cell(sink, value);
    sink_blanks(sink, column->numbers ? 0 : pad);
}

static void put_row(struct sink *sink, const struct table *table, struct json_value row, size_t indent)
{
    static const char nothing[] = "\"\"";
    sink_blanks(sink, indent);
    for (unsigned i = 0; i < table->count; i++) {
        const struct column *column = &table->columns[i];
        struct json_walk walk = json_walk(row);
        struct json_value key, value, found = { nothing, nothing + 2 };
        while (walk.object && json_next(&walk, &key, &value)) {
            if (same_text(key, column->key)) {
                found = value;
                break;
            }
        }
        put_cell(sink, column, i == 0, found);
    }
    sink_char(sink, '\n');
}

void render_table(struct sink *sink, struct json_value array, size_t indent)
{
    struct table table = { .count = 0 };
    struct json_value row;
    for (struct json_walk walk = json_walk(array); json_next(&walk, NULL, &row);) {
        add_row(&table, row);
    }
    sink_blanks(sink, indent);
    for (unsigned i = 0; i < table.count; i++) {
        put_cell(sink, &table.columns[i], i == 0, table.columns[i].key);
    }
    sink_char(sink, '\n');
    for (struct json_walk walk = json_walk(array); json_next(&walk, NULL, &row) && !sink->full;) {
        put_row(sink, &table, row, indent);
    }
}
