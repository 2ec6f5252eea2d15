/* SPDX-License-Identifier: MPL-2.0
 *
 * The layouts that are at hand, read from folders of `NAME.zpl` files, and the choice among them: by
 * the name given, or by what the first line of a file says. Reads files; nothing else in it is impure.
 */
#ifndef SB_LAYOUT_SET_H
#define SB_LAYOUT_SET_H

#include "sb_layout.h"

typedef struct sb_layout_set sb_layout_set_t;

/* Reads every *.zpl of `folder`; NULL: $SYNCBUS_LAYOUTS, else share/syncbus/layouts beside the program's bin folder,
 * else `layouts` in the program's own folder, else where they were installed. NULL and a sentence when there is no such
 * folder, no memory, or a layout is wrong (its file and line are named). */
sb_layout_set_t *sb_layout_set_new (const char *folder, char *error, size_t error_size);
void sb_layout_set_destroy (sb_layout_set_t **self_p);

/* In order of names. Borrowed. */
uint32_t sb_layout_set_count (const sb_layout_set_t *self);
const sb_layout_t *sb_layout_set_at (const sb_layout_set_t *self, uint32_t place);

/* The layout of that name, or the file at that path when it holds a / or ends in .zpl. False, and a sentence. */
bool sb_layout_set_find (const sb_layout_set_t *self, const char *name, sb_layout_t *layout, char *error,
                         size_t error_size);

/* The text of a layout as it stands in its file; NULL when there is none. To be freed. */
char *sb_layout_set_text (const sb_layout_set_t *self, const char *name);

/* The layout for a file by its first line: a header, a headerless row (its file name must then fit a layout's `files`),
 * or a JSON object. The longest `files` pattern that fits wins, then the most columns. NULL: none fits. */
const sb_layout_t *sb_layout_set_choose (const sb_layout_set_t *self, const sb_cells_t *first, bool is_json,
                                         const char *base_name);

#endif
