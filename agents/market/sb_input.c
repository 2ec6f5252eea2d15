/* SPDX-License-Identifier: MPL-2.0
 *
 * Lines out of a file, a fifo or standard input. Two buffers: `raw` holds octets as stored, `text`
 * holds them inflated; a line is found in `text` and handed out in place. `text` is larger than the
 * longest line by a chunk, so a line either fits or is known to be too long.
 */
#include "sb_input.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { RAW_SIZE = 65536, TEXT_SIZE = SB_LINE_MAX + 65536 };

typedef enum { FORMAT_UNKNOWN, FORMAT_PLAIN, FORMAT_GZIP } format_t;
typedef enum { FILL_MORE, FILL_WAIT, FILL_END, FILL_DAMAGED } fill_t;

struct sb_input {
    int descriptor;
    bool is_regular;   /* reading never blocks, size known */
    bool is_borrowed;  /* standard input */
    bool raw_ended;    /* read gave 0 */
    bool member_ended; /* gzip: between two members */
    bool is_skipping;  /* within a line that is too long */
    bool is_finished;  /* `finish` is the answer from now on */
    sb_input_status_t finish;
    format_t format;
    z_stream stream;
    bool has_stream;
    uint64_t octets_read;
    uint64_t octets_total;
    size_t raw_begin, raw_end;
    size_t text_begin, text_end;
    size_t searched; /* text up to here holds no LF */
    char error[256];
    unsigned char raw[RAW_SIZE];
    char text[TEXT_SIZE + 1];
};

sb_input_t *sb_input_open (const char *path, char *error, size_t error_size)
{
    bool is_standard = strcmp (path, "-") == 0;
    int descriptor = is_standard ? STDIN_FILENO : open (path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    struct stat status;
    if (descriptor < 0 || fstat (descriptor, &status) != 0) {
        snprintf (error, error_size, "cannot open %s: %s", path, strerror (errno));
        return NULL;
    }
    sb_input_t *self = S_ISDIR (status.st_mode) ? NULL : calloc (1, sizeof *self);
    if (!self) {
        snprintf (error, error_size, "cannot read %s: %s", path,
                  S_ISDIR (status.st_mode) ? "it is a folder" : "no memory");
        if (!is_standard)
            close (descriptor);
        return NULL;
    }
    self->descriptor = descriptor;
    self->is_borrowed = is_standard;
    self->is_regular = S_ISREG (status.st_mode);
    self->octets_total = self->is_regular ? (uint64_t)status.st_size : 0;
    return self;
}

void sb_input_close (sb_input_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_input_t *self = *self_p;
    if (self->has_stream)
        inflateEnd (&self->stream);
    if (!self->is_borrowed)
        close (self->descriptor);
    free (self);
    *self_p = NULL;
}

static fill_t s_damaged (sb_input_t *self, const char *text)
{
    snprintf (self->error, sizeof self->error, "%s", text);
    return FILL_DAMAGED;
}

/* Reads once into `raw`, after moving what is left there to its front. */
static fill_t s_read_raw (sb_input_t *self)
{
    if (self->raw_ended)
        return FILL_END;
    memmove (self->raw, self->raw + self->raw_begin, self->raw_end - self->raw_begin);
    self->raw_end -= self->raw_begin;
    self->raw_begin = 0;
    if (!self->is_regular) {
        struct pollfd item = {.fd = self->descriptor, .events = POLLIN};
        if (poll (&item, 1, 0) <= 0)
            return FILL_WAIT;
    }
    ssize_t count = read (self->descriptor, self->raw + self->raw_end, RAW_SIZE - self->raw_end);
    if (count < 0 && (errno == EINTR || errno == EAGAIN))
        return FILL_WAIT;
    if (count < 0) {
        snprintf (self->error, sizeof self->error, "reading failed: %s", strerror (errno));
        return FILL_DAMAGED;
    }
    if (count == 0) {
        self->raw_ended = true;
        return FILL_END;
    }
    self->raw_end += (size_t)count;
    self->octets_read += (uint64_t)count;
    return FILL_MORE;
}

/* Decides the format from the first two octets; an input shorter than that is plain. */
static fill_t s_detect (sb_input_t *self)
{
    while (self->raw_end < 2) {
        fill_t fill = s_read_raw (self);
        if (fill == FILL_END)
            break;
        if (fill != FILL_MORE)
            return fill;
    }
    bool is_gzip = self->raw_end >= 2 && self->raw[0] == 0x1f && self->raw[1] == 0x8b;
    self->format = is_gzip ? FORMAT_GZIP : FORMAT_PLAIN;
    if (!is_gzip)
        return FILL_MORE;
    if (inflateInit2 (&self->stream, 15 + 16) != Z_OK)
        return s_damaged (self, "no memory to inflate gzip data");
    self->has_stream = true;
    return FILL_MORE;
}

static fill_t s_fill_plain (sb_input_t *self)
{
    if (self->raw_begin == self->raw_end) {
        fill_t fill = s_read_raw (self);
        if (fill != FILL_MORE)
            return fill;
    }
    size_t room = TEXT_SIZE - self->text_end;
    size_t count = self->raw_end - self->raw_begin;
    if (count > room)
        count = room;
    memcpy (self->text + self->text_end, self->raw + self->raw_begin, count);
    self->raw_begin += count;
    self->text_end += count;
    return FILL_MORE;
}

/* Between two gzip members: another one, padding of zeros, or the end. */
static fill_t s_next_member (sb_input_t *self)
{
    while (self->raw_begin < self->raw_end && self->raw[self->raw_begin] == 0)
        self->raw_begin++;
    if (self->raw_end - self->raw_begin < 2) {
        fill_t fill = s_read_raw (self);
        if (fill != FILL_END)
            return fill;
        return self->raw_begin == self->raw_end ? FILL_END : s_damaged (self, "octets after the end of the gzip data");
    }
    if (self->raw[self->raw_begin] != 0x1f || self->raw[self->raw_begin + 1] != 0x8b)
        return s_damaged (self, "octets after the end of the gzip data");
    inflateReset (&self->stream);
    self->member_ended = false;
    return FILL_MORE;
}

static fill_t s_fill_gzip (sb_input_t *self)
{
    if (self->member_ended)
        return s_next_member (self);
    if (self->raw_begin == self->raw_end) {
        fill_t fill = s_read_raw (self);
        if (fill == FILL_END)
            return s_damaged (self, "the gzip data are cut in the middle: the file is not whole");
        if (fill != FILL_MORE)
            return fill;
    }
    self->stream.next_in = self->raw + self->raw_begin;
    self->stream.avail_in = (uInt)(self->raw_end - self->raw_begin);
    self->stream.next_out = (unsigned char *)self->text + self->text_end;
    self->stream.avail_out = (uInt)(TEXT_SIZE - self->text_end);
    int result = inflate (&self->stream, Z_NO_FLUSH);
    self->raw_begin = self->raw_end - self->stream.avail_in;
    self->text_end = TEXT_SIZE - self->stream.avail_out;
    if (result == Z_STREAM_END)
        self->member_ended = true;
    else if (result != Z_OK && result != Z_BUF_ERROR)
        return s_damaged (self, "the gzip data are corrupt");
    return FILL_MORE;
}

/* Makes room behind the text that is not read yet, and puts more there. */
static fill_t s_fill (sb_input_t *self)
{
    if (self->format == FORMAT_UNKNOWN) {
        fill_t fill = s_detect (self);
        if (fill != FILL_MORE)
            return fill;
    }
    if (self->text_begin > 0) {
        memmove (self->text, self->text + self->text_begin, self->text_end - self->text_begin);
        self->text_end -= self->text_begin;
        self->searched -= self->text_begin;
        self->text_begin = 0;
    }
    assert (self->text_end < TEXT_SIZE);
    return self->format == FORMAT_GZIP ? s_fill_gzip (self) : s_fill_plain (self);
}

/* Hands out text [text_begin, end) and goes on at `next`. */
static void s_take (sb_input_t *self, size_t end, size_t next, char **line, size_t *size)
{
    if (end > self->text_begin && self->text[end - 1] == '\r')
        end--;
    self->text[end] = 0;
    *line = self->text + self->text_begin;
    *size = end - self->text_begin;
    self->text_begin = self->searched = next;
}

/* Nothing more will come: what is left is the last line, or a part of one. */
static sb_input_status_t s_finish (sb_input_t *self, bool is_damaged, char **line, size_t *size)
{
    self->is_finished = true;
    self->finish = is_damaged ? SB_INPUT_DAMAGED : SB_INPUT_END;
    if (self->is_skipping) {
        self->text_begin = self->text_end;
        self->is_skipping = false;
        return SB_INPUT_TOO_LONG;
    }
    if (self->text_begin == self->text_end)
        return self->finish;
    s_take (self, self->text_end, self->text_end, line, size);
    return is_damaged ? SB_INPUT_PARTIAL : SB_INPUT_LINE;
}

sb_input_status_t sb_input_line (sb_input_t *self, char **line, size_t *size)
{
    while (!self->is_finished) {
        char *end = memchr (self->text + self->searched, '\n', self->text_end - self->searched);
        if (end) {
            size_t position = (size_t)(end - self->text);
            if (self->is_skipping || position - self->text_begin > SB_LINE_MAX) {
                self->is_skipping = false;
                self->text_begin = self->searched = position + 1;
                return SB_INPUT_TOO_LONG;
            }
            s_take (self, position, position + 1, line, size);
            return SB_INPUT_LINE;
        }
        self->searched = self->text_end;
        if (self->is_skipping || self->text_end - self->text_begin > SB_LINE_MAX) {
            self->is_skipping = true;
            self->text_begin = self->text_end;
        }
        fill_t fill = s_fill (self);
        if (fill == FILL_WAIT)
            return SB_INPUT_WAIT;
        if (fill == FILL_END || fill == FILL_DAMAGED)
            return s_finish (self, fill == FILL_DAMAGED, line, size);
    }
    return self->finish;
}

const char *sb_input_error (const sb_input_t *self)
{
    return self->error;
}

int sb_input_descriptor (const sb_input_t *self)
{
    return self->descriptor;
}

uint64_t sb_input_octets_read (const sb_input_t *self)
{
    return self->octets_read;
}

uint64_t sb_input_octets_total (const sb_input_t *self)
{
    return self->octets_total;
}

bool sb_input_rewind (sb_input_t *self)
{
    if (!self->is_regular || lseek (self->descriptor, 0, SEEK_SET) != 0)
        return false;
    if (self->has_stream)
        inflateEnd (&self->stream);
    memset (&self->stream, 0, sizeof self->stream);
    self->has_stream = self->raw_ended = self->member_ended = self->is_skipping = self->is_finished = false;
    self->format = FORMAT_UNKNOWN;
    self->octets_read = 0;
    self->raw_begin = self->raw_end = self->text_begin = self->text_end = self->searched = 0;
    return true;
}
