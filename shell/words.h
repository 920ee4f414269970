/* SPDX-License-Identifier: MIT
 * The words of a request (docs/control.md): blanks between them; quotes around a word with blanks, in which \" and
 * \\ stand for " and \. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Copies the word at *line, without its quotes, and goes behind it and the blanks that follow. False: there is none, it
 * is too long, or its quotes do not end. */
bool words_next(const char **line, char *word, size_t size);
/* Takes the word -j out of the line, wherever it stands unquoted behind the first word. True: it was there. */
bool words_cut_raw(char *line);
/* Adds a word, quoted if it has to be. False: no room, or it has a control character. */
bool words_add(char *line, size_t size, const char *word);
