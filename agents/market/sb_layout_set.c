/* SPDX-License-Identifier: MPL-2.0
 *
 * The layouts at hand. There are a few dozen at most, so choosing is a walk over all of them.
 */
#include "sb_layout_set.h"
#include "sb_names.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LAYOUTS_MAX = 256, LAYOUT_FILE_MAX = 65536 };

struct sb_layout_set {
    char folder[PATH_MAX];
    sb_layout_t *layouts[LAYOUTS_MAX];
    uint32_t count;
};

/* Reads a whole small file, NUL-terminated. NULL: *why says what is wrong. */
static char *s_read_file (const char *path, const char **why)
{
    FILE *file = fopen (path, "re");
    char *text = file ? malloc (LAYOUT_FILE_MAX + 1) : NULL;
    size_t size = text ? fread (text, 1, LAYOUT_FILE_MAX + 1, file) : 0;
    bool is_bad = !file || !text || ferror (file) || size > LAYOUT_FILE_MAX;
    if (is_bad) {
        *why = file && text && size > LAYOUT_FILE_MAX ? "larger than 64 KiB" : strerror (errno);
        free (text);
        text = NULL;
    } else {
        text[size] = 0;
    }
    if (file)
        fclose (file);
    return text;
}

static bool s_load (const char *path, const char *name, sb_layout_t *layout, char *error, size_t error_size)
{
    const char *why = "";
    char wrong[512];
    char *text = s_read_file (path, &why);
    if (!text) {
        snprintf (error, error_size, "cannot read layout %s: %s", path, why);
        return false;
    }
    bool is_fine = sb_layout_parse (layout, name, sb_text (text), wrong, sizeof wrong);
    if (!is_fine)
        snprintf (error, error_size, "layout %s: %s", path, wrong);
    free (text);
    return is_fine;
}

/* The first of the usual folders that is there. */
static void s_usual_folder (char *folder, size_t size)
{
    const char *asked = getenv ("SYNCBUS_LAYOUTS");
    if (asked && *asked) {
        snprintf (folder, size, "%s", asked);
        return;
    }
    char program[PATH_MAX - 64] = "";
    ssize_t length = readlink ("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = 0;
    char *slash = strrchr (program, '/');
    if (slash)
        *slash = 0;
    static const char *const places[] = {"/../share/syncbus/layouts", "/layouts"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf (folder, size, "%s%s", program, places[i]);
        if (access (folder, R_OK | X_OK) == 0)
            return;
    }
    snprintf (folder, size, "%s", SB_LAYOUT_FOLDER);
}

static int s_is_layout (const struct dirent *entry)
{
    return sb_pattern_matches ("*.zpl", entry->d_name) && entry->d_name[0] != '.';
}

static bool s_load_entry (sb_layout_set_t *self, const char *file_name, char *error, size_t error_size)
{
    char path[PATH_MAX + 256], name[64];
    sb_layout_t *layout = self->count < LAYOUTS_MAX ? malloc (sizeof *layout) : NULL;
    if (!layout) {
        snprintf (error, error_size, "no room for more than %d layouts", LAYOUTS_MAX);
        return false;
    }
    self->layouts[self->count++] = layout;
    snprintf (path, sizeof path, "%s/%.200s", self->folder, file_name);
    snprintf (name, sizeof name, "%.*s", (int)(strlen (file_name) - strlen (".zpl")), file_name);
    return s_load (path, name, layout, error, error_size);
}

sb_layout_set_t *sb_layout_set_new (const char *folder, char *error, size_t error_size)
{
    sb_layout_set_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    if (folder)
        snprintf (self->folder, sizeof self->folder, "%s", folder);
    else
        s_usual_folder (self->folder, sizeof self->folder);
    struct dirent **entries = NULL;
    int count = scandir (self->folder, &entries, s_is_layout, alphasort);
    bool is_fine = count >= 0;
    if (!is_fine)
        snprintf (error, error_size, "cannot read layouts in %s: %s (name another folder with --layouts)", self->folder,
                  strerror (errno));
    for (int i = 0; i < count; i++) {
        is_fine = is_fine && s_load_entry (self, entries[i]->d_name, error, error_size);
        free (entries[i]);
    }
    free (entries);
    if (!is_fine)
        sb_layout_set_destroy (&self);
    return self;
}

void sb_layout_set_destroy (sb_layout_set_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    for (uint32_t i = 0; i < (*self_p)->count; i++)
        free ((*self_p)->layouts[i]);
    free (*self_p);
    *self_p = NULL;
}

uint32_t sb_layout_set_count (const sb_layout_set_t *self)
{
    return self->count;
}

const sb_layout_t *sb_layout_set_at (const sb_layout_set_t *self, uint32_t place)
{
    return place < self->count ? self->layouts[place] : NULL;
}

bool sb_layout_set_find (const sb_layout_set_t *self, const char *name, sb_layout_t *layout, char *error,
                         size_t error_size)
{
    if (strchr (name, '/') || sb_pattern_matches ("*.zpl", name)) {
        const char *slash = strrchr (name, '/');
        return s_load (name, slash ? slash + 1 : name, layout, error, error_size);
    }
    for (uint32_t i = 0; i < self->count; i++)
        if (strcmp (self->layouts[i]->name, name) == 0) {
            *layout = *self->layouts[i];
            return true;
        }
    snprintf (error, error_size, "there is no layout %s: see syncbus-market --list-layouts", name);
    return false;
}

char *sb_layout_set_text (const sb_layout_set_t *self, const char *name)
{
    char path[PATH_MAX + 256];
    const char *why;
    for (uint32_t i = 0; i < self->count; i++)
        if (strcmp (self->layouts[i]->name, name) == 0) {
            snprintf (path, sizeof path, "%s/%s.zpl", self->folder, name);
            return s_read_file (path, &why);
        }
    return NULL;
}

static bool s_fits (const sb_layout_t *layout, const sb_cells_t *first, bool is_json)
{
    if (is_json)
        return sb_layout_matches_members (layout, first);
    if (layout->has_header)
        return sb_layout_matches_header (layout, first);
    return *layout->files && first->count == layout->column_count;
}

const sb_layout_t *sb_layout_set_choose (const sb_layout_set_t *self, const sb_cells_t *first, bool is_json,
                                         const char *base_name)
{
    const sb_layout_t *best = NULL;
    for (uint32_t i = 0; i < self->count; i++) {
        const sb_layout_t *layout = self->layouts[i];
        if (!sb_layout_matches_file (layout, base_name) || !s_fits (layout, first, is_json))
            continue;
        size_t length = strlen (layout->files), best_length = best ? strlen (best->files) : 0;
        bool is_closer =
            !best || length > best_length || (length == best_length && layout->column_count > best->column_count);
        if (is_closer)
            best = layout;
    }
    return best;
}
